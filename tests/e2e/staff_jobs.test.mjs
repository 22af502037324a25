// What staff do day by day, each job by mouse with and without script and by keyboard alone, in both
// languages.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { LANGUAGES, leaveBrowser, NARROW, visiting, WIDE } from "./lib/browser.mjs";
import { readBooks } from "./lib/books.mjs";
import { WAYS } from "./lib/buyer.mjs";
import { askAxe, bringAxe } from "./lib/checks.mjs";
import { tabTo } from "./lib/keyboard.mjs";
import { addPaid, addStuck, signedInAs } from "./lib/staff.mjs";
import { say } from "./lib/words.mjs";
import { addConcert, dayFromNow, readConcert, readReservation, reserve } from "./lib/world.mjs";

after(leaveBrowser);

const SAVE = "form.hold .acts .button:not(.button-quiet)";
/** A run, its refunds and mails take some seconds, and more on a busy machine. */
const OVER_WITHIN_MS = 90_000;

/** A test of a job in every way and language, for somebody of this role. */
function job(name, role, body) {
  for (const [way, { script, ...moves }] of Object.entries(WAYS)) {
    for (const lang of LANGUAGES) {
      test(`${name}, ${way}, ${lang}`, () => visiting({ script, width: WIDE }, async (visitor) => {
        await signedInAs(role, visitor);
        await visitor.page.goto(`/staff?lang=${lang}`);
        const { page } = visitor;
        const isByKeyboard = way === "by keyboard alone";
        await body({
          ...visitor, isByKeyboard, script, lang,
          press: (selector) => moves.press(page, selector),
          unfold: (selector) => moves.unfold(page, selector),
          write: (selector, text) => moves.write(page, selector, text),
          says: async (key) => assert.equal(await page.textContent(".said"), say(lang, key)),
        });
      }));
    }
  }
}

const unique = () => `x${Math.random().toString(36).slice(2, 10)}`;

/** A date field takes its parts in the browser's order. */
async function writeDay({ page, isByKeyboard }, selector, day) {
  if (!isByKeyboard) return page.fill(selector, day);
  await tabTo(page, selector);
  const [year, month, date] = day.split("-");
  return page.keyboard.type(`${month}${date}${year}`);
}

async function tick({ page, isByKeyboard }, selector) {
  if (!isByKeyboard) return page.check(selector);
  await tabTo(page, selector);
  return page.keyboard.press("Space");
}

/** A picture as a phone would send it. */
const picture = (page) => page.screenshot({ clip: { x: 0, y: 0, width: 600, height: 700 } });

/** Waits on a run's page until all is done; without script its link looks again. */
async function untilOver({ page, script, lang, press }) {
  const deadline = Date.now() + OVER_WITHIN_MS;
  const heading = () => page.textContent("#run-title");
  while ((await heading()) !== say(lang, "sr-run-over")) {
    assert.ok(Date.now() < deadline, "the run isn't over");
    await sleep(500);
    if (!script) await press("#run a[href^='/staff/runs/']").catch(() => page.reload());
  }
}

describe("concerts", { concurrency: 2 }, () => {
  job("an admin makes a concert, sells it and puts it away", "admin", async (admin) => {
    const { page, press, write, unfold, says, lang } = admin;
    const artist = `The ${unique()}`;
    await press(".sections a[href='/staff/concerts']");
    await press("a[href='/staff/concerts/new']");
    await write("#artist", artist);
    await write("#name", "First Night");
    await writeDay(admin, "#date", dayFromNow(200));
    await write("#venue", "Rehearsal Room");
    await write("#total_tickets", "40");
    await write("#price", "12,50");
    await press(SAVE);
    assert.ok((await page.textContent(".errors")).includes(say(lang, "sc-price")));
    await write("#price", "12.50");
    await press("button[name=preview]");
    assert.ok((await page.textContent(".preview")).includes(artist));
    await press(SAVE);
    await says("said-concert-made");
    const id = Number(new URL(page.url()).pathname.split("/").pop());
    await press("form[action$='/open'] .button");
    await says("said-concert-opened");
    const { status, price, available_tickets: left } = await readConcert(id);
    assert.deepEqual([status, price, left], ["open", "12.50", 40]);

    await page.setInputFiles("#image", { name: "a.jpg", mimeType: "image/jpeg", buffer: Buffer.from("<svg onload=alert(1)>") });
    await press("form[action$='/poster'] .button");
    assert.ok((await page.textContent(".errors")).includes(say(lang, "sc-poster-kind")));
    await page.setInputFiles("#image", { name: "a.png", mimeType: "image/png", buffer: await picture(page) });
    await press("form[action$='/poster'] .button");
    await says("said-poster-set");
    assert.match((await readConcert(id)).image_url, /^\/posters\/[0-9a-f]{32}-720\.jpg$/);

    await press(`a[href='/staff/concerts/${id}/edit']`);
    await write("#venue", "Great Hall");
    await press(SAVE);
    await says("said-concert-saved");
    assert.equal((await readConcert(id)).venue, "Great Hall");
    await press("form[action$='/close'] .button");
    await says("said-concert-closed");
    await unfold("details:has(form[action$='/archive']) summary");
    await press("form[action$='/archive'] .button");
    await says("said-concert-archived");
  });

  job("a superadmin makes another like it and deletes that", "superadmin", async (superadmin) => {
    const { page, press, write, unfold, says } = superadmin;
    const concert = await addConcert({ artist: `The ${unique()}` });
    await page.goto("/staff/concerts");
    await write("#q", concert.artist);
    await press(".filters .button");
    await press(".rows tbody th a");
    await press("a[href*='new?from=']");
    await writeDay(superadmin, "#date", dayFromNow(201));
    await press(SAVE);
    await says("said-concert-made");
    await unfold("details:has(form[action$='/delete']) summary");
    await press("form[action$='/delete'] .button");
    await says("said-concert-deleted");
  });

  job("an admin cancels a whole concert, and everybody gets their money back", "admin", async (admin) => {
    const { page, press, write, lang } = admin;
    const concert = await addConcert({ name: `Night of ${unique()}` });
    const [paid, held] = [await addPaid(concert), await reserve(concert.id)];
    await page.goto(`/staff/concerts/${concert.id}`);
    await press("a[href$='/cancel']");
    await write("#name", "Another Night");
    await press("form.hold .button");
    assert.ok((await page.textContent(".errors")).includes(say(lang, "sr-cancel-name-wrong")));
    await write("#name", concert.name.toUpperCase());
    await press("form.hold .button");
    assert.match(page.url(), /\/staff\/runs\/\d+$/);
    await untilOver(admin);
    assert.deepEqual((await Promise.all([paid, held].map((one) => readReservation(one)))).map(({ status }) => status), ["cancelled", "cancelled"]);
    assert.equal((await readReservation(paid)).payment_status, "refunded");
    assert.equal((await readConcert(concert.id)).status, "closed");
  });
});

