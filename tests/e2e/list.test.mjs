// The list of concerts: search and filters as a plain form, what is said when nothing is found, and
// paging. All without script, on a phone.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";

import { follow, leaveBrowser, visiting, WIDE } from "./lib/browser.mjs";
import { listConcerts } from "./lib/world.mjs";

after(leaveBrowser);

/** Runs `body` on the list as a visitor sees it. */
function onList({ path = "/en/", ...options }, body) {
  return visiting({ script: false, ...options }, async ({ page }) => {
    await page.goto(path);
    await body(page);
  });
}

const submit = (page) => follow(page, () => page.click(".filter-submit"));
const parameters = (page) => Object.fromEntries(new URL(page.url()).searchParams);
const artists = (page) => page.locator(".card h2").allTextContents();

/** The cards as people read them. */
function cards(page) {
  return page.locator(".card").evaluateAll((all) => all.map((card) => ({
    href: card.querySelector("a").getAttribute("href"),
    date: card.querySelector("time").dateTime,
    venue: card.querySelector(".card-venue").textContent,
    state: card.querySelector(".state").textContent,
  })));
}

describe("searching", { concurrency: 2 }, () => {
  for (const [what, text, artist] of [
    ["artist, whatever the case", "hArBoUr", "Harbour Lights"], ["a concert's name", "midnight", "Harbour Lights"],
    ["a venue", "warehouse 7", "Harbour Lights"], ["Thai text", "แคน", "วงลมอีสานใหม่"], ["part of a word", "zwö", "Ensemble Zwölf"],
  ]) {
    test(`finds ${what}`, () => onList({}, async (page) => {
      await page.fill("#q", text);
      await submit(page);
      assert.equal(parameters(page).q, text);
      assert.equal(await page.inputValue("#q"), text);
      assert.ok((await artists(page)).includes(artist));
      await follow(page, () => page.click(".filter-clear"));
      assert.deepEqual(parameters(page), {});
    }));
  }

  for (const text of ["%", "_", "\\", "'; --", "\"<script>", "🎸"]) {
    test(`takes ${text} for what it is`, () => onList({}, async (page) => {
      await page.fill("#q", text);
      assert.equal((await submit(page)).status(), 200);
      assert.equal(await page.locator(".card").count(), 0);
      assert.equal(await page.inputValue("#q"), text);
    }));
  }
});

describe("filtering", { concurrency: 2 }, () => {
  const unfold = (page) => page.click(".filter-more summary");

  test("by month", () => onList({}, async (page) => {
    await unfold(page);
    const month = await page.locator("#month option").nth(2).getAttribute("value");
    await page.selectOption("#month", month);
    await submit(page);
    const shown = await cards(page);
    assert.ok(shown.length > 0);
    for (const { date } of shown) assert.ok(date.startsWith(month), date);
    assert.equal(await page.inputValue("#month"), month);
    assert.ok(await page.isVisible("#month"), "what is filtered by stays to be seen");
  }));

  test("by venue", () => onList({}, async (page) => {
    await unfold(page);
    await page.selectOption("#venue", "Blue Lantern, Bangkok");
    await submit(page);
    assert.deepEqual(new Set((await cards(page)).map(({ venue }) => venue)), new Set(["Blue Lantern, Bangkok"]));
  }));

  test("by closed sale", () => onList({}, async (page) => {
    await unfold(page);
    await page.selectOption("#status", "closed");
    await submit(page);
    const shown = await cards(page);
    assert.ok((await artists(page)).includes("Harbour Lights"));
    // Other tests cancel concerts meanwhile, and a sale that was cancelled is closed, too.
    const states = shown.map(({ state }) => state).filter((state) => state !== "Cancelled");
    assert.deepEqual(new Set(states), new Set(["Sale closed"]));
  }));

  test("by everything at once, in Thai, on a wide screen", () => onList({ path: "/th/", width: WIDE }, async (page) => {
    const [wanted] = (await listConcerts()).filter(({ artist }) => artist === "Harbour Lights");
    await page.fill("#q", "lights");
    await page.selectOption("#month", wanted.date.slice(0, 7));
    await page.selectOption("#venue", wanted.venue);
    await submit(page);
    assert.deepEqual((await cards(page)).map(({ href }) => href), [`/th/concerts/${wanted.id}`]);
  }));

  test("by nonsense in the address shows concerts all the same", () => onList({ path: "/en/?month=soon&status=x&cursor=%00%ff&q=" }, async (page) => {
    assert.ok((await cards(page)).length > 0);
  }));
});

describe("nothing found", () => {
  for (const [lang, title, hint, action] of [
    ["en", "No concert matches your search", "Try fewer words, another month or any venue.", "Show all concerts on sale"],
    ["th", "ไม่พบคอนเสิร์ตที่ตรงกับการค้นหา", "ลองใช้คำให้น้อยลง เลือกเดือนอื่น หรือเลือกทุกสถานที่", "ดูคอนเสิร์ตที่เปิดจำหน่ายทั้งหมด"],
  ]) {
    test(`says what to do, ${lang}`, () => onList({ path: `/${lang}/?q=nobody-plays-this` }, async (page) => {
      assert.equal(await page.textContent(".notice h2"), title);
      assert.equal(await page.locator(".notice p").first().textContent(), hint);
      assert.equal(await page.textContent(".notice .button"), action);
      await follow(page, () => page.click(".notice .button"));
      assert.ok((await cards(page)).length > 0);
    }));
  }
});

describe("paging", () => {
  test("shows every concert once, by date, and keeps the filters", () => onList({ path: "/en/?q=a" }, async (page) => {
    const seen = [];
    for (let turn = 0; turn < 20; turn += 1) {
      const shown = await cards(page);
      assert.ok(shown.length > 0 && shown.length <= 24);
      seen.push(...shown);
      if ((await page.locator("a[rel=next]").count()) === 0) break;
      await follow(page, () => page.click("a[rel=next]"));
      assert.equal(parameters(page).q, "a");
    }
    assert.equal(new Set(seen.map(({ href }) => href)).size, seen.length);
    assert.deepEqual(seen.map(({ date }) => date), seen.map(({ date }) => date).sort());
    // Other tests add concerts meanwhile, but the samples are there from the start.
    const samples = (await listConcerts("&q=a")).filter(({ venue }) => venue !== "Rehearsal Room, Bangkok");
    for (const { id } of samples) assert.ok(seen.some(({ href }) => href === `/en/concerts/${id}`), `concert ${id}`);
  }));
});

describe("posters", { concurrency: 2 }, () => {
  const shown = (page) => page.locator(".poster img").evaluateAll((all) => all.filter((image) => image.complete && image.naturalWidth > 0).length);

  test("come with scrolling, with script", () => onList({ script: true }, async (page) => {
    assert.ok((await shown(page)) < 10, "not all at once");
    for (let turn = 0; turn < 60; turn += 1) {
      await page.mouse.wheel(0, 700);
      await page.waitForTimeout(50);
      if ((await shown(page)) === 24) break;
    }
    assert.equal(await shown(page), 24);
  }));

  test("come with scrolling, without script", () => onList({}, async (page) => {
    assert.equal(await page.locator(".poster img").count(), 24);
    await page.locator(".card").last().scrollIntoViewIfNeeded();
    await page.waitForFunction(() => [...document.images].at(-1).naturalWidth > 0);
  }));
});
