// Every kind of page, and the way to it. Each way starts with a fresh visitor and gives the answer
// that the page came with.

import { setTimeout as sleep } from "node:timers/promises";

import { forgetPage, putMoney, runOut } from "./books.mjs";
import { follow } from "./browser.mjs";
import { addCancelled } from "./staff.mjs";
import { addConcert, beginToPay, cancel, dayFromNow, decide, HASTY_HOLD_MS, listConcerts, newEmail, readMails, reserve, signInLink, world } from "./world.mjs";

/** A word that no line can hold. */
const LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverleih";
const LONG_THAI = "กรุงเทพมหานครอมรรตนโกสินทร์มหินทรายุธยามหาดิลกภพนพรัตนราชธานีบูรีรมย์";

/** What the pages below show; made once. */
async function makeStage() {
  const samples = await listConcerts();
  const closed = await listConcerts("&status=closed");
  const sample = (name) => samples.find((concert) => concert.name === name);
  return {
    onSale: sample("Midnight Ferry"),
    fewLeft: sample("Vinyl Nights No. 12"),
    soldOut: sample("Songs for the Rainy Season"),
    free: sample("Free Afternoon on the Steps"),
    closed: closed.find((concert) => concert.name === "Winter Crossing"),
    past: await addConcert({ date: dayFromNow(-3), name: "Yesterday's Papers" }),
    cancelled: await addCancelled(),
    long: await addConcert({ artist: LONG, name: `${LONG} ${LONG_THAI}`, venue: LONG_THAI, description: `${LONG} ${LONG_THAI}` }),
    plain: await addConcert({ name: "No Poster", image_url: undefined }),
    booked: await addConcert({ total_tickets: 5_000, name: "Second Night" }),
  };
}

const PRIVATE = { isPublic: false };

let made;
const stage = () => (made ??= makeStage());

const at = (address) => async (visitor, lang) => visitor.page.goto(`/${lang}${typeof address === "string" ? address : address(await stage())}`);

/** Opens a reservation by its link, as from a mail. */
async function openReservation({ page, base }, lang, { id, access_token: token }) {
  return page.goto(`${base}/${lang}/r/${id}?t=${token}`);
}

/** A reservation whose payment has begun, with its outcome where there is one. */
export async function paying(outcome) {
  const held = await reserve((await stage()).booked.id);
  const payment = await beginToPay(held);
  if (outcome) await decide(payment, outcome);
  return { held, payment };
}

/** The same, as its page shows it after `change`. */
function paidFor(name, outcome, change = async () => {}) {
  return {
    name, status: 200, ...PRIVATE, async open(visitor, lang) {
      const { held } = await paying(outcome);
      await change(held);
      return openReservation(visitor, lang, held);
    },
  };
}

/** Opens a page that would look again by itself, without its doing so: it shall stand still to be looked at. */
async function openStill({ page }, address) {
  await page.route("**/r/*/pa*", async (route) => {
    const response = await route.fetch({ maxRedirects: 0 });
    const { refresh, ...headers } = response.headers();
    await route.fulfill({ response, headers });
  });
  return page.goto(address);
}

/** Sends the form of a concert. */
export async function book({ page }, { quantity, name, email }) {
  await page.fill("#quantity", String(quantity));
  await page.fill("#customer_name", name);
  await page.fill("#customer_email", email);
  return follow(page, () => page.click(".hold .button"));
}

/** Sends a form that isn't in any of our pages. */
function send(page, { action, method = "post", enctype = "application/x-www-form-urlencoded", fields = {} }) {
  return follow(page, () => page.evaluate((wanted) => {
    const form = Object.assign(document.createElement("form"), { action: wanted.action, method: wanted.method, enctype: wanted.enctype });
    for (const [name, value] of Object.entries(wanted.fields)) {
      form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
    }
    document.body.append(form);
    form.submit();
  }, { action, method, enctype, fields }));
}

