// A buyer's steps from a concert's page to the payment and back, by mouse with and without script, and
// by keyboard alone.

import assert from "node:assert/strict";

import { arrive, follow, visiting } from "./browser.mjs";
import { tabTo } from "./keyboard.mjs";
import { newEmail } from "./world.mjs";

export const PAY = "form[action$='/pay'] .button";
export const TO_PROVIDER = "a[href*='/sandbox/pay/']";
/** Where every way ends: the reservation's own page. */
export const OWN_PAGE = /\/r\/RES[^/]*$/;

const byMouse = {
  press: (page, selector) => follow(page, () => page.click(selector)),
  unfold: (page, selector) => page.click(selector),
  write: (page, selector, text) => page.fill(selector, text),
};

/** How a visitor moves about; `press` leads to another page and gives its answer. */
export const WAYS = {
  "with script": { script: true, ...byMouse },
  "without script": { script: false, ...byMouse },
  "by keyboard alone": {
    script: true,
    async press(page, selector) {
      await tabTo(page, selector);
      return follow(page, () => page.keyboard.press("Enter"));
    },
    async unfold(page, selector) {
      await tabTo(page, selector);
      await page.keyboard.press("Enter");
    },
    async write(page, selector, text) {
      await tabTo(page, selector);
      await page.keyboard.press("ControlOrMeta+A");
      await page.keyboard.type(text);
    },
  },
};

/** Runs `body` with somebody who holds two tickets of `concert` and looks at their page. */
export function buying({ way = "with script", lang = "en", concert, ...look }, body) {
  const { script, ...moves } = WAYS[way];
  return visiting({ script, ...look }, async (visitor) => {
    const buyer = { ...visitor, ...moves, lang, concert, email: newEmail() };
    const { page, write, press } = buyer;
    await page.goto(`/${lang}/concerts/${concert.id}`);
    await write(page, "#quantity", "2");
    await write(page, "#customer_name", "Ada Lovelace");
    await write(page, "#customer_email", buyer.email);
    await press(page, ".hold .button");
    buyer.id = ownId(page);
    await body(buyer);
  });
}

function ownId(page) {
  assert.match(page.url(), OWN_PAGE);
  return page.url().split("/").at(-1);
}

/** From the reservation's page to the provider's. */
export async function goToProvider({ page, press }) {
  await press(page, PAY);
  await page.waitForSelector(TO_PROVIDER);
  await press(page, TO_PROVIDER);
  assert.match(page.url(), /\/sandbox\/pay\//);
}

/** Chooses what becomes of a payment; the provider sends the buyer back. */
export const choose = ({ page, press }, outcome) => press(page, `button[value=${outcome}]`);

/** From the reservation's page through a payment that is decided at once, and back to it. */
export async function pay(buyer, outcome) {
  await goToProvider(buyer);
  await choose(buyer, outcome);
  await arrive(buyer.page, OWN_PAGE);
}

/** Gives the tickets back. */
export async function giveBack({ page, unfold, press }) {
  await unfold(page, ".cancel summary");
  await press(page, ".cancel .button");
}
