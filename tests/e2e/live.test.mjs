// Tickets left, live: two browsers, words in both languages, and what happens without a stream.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { LANGUAGES, leaveBrowser, visit, visiting } from "./lib/browser.mjs";
import { book } from "./lib/pages.mjs";
import { addConcert, newEmail, reserve, world } from "./lib/world.mjs";

after(leaveBrowser);

/** A stream tells within a second or two, a question within ten; machines may be busy. */
const STREAM_WITHIN_MS = 8_000;
const QUESTION_WITHIN_MS = 20_000;

const WORDS = {
  en: { onSale: "On sale", fewLeft: "Few left: 3", soldOut: "Sold out", again: "Tickets are on sale now" },
  th: { onSale: "เปิดจำหน่าย", fewLeft: "ใกล้หมด เหลือ 3 ใบ", soldOut: "บัตรหมด", again: "เปิดจำหน่ายบัตรอยู่ในขณะนี้" },
};

const isStream = (request) => new URL(request.url()).pathname.endsWith("/live");

/** Opens a concert's page and waits until it follows the sale. */
async function openFollowing(page, lang, concert) {
  const following = page.waitForRequest(isStream);
  await page.goto(`/${lang}/concerts/${concert.id}`);
  await following;
}

function shows(page, label, tickets, timeout = STREAM_WITHIN_MS) {
  return page.waitForFunction(([wantedLabel, wantedTickets]) => {
    const left = document.querySelector("[data-live]");
    return left.querySelector(".state").textContent === wantedLabel && left.querySelector("strong").textContent === wantedTickets;
  }, [label, String(tickets)], { timeout });
}

function giveBack({ id, access_token: token }) {
  return fetch(`${world().base}/api/v1/reservations/${id}/cancel`, { method: "POST", headers: { authorization: `Bearer ${token}` } });
}

describe("a concert's page", { concurrency: 2 }, () => {
  for (const lang of LANGUAGES) {
    test(`follows what another browser books, ${lang}`, () => visiting({}, async ({ page }) => {
      const words = WORDS[lang];
      const concert = await addConcert({ total_tickets: 12 });
      await openFollowing(page, lang, concert);
      await page.fill("#customer_name", "still writing");
      await shows(page, words.onSale, 12);
      await visiting({}, async (other) => {
        await other.page.goto(`/en/concerts/${concert.id}`);
        await book(other, { quantity: 9, name: "Ada", email: newEmail() });
      });
      await shows(page, words.fewLeft, 3);
      await reserve(concert.id, { quantity: 3 });
      await shows(page, words.soldOut, 0);
      assert.equal(await page.getAttribute("[data-live] .state", "data-state"), "sold-out");
      assert.equal(await page.inputValue("#customer_name"), "still writing");
      const isSpoken = await page.locator("[data-live]").evaluate((element) => Boolean(element.closest("[aria-live], [role=status], [role=alert]")));
      assert.equal(isSpoken, false);
    }));

    test(`that is sold out says when tickets come back, ${lang}`, () => visiting({}, async ({ page }) => {
      const words = WORDS[lang];
      const concert = await addConcert({ total_tickets: 3 });
      const held = await reserve(concert.id, { quantity: 3 });
      await openFollowing(page, lang, concert);
      assert.equal(await page.isVisible(".on-sale-again"), false);
      await giveBack(held);
      await shows(page, words.fewLeft, 3);
      assert.equal(await page.textContent("#sale-title"), words.again);
      assert.equal(await page.textContent("[role=status]"), words.again);
      await page.click(".on-sale-again .button");
      await page.waitForSelector("form.hold");
    }));
  }

  test("rests while nobody looks, and is right again when somebody does", () => visiting({}, async ({ page }) => {
    const concert = await addConcert({ total_tickets: 12 });
    await openFollowing(page, "en", concert);
    const look = (hidden) => page.evaluate((isHidden) => {
      Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
    const ended = page.waitForEvent("requestfailed", isStream);
    await look(true);
    await ended;
    await reserve(concert.id, { quantity: 9 });
    await sleep(3_000);
    assert.equal(await page.textContent("[data-live] strong"), "12");
    await look(false);
    await shows(page, "Few left: 3", 3);
  }));

  test("without streams asks every ten seconds, and for changes only", () => visiting({}, async ({ page, context }) => {
    await context.addInitScript(() => delete globalThis.EventSource);
    const concert = await addConcert({ total_tickets: 12 });
    const asked = [];
    page.on("response", (response) => response.url().endsWith(`/api/v1/concerts/${concert.id}`) && asked.push(response));
    await page.goto(`/en/concerts/${concert.id}`);
    while (asked.length < 2) await sleep(200);
    assert.deepEqual(asked.map((answer) => answer.status()), [200, 304]);
    assert.equal(asked[1].request().headers()["if-none-match"], asked[0].headers().etag);
    await reserve(concert.id, { quantity: 9 });
    await shows(page, "Few left: 3", 3, QUESTION_WITHIN_MS);
  }));

  test("whose stream is refused asks instead", async () => {
    const { page, close } = await visit();
    const concert = await addConcert({ total_tickets: 12 });
    await page.route(`**/api/v1/concerts/${concert.id}/live`, (route) => route.fulfill({ status: 503 }));
    await openFollowing(page, "en", concert);
    await reserve(concert.id, { quantity: 9 });
    await shows(page, "Few left: 3", 3, QUESTION_WITHIN_MS);
    await close();
  });

  test("whose stream is silent asks instead", () => visiting({}, async ({ page }) => {
    const concert = await addConcert({ total_tickets: 12 });
    await page.route(`**/api/v1/concerts/${concert.id}/live`, () => {});
    await openFollowing(page, "en", concert);
    await reserve(concert.id, { quantity: 9 });
    await shows(page, "Few left: 3", 3, QUESTION_WITHIN_MS);
  }));
});
