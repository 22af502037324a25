// Staff with their sessions, and every kind of page that they see.

import { setTimeout as sleep } from "node:timers/promises";

import { ask, settled } from "./books.mjs";
import { follow } from "./browser.mjs";
import { once } from "./once.mjs";
import { addConcert, beginToPay, cancel, decide, reserve, world } from "./world.mjs";

export const ROLES = ["superadmin", "admin", "moderator"];
export const PASSWORD = "four words for tests";

/** So often the door may be crowded: several files sign in at once, and a password takes its time. */
const TRIES = 10;

async function call(method, path, { token, body, headers = {} }, tries = TRIES) {
  const response = await fetch(`${world().base}/api/v1/admin${path}`, {
    method, signal: AbortSignal.timeout(15_000),
    headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }), ...headers },
    body: JSON.stringify(body),
  });
  const later = Number(response.headers.get("retry-after"));
  if (response.status === 503 && later && tries > 1) {
    await sleep(later * 1000);
    return call(method, path, { token, body, headers }, tries - 1);
  }
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** Edits a concert by the API, as a colleague does. */
export async function editConcert(id, fields) {
  const token = await superadmin();
  const headers = { authorization: `Bearer ${token}` };
  const shown = await fetch(`${world().base}/api/v1/admin/concerts/${id}`, { headers, signal: AbortSignal.timeout(15_000) });
  await call("PATCH", `/concerts/${id}`, { token, body: fields, headers: { "if-match": shown.headers.get("etag") } });
}

/** A concert that was cancelled, by the API. */
export async function addCancelled() {
  const concert = await addConcert();
  await call("POST", `/concerts/${concert.id}/cancel`, { token: await superadmin() });
  return concert;
}

/** A reservation that was paid. */
export async function addPaid(concert, wishes) {
  const reservation = await reserve(concert.id, wishes);
  await decide(await beginToPay(reservation), "pay");
  return reservation;
}

/** A payment of a buyer who gave the tickets back, and whose money can't go back by itself: also its reservation. */
export async function addStuck(concert, wishes) {
  const reservation = await reserve(concert.id, wishes);
  const payment = await beginToPay(reservation);
  await decide(payment, "refund_fails");
  await cancel(reservation);
  const told = () => ask("SELECT count(*) FROM payment_events WHERE payment_id = :'id' AND consequence = 'reported'", { id: payment.id });
  if ((await settled(told, (count) => count === "1")) !== "1") throw new Error(`nothing is wrong with ${payment.id}`);
  return { ...payment, reservation };
}

const ofStuck = async (concert) => `/staff/refunds/${(await addStuck(concert)).id}`;

const signIn = async (username, password) => (await call("POST", "/sessions", { body: { username, password } })).token;

const superadmin = once(() => signIn(world().admin.username, world().admin.password));

