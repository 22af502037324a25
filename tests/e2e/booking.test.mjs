// Buying tickets from the list to the reservation and back: with script, without, and by keyboard
// alone, in both languages, on a phone.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { arrive, follow, LANGUAGES, leaveBrowser, visiting } from "./lib/browser.mjs";
import { tabTo } from "./lib/keyboard.mjs";
import { addConcert, HASTY_HOLD_MS, newEmail, readReservation, reserve, ticketsLeft, world } from "./lib/world.mjs";

after(leaveBrowser);

const WORDS = {
  en: { held: (time) => `Held for you until ${time}`, tickets: "2 tickets", cancelled: "Reservation cancelled", expired: "The hold has ended" },
  th: { held: (time) => `กันบัตรไว้ให้คุณถึง ${time} น.`, tickets: "2 ใบ", cancelled: "ยกเลิกการจองแล้ว", expired: "หมดเวลากันบัตรแล้ว" },
};

/** How a visitor moves: finds a concert, books two tickets of it, gives them back. */
const WAYS = {
  "with script": {
    script: true,
    find: async (page, name) => {
      await page.fill("#q", name);
      await follow(page, () => page.click(".filter-submit"));
      return follow(page, () => page.click(".card a"));
    },
    async book(page, email) {
      await page.click("[data-step='1']");
      assert.equal(await page.inputValue("#quantity"), "2");
      assert.equal(await page.textContent(".total output"), "฿2,500");
      return fillIn(page, email);
    },
    cancel: clickCancel,
  },
  "without script": {
    script: false,
    find: async (page, name) => {
      await page.fill("#q", name);
      await follow(page, () => page.click(".filter-submit"));
      return follow(page, () => page.click(".card a"));
    },
    async book(page, email) {
      for (const idle of ["[data-step='1']", "[data-step='-1']", ".total"]) {
        assert.equal(await page.isVisible(idle), false, `${idle} does nothing without script`);
      }
      await page.fill("#quantity", "2");
      return fillIn(page, email);
    },
    cancel: clickCancel,
  },
  "by keyboard alone": {
    script: true,
    async find(page, name) {
      await tabTo(page, ".skip");
      await page.keyboard.press("Enter");
      await tabTo(page, "#q");
      await page.keyboard.type(name);
      await follow(page, () => page.keyboard.press("Enter"));
      await tabTo(page, ".card a");
      return follow(page, () => page.keyboard.press("Enter"));
    },
    async book(page, email) {
      await tabTo(page, "#quantity");
      await page.keyboard.press("ArrowUp");
      await tabTo(page, "#customer_name");
      await page.keyboard.type("Ada Lovelace");
      await tabTo(page, "#customer_email");
      await page.keyboard.type(email);
      await tabTo(page, ".hold .button");
      return follow(page, () => page.keyboard.press("Enter"));
    },
    async cancel(page) {
      await tabTo(page, ".cancel summary");
      await page.keyboard.press("Enter");
      await tabTo(page, ".cancel .button");
      return follow(page, () => page.keyboard.press("Enter"));
    },
  },
};

async function fillIn(page, email) {
  await page.fill("#customer_name", "Ada Lovelace");
  await page.fill("#customer_email", email);
  return follow(page, () => page.click(".hold .button"));
}

async function clickCancel(page) {
  assert.equal(await page.isVisible(".cancel .button"), false, "cancelling asks first");
  await page.click(".cancel summary");
  return follow(page, () => page.click(".cancel .button"));
}

/** The reservations that a browser holds, with their tokens. */
async function holdings(context) {
  const cookie = (await context.cookies()).find(({ name }) => name === "stagedoor");
  return (cookie?.value ?? "").split("~").filter(Boolean).map((pair) => {
    const [id, ...token] = pair.split(".");
    return { id, access_token: token.join("."), cookie };
  });
}

const clock = (instant) => new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "Asia/Bangkok" }).format(new Date(instant));

const statusBefore = async (response) => (await response.request().redirectedFrom()?.response())?.status();

