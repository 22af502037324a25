// The live view of a sale, and importing concerts: how they look, what moves while a buyer buys, and
// both without script.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { follow, LANGUAGES, leaveBrowser, NARROW, visit, visiting } from "./lib/browser.mjs";
import { tabTo } from "./lib/keyboard.mjs";
import { lookAtAll } from "./lib/look.mjs";
import { book } from "./lib/pages.mjs";
import { addMember, PASSWORD, signedInAs } from "./lib/staff.mjs";
import { say } from "./lib/words.mjs";
import { addConcert, dayFromNow, newEmail, reserve, world } from "./lib/world.mjs";

after(leaveBrowser);

/** Figures come every second; a rate is told over five. Machines may be busy. */
const WITHIN_MS = 12_000;

const HEADER = "name,artist,date,venue,total_tickets,price";
const IMPORT = "/staff/concerts/import";

let number = 0;
/** A row of a file for a concert that nobody has made yet. */
const row = (name = "Imported") => `${name} ${process.pid}-${(number += 1)},The Understudies,${dayFromNow(90)},"Hall, Bangkok",120,950.00`;
const file = (...rows) => ({ name: "concerts.csv", mimeType: "text/csv", buffer: Buffer.from([HEADER, ...rows, ""].join("\n")) });

const live = (concert, lang) => `/staff/concerts/${concert.id}/live?lang=${lang}`;
const figure = (page, name) => page.textContent(`[data-figure=${name}]`);
const shows = (page, name, text) => page.waitForFunction(([wanted, value]) => document.querySelector(`[data-figure=${wanted}]`).textContent === value, [name, text], { timeout: WITHIN_MS });
const corners = (page, name) => page.getAttribute(`[data-curve=${name}]`, "points");

const kind = (name, open, status = 200) => ({
  name, status, isPublic: false, async open(visitor, lang) {
    await signedInAs("admin", visitor);
    return open(visitor.page, lang);
  },
});

async function send(page, lang, what) {
  await page.goto(`${IMPORT}?lang=${lang}`);
  await page.setInputFiles("#file", what);
  return follow(page, () => page.click("form.hold .button"));
}

describe("the pages", { concurrency: 2 }, () => lookAtAll([
  kind("live view of a sale", async (page, lang) => {
    const concert = await addConcert({ total_tickets: 45_000 });
    await reserve(concert.id);
    const response = await page.goto(live(concert, lang));
    await shows(page, "held", "2");
    await page.click("details summary");
    return response;
  }),
  kind("importing concerts", (page, lang) => page.goto(`${IMPORT}?lang=${lang}`)),
  kind("preview of an import", (page, lang) => send(page, lang, file(row(), row()))),
  kind("an import with mistakes", (page, lang) => send(page, lang, file(row(), ",Nobody,31.1.2027,Hall,-1,1e3")), 422),
]));

