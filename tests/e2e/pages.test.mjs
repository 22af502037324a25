// Every kind of page × language × light and dark × narrow and wide.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";

import { LANGUAGES, leaveBrowser, NARROW, visit, visiting, WIDE } from "./lib/browser.mjs";
import { askAxe, bringAxe, checkHead, checkHeaders, measure } from "./lib/checks.mjs";
import { PAGES, serverOf } from "./lib/pages.mjs";

const LOOKS = [
  { look: "360 px light", width: NARROW, colorScheme: "light" },
  { look: "360 px dark", width: NARROW, colorScheme: "dark" },
  { look: "1280 px dark", width: WIDE, colorScheme: "dark" },
  { look: "1280 px light", width: WIDE, colorScheme: "light" },
];

/** What 1280 px become when they are enlarged four times (WCAG 1.4.10). */
const ENLARGED = { width: 320, height: 256 };

let axeRuns = 0;

after(async () => {
  console.log(`axe ran ${axeRuns} times on ${PAGES.length} kinds of pages`);
  await leaveBrowser();
});

/** Two pages at a time keep both of a small machine's cores busy. */
describe("every page", { concurrency: 2 }, () => {
  for (const kind of PAGES) {
    for (const lang of LANGUAGES) {
      test(`${kind.name}, ${lang}`, () => checkPage(kind, lang));
    }
  }
});

function checkPage(kind, lang) {
  const { isPublic = true, status } = kind;
  const options = { base: serverOf(kind), locale: lang === "th" ? "th-TH" : "en-US" };
  return visiting(options, async (visitor) => {
    const { page, context, base } = visitor;
    await bringAxe(context);
    const response = await kind.open(visitor, lang);
    assert.equal(response.status(), status);
    checkHeaders(response, { isPublic });
    await checkHead(page, { lang, base, isPublic });
    for (const { look, width, colorScheme } of LOOKS) {
      await page.setViewportSize(width);
      await page.emulateMedia({ colorScheme });
      const findings = [...(await measure(page, { lang })), ...(await askAxe(page))];
      axeRuns += 1;
      assert.deepEqual(findings, [], look);
    }
    await page.setViewportSize(ENLARGED);
    assert.deepEqual(await measure(page, { lang }), [], "320 px");
  });
}

/** Whoever finds nothing anywhere may be blind: here is something to find. */
test("a page with faults is found out", async () => {
  const visitor = await visit();
  const { page, context, complaints } = visitor;
  await bringAxe(context);
  await page.goto("/en/");
  await page.evaluate(() => {
    const faults = document.createElement("div");
    faults.innerHTML = `<h1>Again</h1><img src="/assets/nothing.png"><button>x</button>
      <p class="faint">You can hardly read this</p><p class="wide">wide</p>`;
    faults.style.cssText = "color: #888; background: #999; width: 3000px; line-height: 1; letter-spacing: 2px";
    document.querySelector("main").append(faults);
    const script = Object.assign(document.createElement("script"), { src: "https://stagedoor.invalid/x.js" });
    document.body.append(script);
  });
  await page.waitForLoadState("networkidle");
  const findings = [...(await measure(page, { lang: "th" })), ...(await askAxe(page))].join("\n");
  for (const fault of [/html lang is en/, /2 h1/, /scrolls sideways/, /target .*button/, /line height/, /letter-spacing/, /axe color-contrast/, /axe image-alt/]) {
    assert.match(findings, fault);
  }
  assert.match(complaints.join("\n"), /404 for .*nothing\.png/);
  assert.match(complaints.join("\n"), /Content Security Policy/);
  await visitor.close();
});
