// What a buyer is told when a booking can't be: wrong input, and every reason to refuse.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";

import { follow, LANGUAGES, leaveBrowser, visiting } from "./lib/browser.mjs";
import { book } from "./lib/pages.mjs";
import { addConcert, newEmail, reserve, ticketsLeft } from "./lib/world.mjs";

after(leaveBrowser);

const WRONG = {
  en: {
    title: /^Please check: /, summary: "3 things need your attention",
    fields: {
      quantity: "Enter a number of tickets from 1 to 10.",
      customer_name: "Enter your name.",
      customer_email: "Enter an e-mail address like name@example.com.",
    },
  },
  th: {
    title: /^โปรดตรวจสอบ: /, summary: "โปรดตรวจสอบ 3 รายการ",
    fields: {
      quantity: "กรอกจำนวนบัตรตั้งแต่ 1 ถึง 10 ใบ",
      customer_name: "กรอกชื่อของคุณ",
      customer_email: "กรอกอีเมลในรูปแบบ name@example.com",
    },
  },
};

describe("wrong input", { concurrency: 2 }, () => {
  for (const lang of LANGUAGES) {
    for (const script of [true, false]) {
      test(`is named at the top and at each field, and is kept, ${lang}, ${script ? "with" : "without"} script`, () => visiting({ script }, async (visitor) => {
        const { page } = visitor;
        const words = WRONG[lang];
        const concert = await addConcert();
        await page.goto(`/${lang}/concerts/${concert.id}`);
        const key = await page.inputValue("[name=idempotency_key]");
        const typed = { quantity: "0", name: "  ", email: "ada@" };
        const response = await book(visitor, typed);
        assert.equal(response.status(), 422);
        assert.match(await page.title(), words.title);

        assert.equal(await page.evaluate(() => document.activeElement.id), "errors");
        assert.ok(await page.evaluate(() => document.activeElement.getBoundingClientRect().top < innerHeight));
        assert.equal(await page.textContent("#errors h2"), words.summary);
        assert.deepEqual(await page.locator("#errors a").allTextContents(), Object.values(words.fields));
        for (const [id, sentence] of Object.entries(words.fields)) {
          const field = page.locator(`#${id}`);
          assert.equal(await field.getAttribute("aria-invalid"), "true");
          assert.ok((await field.getAttribute("aria-describedby")).split(" ").includes(`${id}-error`));
          assert.equal(await page.textContent(`#${id}-error`), sentence);
          await page.click(`#errors a[href="#${id}"]`);
          assert.equal(await page.evaluate(() => document.activeElement.id), id, "the summary leads to the field");
        }
        const kept = [await page.inputValue("#quantity"), await page.inputValue("#customer_name"), await page.inputValue("#customer_email")];
        assert.deepEqual(kept, [typed.quantity, typed.name, typed.email]);
        assert.equal(await page.inputValue("[name=idempotency_key]"), key, "the next try is the same booking");
        assert.equal(await ticketsLeft(concert.id), 100);

        await book(visitor, { quantity: 2, name: "Ada", email: newEmail() });
        assert.match(page.url(), new RegExp(`/${lang}/r/RES`));
        assert.equal(await ticketsLeft(concert.id), 98);
      }));
    }
  }

  for (const [what, name, sentence] of [
    ["a name that is too long", "x".repeat(256), "Shorten your name: it has too many characters."],
    ["an empty name", "", "Enter your name."],
  ]) {
    test(what, () => visiting({}, async (visitor) => {
      const concert = await addConcert();
      await visitor.page.goto(`/en/concerts/${concert.id}`);
      await visitor.page.evaluate(() => document.getElementById("customer_name").removeAttribute("maxlength"));
      await book(visitor, { quantity: 1, name, email: newEmail() });
      assert.equal(await visitor.page.textContent("#customer_name-error"), sentence);
      assert.equal(await visitor.page.locator("#errors li").count(), 1);
      assert.equal(await visitor.page.inputValue("#customer_name"), name);
    }));
  }
});

