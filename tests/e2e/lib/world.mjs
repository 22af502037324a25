// The world as test files see it: where everything is, and the API for what has to be true in the
// database. `build.mjs` builds it once for all files.

import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

import { cleanEnvironment, PATIENT } from "./server.mjs";

/** How long the hasty server holds tickets. */
export const HASTY_HOLD_MS = 3_000;

/** Where everything is, in a test file. */
export function world() {
  const text = process.env.STAGEDOOR_E2E_WORLD;
  if (!text) throw new Error("run the tests by `npm test`, or one file by `npm test -- booking`");
  return JSON.parse(text);
}

/** Adds a concert on sale and gives it as the API shows it. Every test that books has its own. */
export async function addConcert(wishes = {}) {
  const [concert] = await addConcerts([wishes]);
  return concert;
}

/** Adds several at once, which takes no longer than one. */
export async function addConcerts(wishes) {
  const { base, binary, databaseUrl } = world();
  const concerts = wishes.map((wish) => ({
    name: "Test Piece", artist: "The Understudies", date: dayFromNow(400), venue: "Rehearsal Room, Bangkok",
    total_tickets: 100, price: "1250.00", status: "open", image_url: "/assets/posters/keys.svg", ...wish,
  }));
  const said = await runBinary(binary, ["concert", "import", "-", "--format", "json", "--json"], {
    env: { DATABASE_URL: databaseUrl }, input: JSON.stringify(concerts),
  });
  return Promise.all(JSON.parse(said).ids.map((id) => readConcert(id, base)));
}

/** Where the concerts are, as the product says unless it is told otherwise. */
const TIME_ZONE = "Asia/Bangkok";

/** `YYYY-MM-DD`, so many days from the concerts' today; Sweden writes days so. */
export function dayFromNow(days) {
  return new Date(Date.now() + days * 86_400_000).toLocaleDateString("sv-SE", { timeZone: TIME_ZONE });
}

function runBinary(binary, args, { env, input }) {
  return new Promise((resolve, reject) => {
    const child = spawn(binary, args, {
      env: { ...cleanEnvironment(), ...PATIENT, STAGEDOOR_LOG: "warn", ...env }, timeout: 30_000,
    });
    let said = "";
    let complained = "";
    child.stdout.on("data", (data) => (said += data));
    child.stderr.on("data", (data) => (complained += data));
    child.once("error", reject);
    child.once("close", (code) => (code === 0 ? resolve(said) : reject(new Error(`${args.join(" ")}: ${code}\n${said}${complained}`))));
    child.stdin.end(input);
  });
}

/** A concert as the API shows it. */
export async function readConcert(id, base = world().base) {
  return json(await fetch(`${base}/api/v1/concerts/${id}`, { signal: AbortSignal.timeout(10_000) }));
}

/** How many tickets of a concert can still be had. */
export async function ticketsLeft(id) {
  return (await readConcert(id)).available_tickets;
}

/** All concerts on sale, in the order of the list. */
export async function listConcerts(query = "") {
  return (await json(await fetch(`${world().base}/api/v1/concerts?limit=200${query}`, { signal: AbortSignal.timeout(10_000) }))).items;
}

/** Reserves by the API; gives the reservation with its access token. */
export async function reserve(concertId, wishes = {}, base = world().base) {
  const order = { concert_id: concertId, quantity: 2, customer_name: "Ada Lovelace", customer_email: newEmail(), ...wishes };
  return json(await fetch(`${base}/api/v1/reservations`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(order),
    signal: AbortSignal.timeout(10_000),
  }));
}

/** Gives a reservation back. */
export async function cancel({ id, access_token: token }, base = world().base) {
  return json(await fetch(`${base}/api/v1/reservations/${id}/cancel`, {
    method: "POST", headers: { authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(10_000),
  }));
}

/** A reservation as the API shows it to whoever has its token. */
export async function readReservation({ id, access_token: token }, base = world().base) {
  return json(await fetch(`${base}/api/v1/reservations/${id}`, {
    headers: { authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(10_000),
  }));
}

/** Begins to pay by the API; gives the payment, with our page that leads to the provider, when that has one. */
export async function beginToPay({ id, access_token: token }, base = world().base) {
  const payment = await json(await fetch(`${base}/api/v1/reservations/${id}/payments`, {
    method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ method: "sandbox" }), signal: AbortSignal.timeout(10_000),
  }));
  const provider = `${base}/sandbox/pay/${payment.id}`;
  const isThere = async () => (await fetch(provider, { signal: AbortSignal.timeout(10_000) })).ok;
  for (let look = 0; look < 100 && !(await isThere()); look += 1) await sleep(200);
  return { ...payment, provider };
}

/** Chooses what becomes of a payment, as on the provider's page. */
export async function decide({ provider }, outcome) {
  const answer = await fetch(provider, {
    method: "POST", body: new URLSearchParams({ outcome }), redirect: "manual", signal: AbortSignal.timeout(10_000),
  });
  if (answer.status !== 303) throw new Error(`${provider} answered ${answer.status}`);
}

/** The mails that would have left to an address, the newest first. */
export async function readMails(to) {
  const address = `${world().base}/dev/mail?to=${encodeURIComponent(to)}`;
  return (await json(await fetch(address, { signal: AbortSignal.timeout(10_000) }))).items;
}

/** The link that a mail brings to this address; asks for it unless that was done. */
export async function signInLink(email, { lang = "en", base = world().base, isAsked = false } = {}) {
  if (!isAsked) {
    const asked = await fetch(`${base}/api/v1/sessions/email`, {
      method: "POST", headers: { "content-type": "application/json", "accept-language": lang },
      body: JSON.stringify({ email }), signal: AbortSignal.timeout(10_000),
    });
    if (asked.status !== 202) throw new Error(`a link was refused with ${asked.status}`);
  }
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline) {
    const { items } = await json(await fetch(`${base}/dev/mail?to=${encodeURIComponent(email)}`, { signal: AbortSignal.timeout(10_000) }));
    const link = items[0]?.text.match(/^http\S+\/sign-in\/\S+$/m)?.[0];
    if (link) return link;
    await sleep(100);
  }
  throw new Error(`no mail came for ${email}`);
}

let emails = 0;

/** An address that nobody has used yet, so that no test meets another's limit. */
export function newEmail() {
  emails += 1;
  return `buyer-${process.pid}-${emails}@example.com`;
}

async function json(answer) {
  const body = await answer.text();
  if (!answer.ok) throw new Error(`${answer.url} answered ${answer.status}: ${body}`);
  return JSON.parse(body);
}