for (const lang of LANGUAGES) {
  test(`the live view moves while a buyer buys, ${lang}`, () => visiting({}, async (visitor) => {
    const { page } = visitor;
    const concert = await addConcert({ total_tickets: 12 });
    await signedInAs("moderator", visitor);
    await page.goto(`/staff/concerts/${concert.id}?lang=${lang}`);
    await follow(page, () => page.click("a[href$='/live']"));
    assert.equal(await figure(page, "left"), "12");
    assert.equal(await page.isVisible("[data-refresh]"), false);
    const before = await corners(page, "taken");
    await visiting({}, async (buyer) => {
      await buyer.page.goto(`/en/concerts/${concert.id}`);
      // A rate is shown for some seconds alone, in which the buyer may still wait for the next page.
      const rate = shows(page, "admitted", "0.2");
      await book(buyer, { quantity: 9, name: "Ada", email: newEmail() });
      await rate;
    });
    await shows(page, "held", "9");
    await shows(page, "left", "3");
    await page.waitForFunction((old) => document.querySelector("[data-curve=taken]").getAttribute("points") !== old, before);
    assert.match(await corners(page, "taken"), /600,30$/);
    await page.click("details summary");
    assert.equal(await page.locator("[data-rows] tr").first().locator("td").first().textContent(), "9");
    const isSpoken = await page.locator("[data-figure=held]").evaluate((element) => element.closest("[aria-live], [role=status], [role=alert]").getAttribute("aria-live"));
    assert.equal(isSpoken, "off");
    assert.equal(await page.textContent("h1 small"), `${concert.artist}: ${concert.name}`);
    assert.equal(await page.isVisible("[data-say=lost]"), false);
  }));

  test(`the live view without script shows how it stands, ${lang}`, () => visiting({ script: false }, async (visitor) => {
    const { page } = visitor;
    const concert = await addConcert({ total_tickets: 12 });
    await signedInAs("moderator", visitor);
    await page.goto(live(concert, lang));
    assert.equal(await figure(page, "held"), "0");
    assert.equal(await page.isVisible("[data-pause]"), false);
    await reserve(concert.id, { quantity: 5 });
    await follow(page, () => page.click(`text=${say(lang, "sl-refresh")}`));
    assert.equal(await figure(page, "held"), "5");
    assert.ok((await corners(page, "taken")).length > 0);
  }));

  for (const script of [true, false]) {
    test(`concerts are imported after a look at them: ${script ? "with" : "without"} script, ${lang}`, () => visiting({ script }, async (visitor) => {
      const { page } = visitor;
      await signedInAs("admin", visitor);
      await page.goto(`/staff/concerts?lang=${lang}`);
      await follow(page, () => page.click(`text=${say(lang, "si-link")}`));
      const wanted = [row("<b>Night</b>"), row("'=2+3")];
      await page.setInputFiles("#file", file(...wanted, "x,y,no day,z,1,1"));
      await follow(page, () => page.click("form.hold .button"));
      assert.ok((await page.textContent("#wrong")).includes(say(lang, "si-day")));
      // What is wrong is mended in place.
      await page.fill("#text", [HEADER, ...wanted].join("\n"));
      await follow(page, () => page.click("form.hold .button"));
      const shown = await page.locator("tbody small").allTextContents();
      assert.deepEqual(shown, wanted.map((line) => line.split(",")[0].replace(/^'/, "")));
      assert.equal(await page.locator("tbody b").count(), 0);
      const submit = page.locator("form .acts button").first();
      await follow(page, () => (script ? submit.dblclick() : submit.click()));
      assert.equal(await page.textContent(".said"), say(lang, "said-concerts-imported"));
      await page.goto(`/staff/concerts?q=${encodeURIComponent(shown[1])}`);
      assert.equal(await page.locator("tbody tr").count(), 1);
    }));
  }
}

test("by keyboard alone the figures rest and go on", () => visiting({}, async (visitor) => {
  const { page } = visitor;
  const concert = await addConcert({ total_tickets: 12 });
  await signedInAs("moderator", visitor);
  await page.goto(live(concert, "en"));
  await tabTo(page, "[data-pause]");
  await page.keyboard.press("Enter");
  assert.equal(await page.getAttribute("[data-pause]", "aria-pressed"), "true");
  await sleep(1_500);
  const before = await figure(page, "read-at");
  await reserve(concert.id, { quantity: 4 });
  await sleep(3_000);
  assert.equal(await figure(page, "held"), "0");
  assert.equal(await figure(page, "read-at"), before);
  await page.keyboard.press("Enter");
  await shows(page, "held", "4");
}));

test("who wants little to move sees figures change and curves rest", () => visiting({ reducedMotion: "reduce" }, async (visitor) => {
  const { page } = visitor;
  const concert = await addConcert({ total_tickets: 12 });
  await signedInAs("moderator", visitor);
  await page.goto(live(concert, "en"));
  await sleep(2_500);
  const before = await corners(page, "taken");
  await reserve(concert.id, { quantity: 4 });
  await shows(page, "held", "4");
  assert.equal(await corners(page, "taken"), before);
}));

test("who is signed out elsewhere is told that nothing new comes in", async () => {
  const member = await addMember("moderator");
  const signedIn = await fetch(`${world().base}/api/v1/admin/sessions`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ username: member.username, password: PASSWORD }),
  });
  const { token } = await signedIn.json();
  // The stream's refusal is a complaint that is meant.
  const { page, context, close } = await visit({ width: NARROW });
  try {
    await context.addCookies([{ name: "stagedoor-staff", value: token, url: world().base, httpOnly: true, sameSite: "Lax" }]);
    const concert = await addConcert();
    await page.goto(live(concert, "th"));
    await sleep(1_500);
    assert.equal(await page.isVisible("[data-say=lost]"), false);
    const ended = await fetch(`${world().base}/api/v1/admin/sessions/current`, { method: "DELETE", headers: { authorization: `Bearer ${token}` } });
    assert.equal(ended.ok, true);
    await page.waitForSelector("[data-say=lost]:visible", { timeout: 20_000 });
    assert.ok((await page.textContent("[data-say=lost]")).includes(say("th", "sl-lost")));
  } finally {
    await close();
  }
});