describe("buying and giving back", { concurrency: 2 }, () => {
  for (const [way, { script, find, book, cancel }] of Object.entries(WAYS)) {
    for (const lang of LANGUAGES) {
      test(`${way}, ${lang}`, () => visiting({ script }, async ({ page, context }) => {
        const words = WORDS[lang];
        const concert = await addConcert({ name: `Encore ${way} ${lang}`, total_tickets: 40 });
        await page.goto(`/${lang}/`);
        await find(page, concert.name);
        assert.equal(new URL(page.url()).pathname, `/${lang}/concerts/${concert.id}`);

        const response = await book(page, newEmail());
        assert.equal(response.status(), 200);
        assert.equal(await statusBefore(response), 303);
        const [held] = await holdings(context);
        assert.equal(new URL(page.url()).pathname, `/${lang}/r/${held.id}`);
        const reservation = await readReservation(held);
        assert.deepEqual([reservation.status, reservation.quantity], ["pending", 2]);
        assert.equal(await page.textContent("h1"), words.held(clock(reservation.expires_at)));
        const facts = await page.textContent(".ticket-facts");
        for (const fact of [words.tickets, "฿2,500", "Ada Lovelace", held.id]) assert.ok(facts.includes(fact), fact);
        assert.equal(await ticketsLeft(concert.id), 38);

        const cancelled = await cancel(page);
        assert.equal(await statusBefore(cancelled), 303);
        assert.equal(await page.textContent("h1"), words.cancelled);
        assert.equal(await ticketsLeft(concert.id), 40);
        assert.equal((await readReservation(held)).status, "cancelled");
      }));
    }
  }
});

describe("one booking stays one", { concurrency: 2 }, () => {
  for (const script of [true, false]) {
    test(`a double click ${script ? "with" : "without"} script`, () => visiting({ script }, async ({ page, context }) => {
      const concert = await addConcert();
      await page.goto(`/en/concerts/${concert.id}`);
      await page.fill("#quantity", "3");
      await page.fill("#customer_name", "Ada Lovelace");
      await page.fill("#customer_email", newEmail());
      await page.dblclick(".hold .button");
      await arrive(page, /\/en\/r\/RES/);
      assert.equal((await holdings(context)).length, 1);
      assert.equal(await ticketsLeft(concert.id), 97);
    }));
  }

  test("the same form sent many times at once", async () => {
    const concert = await addConcert();
    const form = { quantity: "3", customer_name: "Ada", customer_email: newEmail(), idempotency_key: crypto.randomUUID() };
    const send = () => fetch(`${world().base}/en/concerts/${concert.id}/hold`, { method: "POST", body: new URLSearchParams(form), redirect: "manual" });
    const answers = await Promise.all(Array.from({ length: 8 }, send));
    const places = new Set(answers.map((answer) => answer.headers.get("location")));
    assert.deepEqual(answers.map((answer) => answer.status), Array(8).fill(303));
    assert.equal(places.size, 1);
    assert.equal(await ticketsLeft(concert.id), 97);
  });

  test("going back and sending the same form again", () => visiting({ script: false }, async ({ page, context }) => {
    const concert = await addConcert();
    await page.goto(`/en/concerts/${concert.id}`);
    const key = await page.inputValue("[name=idempotency_key]");
    const email = newEmail();
    await fillIn(page, email);
    const first = page.url();
    await page.goto(`/en/concerts/${concert.id}`);
    await page.evaluate((used) => (document.querySelector("[name=idempotency_key]").value = used), key);
    await fillIn(page, email);
    assert.equal(page.url(), first);
    assert.equal((await holdings(context)).length, 1);
    assert.equal(await ticketsLeft(concert.id), 99);
  }));

  test("a form that was used for another booking gets a new key and works", () => visiting({}, async ({ page }) => {
    const concert = await addConcert();
    await page.goto(`/en/concerts/${concert.id}`);
    const key = await page.inputValue("[name=idempotency_key]");
    await fillIn(page, newEmail());
    await page.goto(`/en/concerts/${concert.id}`);
    await page.evaluate((used) => (document.querySelector("[name=idempotency_key]").value = used), key);
    const response = await fillIn(page, newEmail());
    assert.equal(response.status(), 422);
    assert.match(await page.textContent("#errors"), /already used for another booking/);
    assert.equal(await ticketsLeft(concert.id), 99);
    await follow(page, () => page.click(".hold .button"));
    assert.match(page.url(), /\/r\/RES/);
    assert.equal(await ticketsLeft(concert.id), 98);
  }));

  test("the button works again after coming back", () => visiting({}, async ({ page }) => {
    const concert = await addConcert();
    await page.goto(`/en/concerts/${concert.id}`);
    await fillIn(page, newEmail());
    await page.goBack();
    assert.equal(await page.getAttribute(".hold .button", "aria-disabled"), null);
    await follow(page, () => page.click(".hold .button"));
    assert.match(page.url(), /\/r\/RES/);
  }));
});