/** Each reason: what is there, what is asked for, what happens meanwhile, and what is said. */
const REASONS = [
  {
    reason: "over the limit of one order", wish: { quantity: 11 },
    en: "You can book up to 10 tickets at a time. Choose fewer and try again.",
    th: "จองได้ครั้งละไม่เกิน 10 ใบ ลดจำนวนแล้วลองอีกครั้ง",
  },
  {
    reason: "over the limit of one customer", wish: { quantity: 6 },
    before: (concert, email) => reserve(concert.id, { quantity: 5, customer_email: email.toUpperCase() }),
    en: "One e-mail address can have 10 tickets for this concert, counting those you already have. Choose fewer and try again.",
    th: "อีเมลหนึ่งจองคอนเสิร์ตนี้ได้ไม่เกิน 10 ใบ นับรวมบัตรที่คุณมีอยู่แล้ว ลดจำนวนแล้วลองอีกครั้ง",
  },
  {
    reason: "not enough left", concert: { total_tickets: 3 }, wish: { quantity: 5 },
    en: "Only 3 tickets are left. Choose 3 or fewer and try again.",
    th: "เหลือบัตรเพียง 3 ใบ เลือกไม่เกิน 3 ใบแล้วลองอีกครั้ง",
  },
  {
    reason: "one left", concert: { total_tickets: 1 }, wish: { quantity: 2 },
    en: "Only 1 ticket is left. Choose 1 and try again.",
    th: "เหลือบัตรเพียง 1 ใบ เลือกไม่เกิน 1 ใบแล้วลองอีกครั้ง",
  },
  {
    reason: "sold out meanwhile", concert: { total_tickets: 4 }, wish: { quantity: 1 },
    meanwhile: (page, concert) => reserve(concert.id, { quantity: 4 }),
    en: "The last tickets were taken while you were writing. Held tickets may come back within minutes.",
    th: "บัตรใบสุดท้ายถูกจองไประหว่างที่คุณกรอกข้อมูล บัตรที่มีผู้จองไว้อาจกลับมาภายในไม่กี่นาที",
  },
  {
    // Nothing closes a sale from outside yet, so the form is turned to a concert whose sale is closed.
    reason: "sale closed", wish: { quantity: 1 },
    meanwhile: async (page) => {
      const closed = await addConcert({ status: "closed" });
      await page.evaluate((id) => {
        const form = document.querySelector("form.hold");
        form.action = form.getAttribute("action").replace(/\d+/, id);
      }, closed.id);
    },
    en: "The sale has just closed. No tickets were taken.",
    th: "การจำหน่ายเพิ่งปิดลง คุณยังไม่ได้จองบัตรใด ๆ",
  },
];

describe("a refusal", { concurrency: 2 }, () => {
  for (const { reason, concert: wanted, wish, before, meanwhile, ...sentences } of REASONS) {
    for (const lang of LANGUAGES) {
      test(`${reason}, ${lang}`, () => visiting({}, async (visitor) => {
        const { page } = visitor;
        const concert = await addConcert(wanted);
        const email = newEmail();
        await before?.(concert, email);
        await page.goto(`/${lang}/concerts/${concert.id}`);
        await meanwhile?.(page, concert);
        const left = await ticketsLeft(concert.id);
        const response = await book(visitor, { name: "Ada", email, ...wish });
        assert.equal(response.status(), 409);
        assert.equal(await page.evaluate(() => document.activeElement.id), "errors");
        assert.equal((await page.textContent("#errors li")).trim(), sentences[lang]);
        assert.equal(await page.textContent("#quantity-error"), sentences[lang]);
        assert.deepEqual(
          [await page.inputValue("#quantity"), await page.inputValue("#customer_name"), await page.inputValue("#customer_email")],
          [String(wish.quantity), "Ada", email],
        );
        assert.equal(await ticketsLeft(concert.id), left);
      }));
    }
  }

  test("leaves the way on: fewer tickets, same form", () => visiting({}, async (visitor) => {
    const { page } = visitor;
    const concert = await addConcert({ total_tickets: 3 });
    await page.goto(`/en/concerts/${concert.id}`);
    await book(visitor, { quantity: 5, name: "Ada", email: newEmail() });
    await page.fill("#quantity", "3");
    await follow(page, () => page.click(".hold .button"));
    assert.match(page.url(), /\/en\/r\/RES/);
    assert.equal(await ticketsLeft(concert.id), 0);
  }));

  test("changes language and theme without losing the concert", () => visiting({ script: false }, async (visitor) => {
    const { page } = visitor;
    const concert = await addConcert();
    await page.goto(`/en/concerts/${concert.id}`);
    await book(visitor, { quantity: 0, name: "", email: "" });
    await follow(page, () => page.click("button[name=theme][value=dark]"));
    assert.equal(new URL(page.url()).pathname, `/en/concerts/${concert.id}`);
    await book(visitor, { quantity: 0, name: "", email: "" });
    await follow(page, () => page.click(".tongue"));
    assert.equal(new URL(page.url()).pathname, `/th/concerts/${concert.id}`);
  }));
});
