// Paying, whatever the card network does: afterwards the page, the mails, the database and the money say
// the same, in both languages, with script, without, and by keyboard alone, on a phone.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";

import { arrive, follow, LANGUAGES, leaveBrowser, visiting } from "./lib/browser.mjs";
import { askNow, readBooks, runOut, settled } from "./lib/books.mjs";
import { buying, choose, giveBack, goToProvider, OWN_PAGE, pay, PAY, TO_PROVIDER, WAYS } from "./lib/buyer.mjs";
import { say } from "./lib/words.mjs";
import { addConcert, addConcerts, readMails, readReservation, reserve, ticketsLeft } from "./lib/world.mjs";

after(leaveBrowser);

const PRICE = "2500.00 THB";

/** How everything stands at the end of a way: what the page says, by key, and what the books say. */
const PAID = {
  state: "confirmed", sentence: "confirmed-sentence", money: null, taken: 2,
  books: { reservation: "confirmed", payment: "completed", attempts: ["completed"], money: [PRICE], mails: ["confirmed"] },
};
const NOTHING_CAME = {
  state: "expired", sentence: "expired-sentence", money: null, taken: 0,
  books: { reservation: "expired", payment: "pending", attempts: ["failed"], money: ["none"], mails: [] },
};
const DECLINED = {
  state: "held", sentence: "held-sentence", money: "money-failed", taken: 2,
  books: { reservation: "pending", payment: "failed", attempts: ["failed"], money: ["none"], mails: ["payment_failed"] },
};
const PAID_THEN = {
  ...PAID,
  books: { ...PAID.books, attempts: ["failed", "completed"], money: ["none", PRICE], mails: ["confirmed", "payment_failed"] },
};
const TOO_LATE = {
  state: "expired", sentence: "expired-sentence-money", money: "money-late-back", taken: 2,
  books: { reservation: "expired", payment: "refunded", attempts: ["refunded late"], money: ["back"], mails: ["refunded"] },
};
const GIVEN_BACK = {
  state: "cancelled", sentence: "cancelled-sentence", money: "money-back", taken: 0,
  books: {
    reservation: "cancelled", payment: "refunded", attempts: ["refunded by_customer"], money: ["back"],
    mails: ["cancelled", "confirmed", "refunded"],
  },
};
const STUCK = {
  ...GIVEN_BACK, money: "money-refund-stuck",
  books: {
    reservation: "cancelled", payment: "completed", attempts: ["refunding by_customer stuck"], money: [PRICE],
    mails: ["cancelled", "confirmed"],
  },
};
const CANCELLED_FIRST = {
  ...GIVEN_BACK, books: { ...GIVEN_BACK.books, attempts: ["refunded cancelled"], mails: ["refunded"] },
};
const CANCELLED_UNPAID = {
  state: "cancelled", sentence: "cancelled-sentence", money: null, taken: 0,
  books: { reservation: "cancelled", payment: "pending", attempts: ["failed"], money: ["none"], mails: [] },
};

/** What a mail of each kind says, by key. */
const MAILS = {
  confirmed: ["mail-confirmed-subject", "confirmed-title", "mail-confirmed-sentence"],
  cancelled: ["mail-cancelled-subject", "cancelled-title", "mail-cancelled-sentence"],
  refunded: ["mail-refunded-subject", "mail-refunded-heading"],
  payment_failed: ["mail-failed-subject", "mail-failed-heading", "mail-failed-sentence"],
};

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const clock = (instant) => new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "Asia/Bangkok" }).format(new Date(instant));

/** The reservation with its token, as the buyer's browser holds it. */
async function own({ context, id }) {
  const cookie = (await context.cookies()).find(({ name }) => name === "stagedoor");
  const pair = cookie.value.split("~").find((pair) => pair.startsWith(`${id}.`));
  return { id, access_token: pair.slice(id.length + 1) };
}

