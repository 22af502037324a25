// Reports and files to take away: looked at in every width and theme, with script and without.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";

import { follow, LANGUAGES, leaveBrowser, NARROW, visiting, WIDE } from "./lib/browser.mjs";
import { tabTo } from "./lib/keyboard.mjs";
import { lookAtAll } from "./lib/look.mjs";
import { signedInAs } from "./lib/staff.mjs";
import { say } from "./lib/words.mjs";

const folder = await mkdtemp(path.join(tmpdir(), "stagedoor-reports-"));

after(leaveBrowser);
after(() => rm(folder, { recursive: true }));

const FIGURES = ["sales", "fill", "revenue", "hold-to-paid", "refunds", "time-to-sell-out"];

const kind = (name, address, status = 200) => ({
  name, status, isPublic: false, async open(visitor, lang) {
    await signedInAs("admin", visitor);
    return visitor.page.goto(`${address}${address.includes("?") ? "&" : "?"}lang=${lang}`);
  },
});

const unfolded = (name, address) => ({
  ...kind(name, address), async open(visitor, lang) {
    const response = await kind(name, address).open(visitor, lang);
    await visitor.page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
    return response;
  },
});

describe("every page of reports", { concurrency: 2 }, () => lookAtAll([
  kind("reports", "/staff/reports"),
  unfolded("reports with their tables", "/staff/reports"),
  kind("reports of a day without sales", "/staff/reports?from=2020-01-01&to=2020-01-01"),
  { ...kind("reports that are none", "/staff/reports?from=2020-01-02&to=2020-01-01", 422) },
]));

for (const [name, viewport] of Object.entries({ "360 px": NARROW, "1280 px": WIDE })) {
  test(`texts of charts keep their size and stay in sight, ${name}`, () => visiting({ width: viewport }, async (visitor) => {
    const { page } = visitor;
    await signedInAs("admin", visitor);
    for (const lang of LANGUAGES) {
      await page.goto(`/staff/reports?lang=${lang}`);
      const texts = await page.evaluate(() => [...document.querySelectorAll(".chart text")].map((text) => {
        const { left, right, height } = text.getBoundingClientRect();
        return { text: text.textContent, left, right, height, size: parseFloat(getComputedStyle(text).fontSize) };
      }));
      assert.ok(texts.length > 6, `${texts.length} texts`);
      for (const { text, left, right, height, size } of texts) {
        assert.ok(size >= 14 && height >= 14, `${text}: ${size} px, ${height} px tall`);
        assert.ok(left >= 0 && right <= viewport.width, `${text} from ${left} to ${right}`);
      }
      const bars = await page.evaluate(() => [...document.querySelectorAll(".chart")].map((chart) => ({
        width: chart.getBoundingClientRect().width,
        tall: chart.getBoundingClientRect().height - chart.getAttribute("height"),
        colors: [...new Set([...chart.querySelectorAll(".chart-bar")].map((bar) => getComputedStyle(bar).fill))],
      })));
      for (const { width, tall, colors } of bars) {
        assert.ok(width >= 300, `${width} px wide`);
        assert.ok(Math.abs(tall) < 1, `as tall as it says, but for ${tall} px`);
        assert.equal(colors.length, 1);
      }
    }
  }));
}

test("bars stand out in both themes", () => visiting({}, async (visitor) => {
  const { page } = visitor;
  await signedInAs("admin", visitor);
  await page.goto("/staff/reports?lang=en");
  const colors = [];
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    colors.push(await page.evaluate(() => getComputedStyle(document.querySelector(".chart-bar")).fill));
  }
  assert.notEqual(colors[0], colors[1]);
}));

for (const script of [true, false]) {
  test(`a report is narrowed, read and taken away, ${script ? "with" : "without"} script`, () => visiting({ script }, async (visitor) => {
    const { page } = visitor;
    await signedInAs("admin", visitor);
    for (const lang of LANGUAGES) {
      await page.goto(`/staff/reports?lang=${lang}`);
      assert.equal(await page.textContent("h1"), say(lang, "rp-title"));
      assert.deepEqual(await page.locator("section.figure").evaluateAll((all) => all.map((one) => one.getAttribute("aria-labelledby"))), FIGURES);
      const to = await page.inputValue("#to");
      await page.fill("#from", to);
      await follow(page, () => page.click(".filters .button"));
      assert.match(page.url(), new RegExp(`from=${to}&to=${to}`));
      await page.click("section[aria-labelledby=sales] summary");
      assert.equal(await page.locator("section[aria-labelledby=sales] tbody tr").count(), 1);
      for (const ending of ["csv", "xlsx"]) {
        const [download] = await Promise.all([
          page.waitForEvent("download"),
          page.click(`section[aria-labelledby=sales] a[href*=".${ending}"]`),
        ]);
        assert.match(download.suggestedFilename(), new RegExp(`^sales-\\d{4}-\\d\\d-\\d\\d\\.${ending}$`));
        const file = path.join(folder, download.suggestedFilename());
        await download.saveAs(file);
        const bytes = await readFile(file);
        if (ending === "csv") assert.match(bytes.toString(), /^\uFEFFday,reservations_made,tickets_sold,revenue,currency\n/);
        else assert.equal(bytes.subarray(0, 2).toString(), "PK");
      }
    }
  }));
}

test("by keyboard alone an admin goes to the reports and takes a list away", () => visiting({ width: WIDE }, async (visitor) => {
  const { page } = visitor;
  await signedInAs("admin", visitor);
  await page.goto("/staff?lang=en");
  await follow(page, async () => {
    await page.keyboard.press("g");
    await page.keyboard.press("p");
  });
  assert.equal(await page.textContent("h1"), say("en", "rp-title"));
  await page.goto("/staff/concerts?lang=en");
  // A date has stops of the browser's own, which our outlines don't reach: from behind the filters.
  await page.focus(".filters .button");
  await tabTo(page, ".takeaway a[href*='.csv']");
  const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Enter")]);
  assert.match(download.suggestedFilename(), /^concerts-.*\.csv$/);
}));

test("a moderator sees no reports and takes nothing away", () => visiting({}, async (visitor) => {
  const { page, context } = visitor;
  await signedInAs("moderator", visitor);
  await page.goto("/staff/concerts?lang=en");
  assert.equal(await page.locator("a[href^='/staff/reports'], a[href^='/staff/exports']").count(), 0);
  for (const address of ["/staff/reports", "/staff/reports/sales.csv", "/staff/exports/reservations.csv"]) {
    const forged = await context.request.get(address, { maxRedirects: 0 });
    assert.equal(forged.status(), 403, address);
  }
}));
