// Language and theme: how they are found at first, how they are changed, and that they stay.
// All without script.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";

import { follow, leaveBrowser, visiting as visitingAs } from "./lib/browser.mjs";
import { addConcert, reserve, world } from "./lib/world.mjs";

after(leaveBrowser);

const visiting = (options, body) => visitingAs({ script: false, ...options }, body);

const pathOf = (page) => {
  const { pathname, search } = new URL(page.url());
  return pathname + search;
};

describe("the first language", () => {
  for (const [accepted, lang] of [
    [undefined, "en"], ["en-GB,en;q=0.9", "en"], ["th", "th"], ["th-TH,th;q=0.9,en;q=0.8", "th"],
    ["de-DE,de;q=0.9", "en"], ["de, th;q=0.5, en;q=0.4", "th"], ["th;q=0, en", "en"], ["*", "en"], ["nonsense;;q=x", "en"],
  ]) {
    test(`of a browser that asks for ${accepted ?? "nothing"} is ${lang}`, async () => {
      const headers = accepted ? { "accept-language": accepted } : {};
      const answer = await fetch(`${world().base}/`, { headers, redirect: "manual" });
      assert.deepEqual([answer.status, answer.headers.get("location")], [303, `/${lang}/`]);
      assert.match(answer.headers.get("vary") ?? "", /accept-language/i);
    });
  }

  test("is found by a browser set to Thai", () => visiting({ locale: "th-TH" }, async ({ page }) => {
    await page.goto("/");
    assert.equal(pathOf(page), "/th/");
  }));

  test("has a list with a slash at the end", () => visiting({}, async ({ page }) => {
    await page.goto("/th");
    assert.equal(pathOf(page), "/th/");
  }));
});

describe("choosing a language", { concurrency: 2 }, () => {
  for (const [where, selector] of [["at the top", ".tongue"], ["at the bottom", "nav .switch a[hreflang=th]"]]) {
    test(`${where} keeps the page and its search, and is remembered`, () => visiting({}, async ({ page }) => {
      await page.goto("/en/?q=harbour&month=");
      await follow(page, () => page.click(selector));
      assert.equal(pathOf(page), "/th/?q=harbour&month=");
      assert.equal(await page.inputValue("#q"), "harbour");
      await page.goto("/");
      assert.equal(pathOf(page), "/th/");
    }));
  }

  test("keeps the concert and the reservation", () => visiting({}, async ({ page }) => {
    const concert = await addConcert();
    await page.goto(`/en/concerts/${concert.id}`);
    await follow(page, () => page.click(".tongue"));
    assert.equal(pathOf(page), `/th/concerts/${concert.id}`);
    const { id, access_token: token } = await reserve(concert.id);
    await page.goto(`/th/r/${id}?t=${token}`);
    const response = await follow(page, () => page.click(".tongue"));
    assert.deepEqual([response.status(), pathOf(page)], [200, `/en/r/${id}`]);
  }));

  test("can be taken back", () => visiting({ locale: "th-TH" }, async ({ page }) => {
    await page.goto("/");
    await follow(page, () => page.click(".tongue"));
    await page.goto("/");
    assert.equal(pathOf(page), "/en/");
    await follow(page, () => page.click(".tongue"));
    await page.goto("/");
    assert.equal(pathOf(page), "/th/");
  }));
});

describe("choosing light or dark", { concurrency: 2 }, () => {
  const isDark = (page) => page.evaluate(() => {
    const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number);
    return red + green + blue < 200;
  });
  const choose = (page, theme) => follow(page, () => page.click(`button[name=theme][value=${theme}]`));

  for (const colorScheme of ["light", "dark"]) {
    test(`wins over a device that is ${colorScheme}, on every page, until it is taken back`, () => visiting({ colorScheme }, async ({ page }) => {
      const [chosen, device] = colorScheme === "light" ? ["dark", "light"] : ["light", "dark"];
      await page.goto("/en/?q=harbour");
      assert.equal(await isDark(page), device === "dark");
      assert.equal(await page.getAttribute("button[value=system]", "aria-pressed"), "true");
      await choose(page, chosen);
      assert.equal(pathOf(page), "/en/?q=harbour");
      for (const path of ["/en/", "/th/concerts/1", "/en/nowhere"]) {
        await page.goto(path);
        assert.equal(await isDark(page), chosen === "dark", path);
        assert.equal(await page.getAttribute("html", "data-theme"), chosen);
        assert.equal(await page.getAttribute(`button[value=${chosen}]`, "aria-pressed"), "true");
        assert.equal(await page.getAttribute("button[value=system]", "aria-pressed"), "false");
      }
      await choose(page, "system");
      assert.equal(await isDark(page), device === "dark");
    }));
  }

  test("is kept for a year, out of scripts' reach", () => visiting({}, async ({ page, context }) => {
    await page.goto("/en/");
    await choose(page, "dark");
    const cookie = (await context.cookies()).find(({ name }) => name === "theme");
    assert.deepEqual([cookie.value, cookie.httpOnly, cookie.sameSite, cookie.path], ["dark", true, "Lax", "/"]);
    assert.ok(cookie.expires > Date.now() / 1000 + 360 * 86_400);
  }));

  test("stays on a reservation, and leads nowhere else", () => visiting({}, async ({ page, base }) => {
    const { id, access_token: token } = await reserve((await addConcert()).id);
    await page.goto(`/en/r/${id}?t=${token}`);
    await choose(page, "dark");
    assert.equal(pathOf(page), `/en/r/${id}`);
    await page.evaluate(() => (document.querySelector("[name=return_to]").value = "//example.com/"));
    await choose(page, "light");
    assert.equal(page.url(), `${base}/en/`);
  }));
});