describe("a free concert", () => {
  for (const [lang, words] of [["en", { title: "Your tickets are confirmed", total: "Free" }], ["th", { title: "ยืนยันบัตรของคุณแล้ว", total: "ฟรี" }]]) {
    test(`is confirmed at once, ${lang}`, () => visiting({}, async ({ page }) => {
      const concert = await addConcert({ price: "0.00" });
      await page.goto(`/${lang}/concerts/${concert.id}`);
      assert.equal(await page.locator(".total").count(), 0);
      await fillIn(page, newEmail());
      assert.equal(await page.textContent("h1"), words.title);
      assert.ok((await page.textContent(".ticket-facts")).includes(words.total));
      assert.equal(await ticketsLeft(concert.id), 99);
    }));
  }
});

describe("a reservation's page", { concurrency: 2 }, () => {
  for (const script of [true, false]) {
    test(`takes the token out of the address, ${script ? "with" : "without"} script`, () => visiting({ script }, async ({ page, context }) => {
      const concert = await addConcert();
      const { id, access_token: token } = await reserve(concert.id);
      const response = await page.goto(`/th/r/${id}?t=${token}`);
      assert.equal(await statusBefore(response), 303);
      assert.equal(new URL(page.url()).pathname + new URL(page.url()).search, `/th/r/${id}`);
      assert.ok(!(await page.content()).includes(token), "the page doesn't repeat the token");
      const [{ cookie }] = await holdings(context);
      assert.deepEqual([cookie.httpOnly, cookie.sameSite], [true, "Lax"]);
      await page.reload();
      assert.equal(await page.getAttribute(".ticket", "data-state"), "held");
      await page.goto("/th/");
      await page.goBack();
      assert.equal(new URL(page.url()).search, "");
      assert.equal(await page.getAttribute(".ticket", "data-state"), "held");
    }));
  }

  test("is nobody else's", () => visiting({}, async ({ page }) => {
    const concert = await addConcert();
    const { id, access_token: token } = await reserve(concert.id);
    await visiting({}, async (other) => {
      const responses = [
        await other.page.goto(`/en/r/${id}`),
        await other.page.goto(`/en/r/${id}?t=${token.slice(0, -4)}AAAA`),
      ];
      assert.deepEqual(responses.map((response) => response.status()), [404, 404]);
      const body = await other.page.textContent("body");
      assert.ok(!body.includes("Ada Lovelace"));
      assert.deepEqual(await holdings(other.context), []);
    });
    assert.equal((await page.goto(`/en/r/${id}?t=${token}`)).status(), 200);
  }));

  test("shows several reservations of one browser", () => visiting({}, async ({ page, context }) => {
    const concert = await addConcert();
    for (let count = 0; count < 2; count += 1) {
      await page.goto(`/en/concerts/${concert.id}`);
      await fillIn(page, newEmail());
    }
    const held = await holdings(context);
    assert.equal(held.length, 2);
    for (const { id } of held) assert.equal((await page.goto(`/en/r/${id}`)).status(), 200);
  }));

  for (const script of [true, false]) {
    test(`says when the hold has ended, ${script ? "by itself" : "on reload"}`, () => visiting({ base: world().hasty, script }, async ({ page, base }) => {
      const concert = await addConcert();
      await page.goto(`/en/concerts/${concert.id}`);
      await fillIn(page, newEmail());
      assert.equal(await page.getAttribute(".ticket", "data-state"), "held");
      if (!script) {
        await sleep(HASTY_HOLD_MS + 500);
        await page.reload();
      }
      await page.waitForSelector(".ticket[data-state=expired]", { timeout: HASTY_HOLD_MS + 7_000 });
      assert.equal(await page.textContent("h1"), WORDS.en.expired);
      assert.equal(await page.locator(".cancel").count(), 0);
      await follow(page, () => page.click("main .button"));
      assert.equal(page.url(), `${base}/en/concerts/${concert.id}`);
    }));
  }

  test("refuses to cancel what has ended, and says how it stands", () => visiting({ base: world().hasty, script: false }, async ({ page }) => {
    const concert = await addConcert();
    await page.goto(`/th/concerts/${concert.id}`);
    await fillIn(page, newEmail());
    await page.click(".cancel summary");
    await sleep(HASTY_HOLD_MS);
    const response = await follow(page, () => page.click(".cancel .button"));
    assert.equal(response.status(), 409);
    assert.equal(await page.evaluate(() => document.activeElement.id), "errors");
    assert.match(await page.textContent("#errors"), /ยกเลิกการจองนี้ไม่ได้แล้ว/);
    assert.equal(await page.textContent("h1"), WORDS.th.expired);
  }));
});
