// Every kind of page of the shop × language × light and dark × narrow and wide.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";

import { leaveBrowser, visit } from "./lib/browser.mjs";
import { askAxe, bringAxe, measure } from "./lib/checks.mjs";
import { lookAtAll, tally } from "./lib/look.mjs";
import { PAGES } from "./lib/pages.mjs";

after(async () => {
  console.log(tally(PAGES));
  await leaveBrowser();
});

/** Two pages at a time keep both of a small machine's cores busy. */
describe("every page", { concurrency: 2 }, () => lookAtAll(PAGES));

/** Whoever finds nothing anywhere may be blind: here is something to find. */
test("a page with faults is found out", async () => {
  const visitor = await visit();
  const { page, context, complaints } = visitor;
  await bringAxe(context);
  await page.goto("/en/");
  await page.evaluate(() => {
    const faults = document.createElement("div");
    faults.innerHTML = `<h1>Again</h1><img src="/assets/nothing.png"><button>x</button>
      <p class="faint">You can hardly read this</p><p class="wide">wide</p>`;
    faults.style.cssText = "color: #888; background: #999; width: 3000px; line-height: 1; letter-spacing: 2px";
    document.querySelector("main").append(faults);
    const script = Object.assign(document.createElement("script"), { src: "https://stagedoor.invalid/x.js" });
    document.body.append(script);
  });
  await page.waitForLoadState("networkidle");
  const findings = [...(await measure(page, { lang: "th" })), ...(await askAxe(page))].join("\n");
  for (const fault of [/html lang is en/, /2 h1/, /scrolls sideways/, /target .*button/, /line height/, /letter-spacing/, /axe color-contrast/, /axe image-alt/]) {
    assert.match(findings, fault);
  }
  assert.match(complaints.join("\n"), /404 for .*nothing\.png/);
  assert.match(complaints.join("\n"), /Content Security Policy/);
  await visitor.close();
});
