// What a first visit costs, over the wire: bytes and requests.

import assert from "node:assert/strict";
import http from "node:http";
import { after, describe, test } from "node:test";

import { LANGUAGES, leaveBrowser, NARROW, visiting, WIDE } from "./lib/browser.mjs";
import { paying } from "./lib/pages.mjs";
import { listConcerts, world } from "./lib/world.mjs";

after(leaveBrowser);

const FIRST_VIEW = { bytes: 200 * 1024, requests: 8 };
const BROTLI = { css: 12 * 1024, js: 8 * 1024 };

/** The addresses of pages that somebody may see first, those that a mail or another shop leads to included. */
const WAYS = {
  list: (lang) => `/${lang}/`,
  concert: async (lang) => `/${lang}/concerts/${(await listConcerts())[0].id}`,
  async reservation(lang) {
    const { held } = await paying();
    return `/${lang}/r/${held.id}?t=${held.access_token}`;
  },
  async "way to the payment"(lang) {
    const { held } = await paying();
    return `/${lang}/r/${held.id}/pay?t=${held.access_token}`;
  },
};

/** The body of an answer as it comes over the wire, without unpacking it. */
function fetchPacked(address) {
  return new Promise((resolve, reject) => {
    const request = http.get(address, { headers: { "accept-encoding": "br" }, timeout: 10_000 }, (answer) => {
      let bytes = 0;
      answer.on("data", (data) => (bytes += data.length));
      answer.once("end", () => resolve({ bytes, encoding: answer.headers["content-encoding"], caching: answer.headers["cache-control"] }));
    });
    request.once("timeout", () => request.destroy(new Error(`${address} takes too long`)));
    request.once("error", reject);
  });
}

describe("the first view", () => {
  for (const lang of LANGUAGES) {
    for (const [size, width] of [["360 px", NARROW], ["1280 px", WIDE]]) {
      for (const kind of Object.keys(WAYS)) {
        test(`${kind}, ${lang}, ${size}`, (t) => visiting({ width }, async ({ page, context }) => {
          const loads = [];
          context.on("requestfinished", (request) => loads.push(request));
          await page.goto(await WAYS[kind](lang));
          await page.waitForLoadState("networkidle");
          const sizes = await Promise.all(loads.map((request) => request.sizes()));
          const bytes = sizes.reduce((sum, size) => sum + size.responseBodySize + size.responseHeadersSize, 0);
          t.diagnostic(`${sizes.length} requests, ${(bytes / 1024).toFixed(1)} KB`);
          assert.ok(sizes.length <= FIRST_VIEW.requests, `${sizes.length} requests`);
          assert.ok(bytes > 5_000 && bytes <= FIRST_VIEW.bytes, `${bytes} bytes`);
        }));
      }
    }
  }
});

for (const [kind, selector, attribute] of [["css", "link[rel=stylesheet]", "href"], ["js", "script[src]", "src"]]) {
  test(`all ${kind} is small, packed, and kept by browsers`, (t) => visiting({}, async ({ page }) => {
    await page.goto("/en/");
    const addresses = await page.locator(selector).evaluateAll((all, name) => all.map((element) => element[name]), attribute);
    const files = await Promise.all(addresses.map(fetchPacked));
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    t.diagnostic(`${addresses.length} files, ${bytes} bytes`);
    assert.ok(files.length > 0 && bytes > 0 && bytes <= BROTLI[kind], `${bytes} bytes`);
    for (const { encoding, caching } of files) {
      assert.equal(encoding, "br");
      assert.match(caching, /immutable/);
    }
  }));
}

test("the next page loads nothing that is there already", () => visiting({}, async ({ page, context }) => {
  const [concert] = await listConcerts();
  await page.goto("/en/");
  await page.waitForLoadState("networkidle");
  const loads = [];
  context.on("requestfinished", (request) => loads.push(request));
  await page.goto(`/en/concerts/${concert.id}`);
  await page.waitForLoadState("networkidle");
  // More may come while these are looked at.
  const finished = [...loads];
  const sizes = await Promise.all(finished.map((request) => request.sizes()));
  const fetched = finished.filter((_, index) => sizes[index].responseBodySize > 0).map((request) => new URL(request.url()).pathname);
  // A browser under load asks for the first page's icon when it likes, even then.
  const ours = fetched.filter((path) => !path.startsWith("/assets/favicon"));
  assert.deepEqual(ours, [`/en/concerts/${concert.id}`]);
}));

test("robots may read the shop and nothing else", async () => {
  const answer = await fetch(`${world().base}/robots.txt`);
  const text = await answer.text();
  assert.match(answer.headers.get("content-type"), /^text\/plain/);
  assert.match(text, /^User-agent: \*$/m);
  assert.match(text, /^Disallow: \/api\/$/m);
  assert.doesNotMatch(text, /^Disallow: \/$/m);
});
