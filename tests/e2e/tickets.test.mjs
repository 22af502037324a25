// Tickets on the buyer's own screen: what a scanner reads there, with a net and without.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { promisify } from "node:util";

import { follow, LANGUAGES, leaveBrowser, visiting } from "./lib/browser.mjs";
import { addConcert, dayFromNow, reserve, world } from "./lib/world.mjs";

after(leaveBrowser);

const run = promisify(execFile);

/** A reservation of free tickets, which is confirmed at once. */
async function book(quantity = 2, wishes = {}) {
  const concert = await addConcert({ price: "0.00", name: "Open Doors", ...wishes });
  return reserve(concert.id, { quantity });
}

/** Something of the API that takes the reservation's token. */
function ask({ id, access_token: token }, rest, method = "GET") {
  return fetch(`${world().base}/api/v1/reservations/${id}${rest}`, {
    method, headers: { authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(10_000),
  });
}

async function payloads(reservation) {
  const { items } = await (await ask(reservation, "/tickets")).json();
  return items.map(({ payload }) => payload);
}

const linkOf = ({ id, access_token: token }, lang) => `/${lang}/r/${id}?t=${token}`;
const doorOf = ({ id }, lang) => `/${lang}/r/${id}/tickets`;

/** What a scanner reads in a picture of the whole page, from top to bottom. */
async function scan(page) {
  const folder = await mkdtemp(path.join(os.tmpdir(), "stagedoor-scan-"));
  try {
    const read = [];
    for (const code of await page.locator(".pass svg").all()) {
      const file = path.join(folder, "code.png");
      await writeFile(file, await code.screenshot());
      const { stdout } = await run("zbarimg", ["--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", file]);
      read.push(stdout.trim());
    }
    return read;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Opens the page for the door and waits until the device has it. */
async function keep(page, reservation, lang) {
  await page.goto(linkOf(reservation, lang));
  await page.goto(doorOf(reservation, lang));
  await page.locator("#kept").waitFor();
}

describe("a confirmed reservation", () => {
  for (const lang of LANGUAGES) {
    for (const colorScheme of ["light", "dark"]) {
      test(`shows codes that a scanner reads, ${lang}, ${colorScheme}`, () => visiting({ colorScheme }, async ({ page }) => {
        const reservation = await book(10);
        await page.goto(linkOf(reservation, lang));
        const expected = await payloads(reservation);
        assert.equal(expected.length, 10);
        assert.deepEqual(await scan(page), expected);
        const { width } = await page.locator(".pass svg").first().boundingBox();
        assert.ok(width >= 200, `${width} px`);
        await page.goto(doorOf(reservation, lang));
        const place = () => page.locator(".pass svg").first().boundingBox();
        const before = await place();
        await page.locator("#kept").waitFor();
        assert.deepEqual(await place(), before, "the note of what is kept moves no code");
        assert.deepEqual(await scan(page), expected);
      }));
    }
  }

  test("gives its tickets to take along without script", () => visiting({ script: false }, async ({ page, context }) => {
    const reservation = await book();
    await page.goto(linkOf(reservation, "th"));
    for (const [end, start] of [["tickets.pdf", "%PDF-"], ["calendar.ics", "BEGIN:VCALENDAR"]]) {
      const address = await page.locator(`.take a[href$="${end}"]`).getAttribute("href");
      const file = await context.request.get(address);
      assert.equal(file.status(), 200);
      assert.ok((await file.body()).toString("latin1").startsWith(start));
    }
    await follow(page, () => page.click(".take .button-wide"));
    assert.equal(new URL(page.url()).pathname, doorOf(reservation, "th"));
    assert.equal(await page.locator(".pass svg").count(), 2);
    assert.ok(!(await page.locator(".copy").isVisible()), "it is no copy");
    const soon = await context.request.post(`/th/r/${reservation.id}/resend`, { headers: { origin: world().base } });
    assert.equal(soon.status(), 429);
    assert.match(await soon.text(), /เพิ่งส่งอีเมล/);
  }));

  test("has no tickets any more when it was cancelled", () => visiting({}, async ({ page }) => {
    const reservation = await book();
    await page.goto(linkOf(reservation, "en"));
    await ask(reservation, "/cancel", "POST");
    await page.goto(doorOf(reservation, "en"));
    assert.equal(new URL(page.url()).pathname, `/en/r/${reservation.id}`);
    assert.equal(await page.locator(".pass, .take").count(), 0);
    assert.equal(await page.locator("[data-state=cancelled]").count(), 2);
  }));
});

describe("without a net", () => {
  test("the tickets are there, say since when, and are read, in both languages", () => visiting({}, async ({ page, context, complaints }) => {
    const reservation = await book(3);
    await keep(page, reservation, "en");
    await context.setOffline(true);
    await page.reload();
    assert.deepEqual(await scan(page), await payloads(reservation));
    assert.match(await page.locator(".copy").innerText(), /^Saved on .* at \d\d:\d\d\. There is no connection/);
    assert.ok(!(await page.locator("#kept").isVisible()));
    const ground = await page.locator(".pass").first().evaluate((pass) => getComputedStyle(pass).borderRadius);
    assert.notEqual(ground, "0px", "the style sheet is there");
    await follow(page, () => page.click(".tongue"));
    assert.equal(await page.locator("html").getAttribute("lang"), "th");
    assert.match(await page.locator(".copy").innerText(), /ติดต่อระบบจำหน่ายบัตรไม่ได้/);
    // The link of the mail leads to them, too.
    await page.goto(linkOf(reservation, "en"));
    assert.equal(new URL(page.url()).pathname, doorOf(reservation, "en"));
    complaints.splice(0, Infinity, ...complaints.filter((one) => !/ERR_INTERNET_DISCONNECTED/.test(one)));
  }));

  test("tickets that were cancelled are gone as soon as the device hears of it", () => visiting({}, async ({ page, context }) => {
    const reservation = await book();
    await keep(page, reservation, "en");
    await ask(reservation, "/cancel", "POST");
    await page.goto(`/en/r/${reservation.id}`);
    await page.waitForFunction(async () => !(await caches.has("tickets")));
    await context.setOffline(true);
    await assert.rejects(page.goto(doorOf(reservation, "en")), /ERR_/);
  }));

  test("nothing is kept of a concert that is over", () => visiting({}, async ({ page }) => {
    const concert = await addConcert({ price: "0.00", date: dayFromNow(0) });
    const reservation = await reserve(concert.id);
    await keep(page, reservation, "en");
    // The page's clock isn't the worker's: what is kept is made older instead.
    await page.evaluate(async () => {
      const cache = await caches.open("tickets");
      for (const request of await cache.keys()) {
        const copy = await cache.match(request);
        if (!copy.headers.has("x-keep-until")) continue;
        const headers = { "x-keep-until": String(Date.now() - 1) };
        await cache.put(request, new Response(await copy.text(), { headers }));
      }
    });
    await page.context().setOffline(true);
    await assert.rejects(page.goto(doorOf(reservation, "en")), /ERR_/);
  }));

  test("nothing but the pages of tickets and their parts is kept", () => visiting({}, async ({ page }) => {
    const reservation = await book();
    await keep(page, reservation, "th");
    const kept = await page.evaluate(async () => {
      const cache = await caches.open("tickets");
      return (await cache.keys()).map(({ url }) => new URL(url).pathname);
    });
    const pages = kept.filter((address) => !address.startsWith("/assets/"));
    assert.deepEqual(pages.sort(), LANGUAGES.map((lang) => doorOf(reservation, lang)));
    assert.equal(kept.length - pages.length, 3, "style sheet, icon, script");
    const worker = await readFile(new URL("../../crates/server/assets/sw.js", import.meta.url), "utf8");
    assert.ok(worker.length < 5_000, "a small worker");
  }));
});