/** The page, the mails, the database and the money agree. */
async function agree(buyer, { books, ...page }) {
  assert.deepEqual(await settled(() => readBooks(buyer.id), (found) => same(found, books)), books);
  assert.equal(await ticketsLeft(buyer.concert.id), buyer.concert.total_tickets - page.taken);
  await checkPage(buyer, page);
  await checkMails(buyer, books.mails, page.money);
}

/** Looks again, and reads every sentence about the reservation and its money. */
async function checkPage(buyer, { state, sentence, money }) {
  const { page, lang } = buyer;
  await page.reload();
  assert.match(page.url(), OWN_PAGE);
  const time = clock((await readReservation(await own(buyer))).expires_at ?? 0);
  assert.equal(await page.getAttribute(".ticket", "data-state"), state);
  assert.equal(await page.textContent("h1"), say(lang, `${state}-title`, { time }));
  const said = await page.locator(".opening p").allTextContents();
  assert.ok(said.includes(say(lang, `${state}-label`)), said.join("\n"));
  assert.ok(said.includes(say(lang, sentence, { time })), said.join("\n"));
  assert.deepEqual(await page.locator(".money").allTextContents(), money ? [say(lang, money)] : []);
  assert.equal(await page.locator(PAY).count(), state === "held" ? 1 : 0);
}

async function checkMails({ email, lang, concert, id }, kinds, money) {
  const name = `${concert.artist} – ${concert.name}`;
  const subjects = kinds.map((kind) => say(lang, MAILS[kind][0], { concert: name })).sort();
  const about = (mails) => mails.filter(({ subject }) => subjects.includes(subject));
  const mails = about(await settled(() => readMails(email), (found) => about(found).length >= subjects.length));
  assert.deepEqual(mails.map(({ subject }) => subject).sort(), subjects);
  for (const kind of kinds) {
    // Of money that went back the mail says what the page says.
    const [subject, heading, sentence = money] = MAILS[kind];
    const { text, html } = mails.find((mail) => mail.subject === say(lang, subject, { concert: name }));
    for (const part of [say(lang, heading), say(lang, sentence), id]) {
      assert.ok(text.includes(part), `${part} is in\n${text}`);
    }
    assert.equal(text.includes(`${say(lang, "mail-refunded-amount")}: ฿2,500`), kind === "refunded", text);
    assert.ok(text.includes(`/${lang}/r/${id}?t=`) && html.includes(`/${lang}/r/${id}?t=`), "both parts lead to the reservation");
  }
}

/** Nobody says anything yet: the page waits, and says so; then the hold's time goes by. */
async function waitUntilOver(buyer) {
  const { page, lang, id } = buyer;
  assert.match(page.url(), /\/paid$/);
  // The page comes anew every few seconds, perhaps while it is read.
  for (const key of ["paid-title", "paid-sentence", "paid-waiting"]) await page.getByText(say(lang, key), { exact: true }).waitFor();
  await runOut(id);
  // The page looks again by itself, with script and without.
  await arrive(page, OWN_PAGE);
  await checkPage(buyer, { state: "expired", sentence: "expired-sentence-money", money: "money-undecided-late" });
}

/** What may happen, step by step. */
const OUTCOMES = {
  async pay(buyer) {
    await pay(buyer, "pay");
    await agree(buyer, PAID);
  },
  async "decline, then pay"(buyer) {
    await pay(buyer, "decline");
    await agree(buyer, DECLINED);
    await pay(buyer, "pay");
    await agree(buyer, PAID_THEN);
  },
  async late(buyer) {
    await goToProvider(buyer);
    await choose(buyer, "late");
    await waitUntilOver(buyer);
    await askNow(buyer.id);
    await agree(buyer, PAID);
  },
  async twice(buyer) {
    await pay(buyer, "twice");
    await agree(buyer, PAID);
  },
  async never(buyer) {
    await goToProvider(buyer);
    await choose(buyer, "never");
    await waitUntilOver(buyer);
    await askNow(buyer.id);
    await agree(buyer, NOTHING_CAME);
  },
};

