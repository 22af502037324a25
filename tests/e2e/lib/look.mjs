// How every kind of page is looked at: each language × light and dark × narrow and wide.

import assert from "node:assert/strict";
import { test } from "node:test";

import { LANGUAGES, NARROW, visiting, WIDE } from "./browser.mjs";
import { askAxe, bringAxe, checkHead, checkHeaders, measure } from "./checks.mjs";
import { serverOf } from "./pages.mjs";

const LOOKS = [
  { look: "360 px light", width: NARROW, colorScheme: "light" },
  { look: "360 px dark", width: NARROW, colorScheme: "dark" },
  { look: "1280 px dark", width: WIDE, colorScheme: "dark" },
  { look: "1280 px light", width: WIDE, colorScheme: "light" },
];

/** What 1280 px become when they are enlarged four times (WCAG 1.4.10). */
const ENLARGED = { width: 320, height: 256 };

let axeRuns = 0;

/** A test for each kind and language. */
export function lookAtAll(kinds) {
  for (const kind of kinds) {
    for (const lang of LANGUAGES) {
      test(`${kind.name}, ${lang}`, () => checkPage(kind, lang));
    }
  }
}

/** How much was looked at, for the tests' output. */
export const tally = (kinds) => `axe ran ${axeRuns} times on ${kinds.length} kinds of pages`;

function checkPage(kind, lang) {
  const { isPublic = true, status } = kind;
  const options = { base: serverOf(kind), locale: lang === "th" ? "th-TH" : "en-US" };
  return visiting(options, async (visitor) => {
    const { page, context, base } = visitor;
    await bringAxe(context);
    const response = await kind.open(visitor, lang);
    assert.equal(response.status(), status);
    checkHeaders(response, { isPublic });
    await checkHead(page, { lang, base, isPublic });
    for (const { look, width, colorScheme } of LOOKS) {
      await page.setViewportSize(width);
      await page.emulateMedia({ colorScheme });
      const findings = [...(await measure(page, { lang })), ...(await askAxe(page))];
      axeRuns += 1;
      assert.deepEqual(findings, [], look);
    }
    await page.setViewportSize(ENLARGED);
    assert.deepEqual(await measure(page, { lang }), [], "320 px");
  });
}