/** An account of this role, made anew: its name and password. */
export async function addMember(role) {
  const username = `e2e-${role}-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  const body = { username, email: `${username}@example.com`, role, password: PASSWORD };
  const made = await call("POST", "/users", { token: await superadmin(), body });
  return { ...made, password: PASSWORD };
}

const tokens = {};

/** The token of somebody of this role; one session for all tests of a file. */
export function tokenOf(role) {
  tokens[role] ??= role === "superadmin" ? superadmin() : addMember(role).then(({ username }) => signIn(username, PASSWORD));
  return tokens[role];
}

/** Signs a visitor's browser in. */
export async function signedInAs(role, { context }) {
  await context.addCookies([{ name: "stagedoor-staff", value: await tokenOf(role), url: world().base, httpOnly: true, sameSite: "Lax" }]);
}

const PRIVATE = { status: 200, isPublic: false };

const go = (visitor, path, lang) => visitor.page.goto(`${path}${path.includes("?") ? "&" : "?"}lang=${lang}`);

/** A page at a path, or at the one that `path` gives when it has made what the page shows. */
const page = (name, path, role = "superadmin") => ({
  name, ...PRIVATE, async open(visitor, lang) {
    await signedInAs(role, visitor);
    return go(visitor, typeof path === "string" ? path : await path(), lang);
  },
});

/** A page that comes after a form: `path` is the form's, `send` sends it. */
const afterForm = (name, { path, send, status = 200 }) => ({
  name, ...PRIVATE, status, async open(visitor, lang) {
    await signedInAs("superadmin", visitor);
    const concert = await addConcert();
    await go(visitor, await path(concert), lang);
    return follow(visitor.page, () => send(visitor.page, concert));
  },
});

const SETTLE = "form.hold[action$='/settle'] .button";
const SAVE = "form.hold .acts .button:not(.button-quiet)";

async function chooseAll(page, kind) {
  for (const box of await page.locator("input[name=id]").all()) await box.check();
  await page.click(`button[value=${kind}]`);
}

const withReservations = async (concert) => {
  await addPaid(concert);
  await reserve(concert.id);
  return `/staff/reservations?concert_id=${concert.id}`;
};

/** Every kind of page, each with the way to it. */
export const STAFF_PAGES = [
  { name: "staff sign-in", ...PRIVATE, open: ({ page }, lang) => page.goto(`/staff/sign-in?lang=${lang}`) },
  page("overview", "/staff"),
  page("overview of a moderator", "/staff", "moderator"),
  page("account", "/staff/account?said=factor-off"),
  page("health", "/staff/health"),
  page("mails", "/staff/mails"),
  page("accounts", "/staff/users"),
  page("audit log", "/staff/audit"),
  page("audit log, nothing found", "/staff/audit?record_id=nothing"),
  { ...page("audit log, wrong filter", "/staff/audit?user_id=somebody&action=READ"), status: 422 },
  page("concerts", "/staff/concerts"),
  page("concerts, none found", "/staff/concerts?q=nothing+at+all"),
  page("concert", async () => `/staff/concerts/${(await addConcert()).id}`),
  page("concert for a moderator", async () => `/staff/concerts/${(await addConcert()).id}`, "moderator"),
  page("new concert", "/staff/concerts/new"),
  afterForm("new concert, wrong", { path: () => "/staff/concerts/new", send: (page) => page.click(SAVE), status: 422 }),
  afterForm("concert, previewed", {
    path: ({ id }) => `/staff/concerts/${id}/edit`, send: (page) => page.click("button[name=preview]"),
  }),
  afterForm("concert, another price for who comes later", {
    path: ({ id }) => `/staff/concerts/${id}/edit`, status: 422,
    async send(page, { id }) {
      await reserve(id);
      await page.fill("#price", "77.00");
      await page.click(SAVE);
    },
  }),
  afterForm("import of a day that is over", {
    path: () => "/staff/concerts/import",
    async send(page) {
      await page.fill("#text", "name,artist,date,venue,total_tickets,price\nOld Night,Ones,2020-01-31,Hall,10,1.00\n");
      await page.click("form.hold .button");
    },
  }),
  afterForm("concert that somebody else has edited", {
    path: ({ id }) => `/staff/concerts/${id}/edit`, status: 409,
    async send(page, { id }) {
      await editConcert(id, { venue: "Another Room, Bangkok" });
      await page.fill("#venue", "My Room, Bangkok");
      await page.click(SAVE);
    },
  }),
  afterForm("poster that is none", {
    path: ({ id }) => `/staff/concerts/${id}`, status: 422,
    async send(page) {
      await page.setInputFiles("#image", { name: "a.jpg", mimeType: "image/jpeg", buffer: Buffer.from("no picture") });
      await page.click("form[action$='/poster'] .button");
    },
  }),
  page("cancelling a concert", async () => {
    const concert = await addConcert();
    await withReservations(concert);
    return `/staff/concerts/${concert.id}/cancel`;
  }),
  page("reservations", async () => {
    const concert = await addConcert();
    await withReservations(concert);
    return "/staff/reservations";
  }),
  page("reservations, all chosen", async () => `${await withReservations(await addConcert())}&all=1`),
  { ...page("reservations, a name of many concerts", "/staff/reservations?concert_id=e"), status: 422 },
  page("refunds that stand open", "/staff/refunds"),
  page("a refund that stands open", async () => ofStuck(await addConcert())),
  afterForm("a refund, noted without a word", { path: ofStuck, send: (page) => page.click(SETTLE), status: 422 }),
  afterForm("a refund, before it is noted", {
    path: ofStuck,
    async send(page) {
      await page.fill("#note", "Transfer to the buyer’s bank account, 3 March");
      await page.click(SETTLE);
    },
  }),
  afterForm("a refund that was paid back another way", {
    path: ofStuck,
    async send(page) {
      await page.fill("#note", "In cash at the box office");
      await follow(page, () => page.click(SETTLE));
      await page.click("button[name=confirmed]");
    },
  }),
  page("reservations, none found", "/staff/reservations?q=nobody+at+all"),
  { ...page("reservations, wrong filter", "/staff/reservations?concert_id=first"), status: 422 },
  page("reservation", async () => `/staff/reservations/${(await addPaid(await addConcert())).id}`),
  afterForm("many reservations, before", { path: withReservations, send: (page) => chooseAll(page, "cancel") }),
  afterForm("many reservations, after", {
    path: withReservations,
    async send(page) {
      await follow(page, () => chooseAll(page, "refund"));
      await page.click("form[action='/staff/runs'] .button");
    },
  }),
];