/** Every kind of page: name, status of the answer, the way to it. */
/** Of the shop, from the list to a reservation, and what is said when something goes wrong. */
export const PAGES = [
  { name: "list", status: 200, open: at("/") },
  {
    name: "list, page 2", status: 200, async open({ page }, lang) {
      await page.goto(`/${lang}/`);
      return follow(page, () => page.click("a[rel=next]"));
    },
  },
  { name: "list, closed concerts", status: 200, open: at("/?status=closed") },
  { name: "list, nothing found", status: 200, open: at("/?q=nobody-plays-this") },
  { name: "list, filters unfolded", status: 200, open: at((on) => `/?q=a&month=${on.onSale.date.slice(0, 7)}&venue=${encodeURIComponent(on.onSale.venue)}`) },
  { name: "list, very long names", status: 200, open: at(`/?q=${LONG}`) },
  { name: "concert on sale", status: 200, open: at((on) => `/concerts/${on.onSale.id}`) },
  { name: "concert, few left", status: 200, open: at((on) => `/concerts/${on.fewLeft.id}`) },
  { name: "concert sold out", status: 200, open: at((on) => `/concerts/${on.soldOut.id}`) },
  { name: "concert closed", status: 200, open: at((on) => `/concerts/${on.closed.id}`) },
  { name: "concert played", status: 200, open: at((on) => `/concerts/${on.past.id}`) },
  { name: "concert cancelled", status: 200, open: at((on) => `/concerts/${on.cancelled.id}`) },
  { name: "concert free", status: 200, open: at((on) => `/concerts/${on.free.id}`) },
  { name: "concert, very long names", status: 200, open: at((on) => `/concerts/${on.long.id}`) },
  { name: "concert without poster", status: 200, open: at((on) => `/concerts/${on.plain.id}`) },
  {
    name: "hold form with errors", status: 422, async open(visitor, lang) {
      await visitor.page.goto(`/${lang}/concerts/${(await stage()).booked.id}`);
      return book(visitor, { quantity: 0, name: "", email: "ada@" });
    },
  },
  {
    name: "hold form refused", status: 409, async open(visitor, lang) {
      await visitor.page.goto(`/${lang}/concerts/${(await stage()).fewLeft.id}`);
      return book(visitor, { quantity: 9, name: "Ada", email: "ada@example.com" });
    },
  },
  {
    name: "reservation held", status: 200, ...PRIVATE, async open(visitor, lang) {
      return openReservation(visitor, lang, await reserve((await stage()).booked.id));
    },
  },
  {
    name: "reservation held, very long names", status: 200, ...PRIVATE, async open(visitor, lang) {
      const customer = { customer_name: LONG_THAI + LONG, customer_email: `${"a".repeat(60)}@${"b".repeat(60)}.example.com` };
      return openReservation(visitor, lang, await reserve((await stage()).long.id, { ...customer, quantity: 1 }));
    },
  },
  {
    name: "reservation held, about to be cancelled", status: 200, ...PRIVATE, async open(visitor, lang) {
      const response = await openReservation(visitor, lang, await reserve((await stage()).booked.id));
      await visitor.page.click(".cancel summary");
      return response;
    },
  },
  {
    name: "reservation held, about to end", status: 200, ...PRIVATE, async open(visitor, lang) {
      const response = await openReservation(visitor, lang, await reserve((await stage()).booked.id));
      await visitor.page.evaluate(() => {
        const question = document.getElementById("soon");
        question.showModal();
        return Promise.all(question.getAnimations().map((animation) => animation.finished)).then(() => {});
      });
      return response;
    },
  },
  {
    name: "reservation that can't be extended", status: 409, ...PRIVATE, async open(visitor, lang) {
      await openReservation(visitor, lang, await reserve((await stage()).booked.id));
      const action = await visitor.page.getAttribute(".more-time form", "action");
      for (let count = 0; count < 10; count += 1) await follow(visitor.page, () => visitor.page.click(".more-time .button"));
      return send(visitor.page, { action });
    },
  },
  {
    name: "reservation confirmed", status: 200, ...PRIVATE, async open(visitor, lang) {
      return openReservation(visitor, lang, await reserve((await stage()).free.id));
    },
  },
  {
    name: "tickets for the door", status: 200, ...PRIVATE, async open({ page, ...visitor }, lang) {
      const booked = await reserve((await stage()).free.id);
      await openReservation({ page, ...visitor }, lang, booked);
      return page.goto(`/${lang}/r/${booked.id}/tickets`);
    },
  },
  {
    name: "mail asked for too soon", status: 429, ...PRIVATE, async open(visitor, lang) {
      await openReservation(visitor, lang, await reserve((await stage()).free.id));
      return follow(visitor.page, () => visitor.page.click(".take form .button"));
    },
  },
  {
    name: "reservation cancelled", status: 200, ...PRIVATE, async open(visitor, lang) {
      await openReservation(visitor, lang, await reserve((await stage()).booked.id));
      await visitor.page.click(".cancel summary");
      return follow(visitor.page, () => visitor.page.click(".cancel .button"));
    },
  },
  {
    name: "reservation expired", status: 200, ...PRIVATE, server: "hasty", async open(visitor, lang) {
      const held = await reserve((await stage()).booked.id, {}, visitor.base);
      await sleep(HASTY_HOLD_MS + 500);
      return openReservation(visitor, lang, held);
    },
  },
  {
    name: "reservation that can't be cancelled", status: 409, ...PRIVATE, async open(visitor, lang) {
      await openReservation(visitor, lang, await reserve((await stage()).booked.id));
      await visitor.page.click(".cancel summary");
      const action = await visitor.page.getAttribute(".cancel form", "action");
      await follow(visitor.page, () => visitor.page.click(".cancel .button"));
      return send(visitor.page, { action });
    },
  },
  {
    name: "error 403", status: 403, ...PRIVATE, async open({ page, base }, lang) {
      // A page of nobody's stands for another site.
      return send(page, { action: `${base}/${lang}/concerts/1/hold` });
    },
  },
  { name: "error 404, no such page", status: 404, ...PRIVATE, open: at("/nowhere") },
  { name: "error 404, no such concert", status: 404, ...PRIVATE, open: at("/concerts/2147483647") },
  { name: "error 404, somebody else's reservation", status: 404, ...PRIVATE, async open({ page }, lang) {
      return page.goto(`/${lang}/r/${(await reserve((await stage()).booked.id)).id}`);
    } },
  { name: "error 405", status: 405, ...PRIVATE, open: at((on) => `/concerts/${on.onSale.id}/hold`) },
  {
    name: "error 413", status: 413, ...PRIVATE, async open({ page }, lang) {
      await page.goto(`/${lang}/concerts/${(await stage()).booked.id}`);
      return send(page, { action: `/${lang}/concerts/1/hold`, fields: { customer_name: "x".repeat(70_000) } });
    },
  },
  {
    name: "error 415", status: 415, ...PRIVATE, async open({ page }, lang) {
      await page.goto(`/${lang}/`);
      return send(page, { action: `/${lang}/concerts/1/hold`, enctype: "text/plain", fields: { quantity: "1" } });
    },
  },
  {
    name: "error 422", status: 422, ...PRIVATE, languageByCookie: true, async open({ page }, lang) {
      await page.goto(`/${lang}/`);
      return send(page, { action: "/theme", fields: { return_to: "/" } });
    },
  },
  { name: "error 503", status: 503, ...PRIVATE, server: "adrift", open: at("/") },
];