/** What may go wrong after that, which no way of moving about changes. */
const MISFORTUNES = {
  async "late, when the tickets are gone"(buyer) {
    const { concert, id } = buyer;
    await goToProvider(buyer);
    await choose(buyer, "late");
    await waitUntilOver(buyer);
    await settled(() => ticketsLeft(concert.id), (left) => left === concert.total_tickets);
    await reserve(concert.id);
    await askNow(id);
    await agree(buyer, TOO_LATE);
  },
  async "pay, then give back"(buyer) {
    await pay(buyer, "pay");
    await giveBack(buyer);
    await agree(buyer, GIVEN_BACK);
  },
  async "pay, then give back, and the refund fails"(buyer) {
    await pay(buyer, "refund_fails");
    await giveBack(buyer);
    await agree(buyer, STUCK);
  },
};

const cases = [
  ...Object.keys(WAYS).flatMap((way) => Object.entries(OUTCOMES).map(([outcome, run]) => ({ way, outcome, run }))),
  ...Object.entries(MISFORTUNES).map(([outcome, run]) => ({ way: "with script", outcome, run })),
].flatMap((one) => LANGUAGES.map((lang) => ({ ...one, lang })));

let concerts;
/** A concert for each case; where the tickets shall be gone, there are no more than one buyer's. */
const concertOf = async (one) => {
  concerts ??= addConcerts(cases.map(({ way, outcome, lang }) => (
    { name: `${outcome} ${way} ${lang}`, total_tickets: outcome.includes("gone") ? 2 : 20 }
  )));
  return (await concerts)[cases.indexOf(one)];
};

describe("paying", { concurrency: 4 }, () => {
  for (const one of cases) {
    const { way, outcome, lang, run } = one;
    test(`${outcome}: ${way}, ${lang}`, async () => buying({ way, lang, concert: await concertOf(one) }, run));
  }
});

