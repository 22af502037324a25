// Keeping a hold: the countdown, more time, and the question shortly before the end.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";

import { follow, LANGUAGES, leaveBrowser, visiting } from "./lib/browser.mjs";
import { tabTo } from "./lib/keyboard.mjs";
import { addConcert, readReservation, reserve, ticketsLeft } from "./lib/world.mjs";

after(leaveBrowser);

const WORDS = {
  en: { left: (time) => `${time} left`, minutes: [/^5 minutes left/, /^2 minutes left/, /^One minute left/], expired: "The hold has ended" },
  th: { left: (time) => `เหลือเวลา ${time}`, minutes: [/^อีก 5 นาที/, /^อีก 2 นาที/, /^อีก 1 นาที/], expired: "หมดเวลากันบัตรแล้ว" },
};

/** A held reservation's page, whose clock the test can move; the visitor's own is years off. */
async function openHold({ page }, lang) {
  const concert = await addConcert();
  const held = await reserve(concert.id);
  await page.clock.install({ time: "2001-02-03T04:05:06Z" });
  await page.goto(`/${lang}/r/${held.id}?t=${held.access_token}`);
  return { concert, held };
}

const shownLeft = (page) => page.textContent(".countdown");
const extensionOf = async (held, change) => Date.parse((await readReservation(held)).expires_at) - Date.parse(change.expires_at);

describe("the countdown", { concurrency: 2 }, () => {
  for (const lang of LANGUAGES) {
    test(`counts by the server's time and is spoken at 5, 2 and 1 minutes, ${lang}`, () => visiting({}, async (visitor) => {
      const { page } = visitor;
      const words = WORDS[lang];
      await openHold(visitor, lang);
      const first = await shownLeft(page);
      const seconds = Array.from({ length: 30 }, (_, second) => `9:${59 - second}`);
      assert.ok(["10:00", ...seconds].map(words.left).includes(first), first);
      assert.equal(await page.getAttribute(".countdown", "role"), "timer");
      const spoken = page.locator("[role=status]");
      assert.equal(await spoken.textContent(), "");
      await page.clock.runFor(30_000);
      assert.equal(await spoken.textContent(), "", "not every second");
      for (const [minutes, sentence] of [[5, words.minutes[0]], [2, words.minutes[1]], [1, words.minutes[2]]]) {
        const [, m, s] = (await shownLeft(page)).match(/(\d+):(\d\d)/).map(Number);
        await page.clock.fastForward((m * 60 + s - minutes * 60 + 1) * 1000);
        assert.match(await spoken.textContent(), sentence);
      }
    }));
  }

  test("is not there without script; the time stands", () => visiting({ script: false }, async ({ page }) => {
    const concert = await addConcert();
    const held = await reserve(concert.id);
    await page.goto(`/en/r/${held.id}?t=${held.access_token}`);
    assert.equal(await page.textContent(".countdown"), "");
    assert.match(await page.textContent("h1"), /^Held for you until \d\d:\d\d$/);
  }));

  test("asks the server at its end, and the concert is offered again", () => visiting({}, async (visitor) => {
    const { page } = visitor;
    const { concert, held } = await openHold(visitor, "th");
    const cancelled = await fetch(`${visitor.base}/api/v1/reservations/${held.id}/cancel`, { method: "POST", headers: { authorization: `Bearer ${held.access_token}` } });
    assert.equal(cancelled.status, 200);
    await page.clock.fastForward("10:01");
    await page.clock.runFor(2_000);
    await page.waitForSelector(".ticket[data-state=cancelled]");
    assert.ok((await page.getAttribute("main .button", "href")).endsWith(`/concerts/${concert.id}`));
  }));
});