/** Of a buyer who signs in or pays. */
export const BUYER_PAGES = [
  { name: "sign-in", status: 200, ...PRIVATE, open: at("/sign-in?return_to=/en/") },
  {
    name: "sign-in with an error", status: 422, ...PRIVATE, async open({ page }, lang) {
      await page.goto(`/${lang}/sign-in`);
      await page.fill("#email", "ada@");
      return follow(page, () => page.click("form.hold .button"));
    },
  },
  {
    name: "sign-in, mail sent", status: 200, ...PRIVATE, async open({ page }, lang) {
      await page.goto(`/${lang}/sign-in`);
      await page.fill("#email", newEmail());
      return follow(page, () => page.click("form.hold .button"));
    },
  },
  {
    name: "sign-in link", status: 200, ...PRIVATE, async open({ page }, lang) {
      return page.goto(await signInLink(newEmail(), { lang }));
    },
  },
  { name: "sign-in link that is over", status: 410, ...PRIVATE, open: at(`/sign-in/${"A".repeat(43)}`) },
  {
    name: "my reservations, none", status: 200, ...PRIVATE, async open({ page }, lang) {
      await page.goto(await signInLink(newEmail(), { lang }));
      return follow(page, () => page.click("main form .button"));
    },
  },
  {
    name: "my reservations", status: 200, ...PRIVATE, async open({ page }, lang) {
      const { booked, free, long } = await stage();
      const customer = { customer_email: newEmail() };
      await reserve(booked.id, customer);
      await reserve(long.id, { ...customer, quantity: 1 });
      await reserve(free.id, { ...customer, quantity: 1 });
      await cancel(await reserve(booked.id, customer));
      await page.goto(await signInLink(customer.customer_email, { lang }));
      return follow(page, () => page.click("main form .button"));
    },
  },
  {
    name: "erase my data", status: 200, ...PRIVATE, async open({ page }, lang) {
      await page.goto(await signInLink(newEmail(), { lang }));
      await follow(page, () => page.click("main form .button"));
      return page.goto(`/${lang}/me/erase`);
    },
  },
  { name: "my data is erased", status: 200, ...PRIVATE, open: ({ page }, lang) => page.goto(`/${lang}/erased`) },
  {
    name: "erase my data, not yet", status: 409, ...PRIVATE, async open({ page }, lang) {
      const { booked, free } = await stage();
      const customer = { customer_email: newEmail() };
      await reserve(booked.id, customer);
      await reserve(free.id, { ...customer, quantity: 1 });
      await page.goto(await signInLink(customer.customer_email, { lang }));
      await follow(page, () => page.click("main form .button"));
      await page.goto(`/${lang}/me/erase`);
      return follow(page, () => page.click("main form .button"));
    },
  },
  {
    name: "way to the payment", status: 200, ...PRIVATE, async open({ page, base }, lang) {
      const { held } = await paying();
      return page.goto(`${base}/${lang}/r/${held.id}/pay?t=${held.access_token}`);
    },
  },
  {
    name: "way to the payment, not open yet", status: 200, ...PRIVATE, async open(visitor, lang) {
      const { held } = await paying();
      await forgetPage(held.id);
      await openReservation(visitor, lang, held);
      return openStill(visitor, `${visitor.base}/${lang}/r/${held.id}/pay`);
    },
  },
  {
    name: "payment being checked", status: 200, ...PRIVATE, async open(visitor, lang) {
      const { held } = await paying("never");
      await openReservation(visitor, lang, held);
      return openStill(visitor, `${visitor.base}/${lang}/r/${held.id}/paid`);
    },
  },
  paidFor("reservation held, payment undecided", "never"),
  paidFor("reservation held, payment failed", "decline"),
  paidFor("reservation paid", "pay"),
  paidFor("reservation paid, second payment on its way back", "pay", ({ id }) => putMoney(id, { status: "refunding", reason: "twice" })),
  paidFor("reservation expired, payment undecided", "late", ({ id }) => runOut(id)),
  paidFor("reservation expired, late money went back", "late", async ({ id }) => {
    await runOut(id);
    await putMoney(id, { status: "refunded", reason: "late" });
  }),
  paidFor("reservation cancelled, payment undecided", "never", cancel),
  paidFor("reservation cancelled, money on its way back", "never", async (held) => {
    await cancel(held);
    await putMoney(held.id, { status: "refunding" });
  }),
  paidFor("reservation cancelled, refund stuck", "never", async (held) => {
    await cancel(held);
    await putMoney(held.id, { status: "refunding", error: "no" });
  }),
  { name: "sandbox", status: 200, ...PRIVATE, open: async ({ page }) => page.goto((await paying()).payment.provider) },
  { name: "sandbox, paid already", status: 200, ...PRIVATE, open: async ({ page }) => page.goto((await paying("pay")).payment.provider) },
  {
    name: "mails that would have left", status: 200, ...PRIVATE, async open({ page, base }) {
      const { held } = await paying("pay");
      for (let look = 0; look < 100 && !(await readMails(held.customer_email)).length; look += 1) await sleep(200);
      return page.goto(`${base}/dev/mail?to=${encodeURIComponent(held.customer_email)}`);
    },
  },
];

/** The base address of the server that a page is asked from. */
export function serverOf(kind) {
  return kind.server ? world()[kind.server] : world().base;
}