describe("reservations", { concurrency: 2 }, () => {
  job("a moderator finds a reservation, cancels it and writes again", "moderator", async (moderator) => {
    const { page, press, write, unfold, says } = moderator;
    const name = unique();
    const held = await reserve((await addConcert()).id, { customer_name: `Ada ${name}` });
    await press(".sections a[href='/staff/reservations']");
    await write("#q", name.toUpperCase());
    await press(".filters .button");
    await press(".rows tbody th a");
    assert.ok(page.url().endsWith(held.id));
    assert.equal(await page.locator("form[action$='/confirm'], form[action$='/refund']").count(), 0);
    await unfold("details:has(form[action$='/cancel']) summary");
    await press("form[action$='/cancel'] .button");
    await says("said-reservation-cancelled");
    await unfold("details:has(form[action$='/resend']) summary");
    await press("form[action$='/resend'] .button");
    await says("said-mail-written");
    assert.equal((await readReservation(held)).status, "cancelled");
  });

  job("an admin confirms by hand and gives the money back", "admin", async (admin) => {
    const { page, press, unfold, says } = admin;
    const held = await reserve((await addConcert()).id);
    await page.goto(`/staff/reservations/${held.id}`);
    await unfold("details:has(form[action$='/confirm']) summary");
    await press("form[action$='/confirm'] .button");
    await says("said-reservation-confirmed");
    assert.equal((await readReservation(held)).status, "confirmed");
    await unfold("details:has(form[action$='/refund']) summary");
    await press("form[action$='/refund'] .button");
    await says("said-reservation-refunded");
    assert.equal((await readReservation(held)).status, "cancelled");
  });

  job("an admin has a provider asked once more, and notes that the money went back another way", "admin", async (admin) => {
    const { page, context, script, press, write, says, lang } = admin;
    if (script) await bringAxe(context);
    const isSound = async () => script && assert.deepEqual(await askAxe(page), []);
    await page.setViewportSize(NARROW);
    const stuck = await addStuck(await addConcert());
    const address = `/staff/refunds/${stuck.id}`;
    await page.goto("/staff/refunds");
    assert.equal(await page.locator(`a[href='${address}']`).count(), 1);
    // Others' refunds stand before it in the list, more than a keyboard should have to pass.
    await page.goto(address);
    await isSound();
    await press("form[action$='/ask'] .button");
    await says("said-refund-asked");
    const tries = () => page.locator(".story q").count();
    for (let look = 0; look < 60 && (await tries()) < 2; look += 1) {
      await sleep(500);
      await page.goto(address);
    }
    assert.equal(await tries(), 2);
    const note = "Cash,\nin the foyer <b>";
    await write("#note", " ");
    await press("form[action$='/settle'] .button");
    assert.ok((await page.textContent(".errors")).includes(say(lang, "refund-note-empty")));
    await isSound();
    await write("#note", note);
    await press("form[action$='/settle'] .button");
    assert.equal(await page.textContent("h1"), say(lang, "refund-confirm-title"));
    await isSound();
    await press("button[name=change]");
    assert.equal(await page.inputValue("#note"), note);
    await press("form[action$='/settle'] .button");
    await press("button[name=confirmed]");
    await says("said-refund-settled");
    assert.ok((await page.textContent("main")).includes(note));
    await isSound();
    const { payment, attempts, mails } = await readBooks(stuck.reservation.id);
    assert.deepEqual([payment, attempts, mails], ["refunded", ["refunded by_customer"], ["cancelled", "confirmed", "refunded"]]);
    await page.goto(`/staff/reservations/${stuck.reservation.id}`);
    assert.ok((await page.textContent("ol.story")).includes(note));
  });

  job("an admin cancels several at once and leaves the others", "admin", async (admin) => {
    const { page, press } = admin;
    const concert = await addConcert();
    const [first, second, third] = [await reserve(concert.id), await reserve(concert.id), await reserve(concert.id)];
    await page.goto(`/staff/reservations?concert_id=${concert.id}`);
    // The newest comes first, and the keyboard goes on from one to the next.
    await tick(admin, `input[value='${third.id}']`);
    await tick(admin, `input[value='${first.id}']`);
    await press("button[value=cancel]");
    assert.equal(await page.locator("input[name=id]").count(), 2);
    await press("form[action='/staff/runs'] .button");
    await untilOver(admin);
    const stand = async (one) => (await readReservation(one)).status;
    assert.deepEqual(await Promise.all([first, second, third].map(stand)), ["cancelled", "pending", "cancelled"]);
  });
});