describe("more time", { concurrency: 2 }, () => {
  for (const script of [true, false]) {
    test(`moves the end, ${script ? "with" : "without"} script`, () => visiting({ script }, async ({ page }) => {
      const concert = await addConcert();
      const held = await reserve(concert.id);
      await page.goto(`/en/r/${held.id}?t=${held.access_token}`);
      assert.match(await page.textContent(".more-time"), /10 more times/);
      const response = await follow(page, () => page.click(".more-time .button"));
      assert.equal(response.status(), 200);
      assert.equal((await response.request().redirectedFrom().response()).status(), 303);
      assert.equal(new URL(page.url()).pathname, `/en/r/${held.id}`);
      assert.ok((await extensionOf(held, held)) > 0);
      assert.match(await page.textContent(".more-time"), /9 more times/);
    }));
  }

  test("can be had ten times", () => visiting({ script: false }, async ({ page }) => {
    const concert = await addConcert();
    const held = await reserve(concert.id);
    await page.goto(`/th/r/${held.id}?t=${held.access_token}`);
    const action = await page.getAttribute(".more-time form", "action");
    for (let count = 0; count < 10; count += 1) await follow(page, () => page.click(".more-time .button"));
    assert.equal(await page.locator(".more-time .button").count(), 0);
    assert.match(await page.textContent(".more-time"), /ครบแล้ว/);
    const response = await follow(page, () => page.evaluate((address) => {
      const form = Object.assign(document.createElement("form"), { action: address, method: "post" });
      document.body.append(form);
      form.submit();
    }, action));
    assert.equal(response.status(), 409);
    assert.match(await page.textContent("#errors"), /ขอเวลาเพิ่ม/);
    assert.equal(await page.getAttribute(".ticket", "data-state"), "held");
  }));
});

describe("the question before the end", { concurrency: 2 }, () => {
  test("comes a minute before it, has the focus, and goes away by Escape", () => visiting({}, async (visitor) => {
    const { page } = visitor;
    await openHold(visitor, "en");
    await page.clock.fastForward("08:55");
    assert.equal(await page.isVisible("dialog"), false);
    await page.clock.fastForward("00:10");
    assert.equal(await page.isVisible("dialog"), true);
    assert.match(await page.textContent("dialog h2"), /^Your hold ends at \d\d:\d\d$/);
    assert.equal(await page.evaluate(() => document.activeElement.closest("dialog")?.id), "soon");
    await page.keyboard.press("Escape");
    assert.equal(await page.isVisible("dialog"), false);
    await page.clock.runFor(5_000);
    assert.equal(await page.isVisible("dialog"), false, "it asks once");
    assert.match(await shownLeft(page), /^0:\d\d left$/);
  }));

  test("more time, by keyboard", () => visiting({}, async (visitor) => {
    const { page } = visitor;
    const { held } = await openHold(visitor, "en");
    await page.clock.fastForward("09:05");
    await page.focus("dialog .button");
    const response = await follow(page, () => page.keyboard.press("Enter"));
    assert.equal(response.status(), 200);
    assert.ok((await extensionOf(held, held)) > 0);
    assert.equal(await page.isVisible("dialog"), false);
  }));

  test("let go", () => visiting({}, async (visitor) => {
    const { page } = visitor;
    const { concert } = await openHold(visitor, "th");
    await page.clock.fastForward("09:05");
    await follow(page, () => page.click("dialog .button-danger"));
    assert.equal(await page.getAttribute(".ticket", "data-state"), "cancelled");
    assert.equal(await ticketsLeft(concert.id), 100);
  }));

  for (const reducedMotion of ["reduce", "no-preference"]) {
    test(`moves only for those who like that: ${reducedMotion}`, () => visiting({ reducedMotion }, async (visitor) => {
      const { page } = visitor;
      await openHold(visitor, "en");
      const duration = await page.evaluate(() => getComputedStyle(document.getElementById("soon")).transitionDuration);
      assert.equal(duration, reducedMotion === "reduce" ? "0s" : "0.2s");
    }));
  }
});

test("a hold is extended by keyboard alone", () => visiting({}, async ({ page }) => {
  const concert = await addConcert();
  const held = await reserve(concert.id);
  await page.goto(`/en/r/${held.id}?t=${held.access_token}`);
  await tabTo(page, ".more-time .button");
  await follow(page, () => page.keyboard.press("Enter"));
  assert.match(await page.textContent(".more-time"), /9 more times/);
}));