describe("a buyer's habits", { concurrency: 3 }, () => {
  test("three pages at most, and two fields to fill in, lead from the concert to the provider", () => visiting({}, async ({ page, press }) => {
    const concert = await addConcert();
    await page.goto(`/en/concerts/${concert.id}`);
    const pages = [];
    page.on("framenavigated", (frame) => frame === page.mainFrame() && pages.push(new URL(frame.url()).pathname));
    const empty = page.locator(".hold input:not([type=hidden])").and(page.locator(":invalid"));
    assert.deepEqual(await empty.evaluateAll((all) => all.map(({ name }) => name)), ["customer_name", "customer_email"]);
    await page.fill("#customer_name", "Ada Lovelace");
    await page.fill("#customer_email", `habits-${process.pid}@example.com`);
    await follow(page, () => page.click(".hold .button"));
    assert.equal(await page.locator("main input:not([type=hidden])").count(), 0);
    await follow(page, () => page.click(PAY));
    await page.waitForSelector(TO_PROVIDER);
    assert.equal(await page.locator("main input:not([type=hidden])").count(), 0);
    await follow(page, () => page.click(TO_PROVIDER));
    const before = [...new Set(pages)].filter((path) => !path.startsWith("/sandbox"));
    assert.ok(page.url().includes("/sandbox/pay/"));
    assert.ok(before.length <= 3, before.join(", "));
  }));

  for (const way of ["with script", "without script"]) {
    test(`pressing everything twice pays once, ${way}`, async () => buying({ way, concert: await addConcert() }, async (buyer) => {
      const { page } = buyer;
      await page.dblclick(PAY);
      await arrive(page, /\/pay$/);
      await page.waitForSelector(TO_PROVIDER);
      await page.dblclick(TO_PROVIDER);
      await arrive(page, /\/sandbox\/pay\//);
      await page.dblclick("button[value=pay]");
      await arrive(page, OWN_PAGE);
      await agree(buyer, PAID);
    }));
  }

  test("two tabs pay once, and the second is told so", async () => buying({ concert: await addConcert() }, async (buyer) => {
    const { page, context } = buyer;
    await goToProvider(buyer);
    const second = await context.newPage();
    await second.goto(page.url());
    await choose(buyer, "pay");
    await arrive(page, OWN_PAGE);
    await choose({ ...buyer, page: second }, "pay");
    await arrive(second, OWN_PAGE);
    assert.equal(await second.getAttribute(".ticket", "data-state"), "confirmed");
    await agree(buyer, PAID);
  }));

  test("what is paid in one tab while another cancels comes back", async () => buying({ lang: "th", concert: await addConcert() }, async (buyer) => {
    const { page, context, lang, id } = buyer;
    await goToProvider(buyer);
    // The card network takes the money, and says so only later: until then nobody can know.
    await choose(buyer, "late");
    const second = await context.newPage();
    await second.goto(`/${lang}/r/${id}`);
    await giveBack({ ...buyer, page: second });
    assert.equal(await second.textContent(".money"), say(lang, "money-undecided-cancelled"));
    await arrive(page, OWN_PAGE);
    await runOut(id);
    await askNow(id);
    await agree(buyer, CANCELLED_FIRST);
  }));

  test("a page to pay at that is still open when another tab cancels takes no money", async () => buying({ concert: await addConcert() }, async (buyer) => {
    const { page, context, lang, id } = buyer;
    await goToProvider(buyer);
    const second = await context.newPage();
    await second.goto(`/${lang}/r/${id}`);
    await giveBack({ ...buyer, page: second });
    await settled(() => readBooks(id), ({ attempts }) => attempts[0] === "failed");
    await page.click("button[value=pay]");
    await page.getByText(say(lang, "sandbox-closed")).waitFor();
    await page.click(".hold a");
    await arrive(page, OWN_PAGE);
    await agree(buyer, CANCELLED_UNPAID);
  }));

  test("a page to pay at that is still open when the hold ends takes no money", async () => buying({ concert: await addConcert() }, async (buyer) => {
    const { page, lang, id, press } = buyer;
    await press(page, PAY);
    await page.waitForSelector(TO_PROVIDER);
    await runOut(id);
    await askNow(id);
    await settled(() => readBooks(id), ({ attempts }) => attempts[0] === "failed");
    await press(page, TO_PROVIDER);
    assert.ok((await page.textContent("main")).includes(say(lang, "sandbox-closed")));
    assert.equal(await page.locator("button[name=outcome]").count(), 0);
    await page.click(".hold a");
    await arrive(page, OWN_PAGE);
    await agree(buyer, NOTHING_CAME);
  }));

  test("going back from the provider and reloading pays the same payment", async () => buying({ concert: await addConcert() }, async (buyer) => {
    const { page, lang, press } = buyer;
    await goToProvider(buyer);
    const provider = page.url();
    await page.goBack();
    await page.reload();
    await page.goBack();
    assert.equal(await page.textContent(".money"), say(lang, "money-undecided"));
    assert.equal((await page.textContent(PAY)).trim(), say(lang, "pay-on"));
    await press(page, PAY);
    await page.waitForSelector(TO_PROVIDER);
    await press(page, TO_PROVIDER);
    assert.equal(page.url(), provider);
    await choose(buyer, "pay");
    await arrive(page, OWN_PAGE);
    await agree(buyer, PAID);
    await page.goto(provider);
    assert.ok((await page.textContent("main")).includes(say(lang, "sandbox-paid")));
  }));

  for (const lang of LANGUAGES) {
    test(`the mail's link opens the tickets in any other browser, ${lang}`, async () => buying({ lang, concert: await addConcert() }, async (buyer) => {
      await pay(buyer, "pay");
      const [{ text }] = await settled(() => readMails(buyer.email), (mails) => mails.length > 0);
      const [link] = text.match(new RegExp(`http\\S+/r/${buyer.id}\\?t=\\S+`));
      await visiting({}, async ({ page }) => {
        await page.goto(link);
        assert.equal(await page.textContent("h1"), say(lang, "confirmed-title"));
        assert.equal(new URL(page.url()).search, "");
      });
    }));
  }
});
