// Every kind of page of a buyer who signs in or pays × language × light and dark × narrow and wide.

import { after, describe } from "node:test";

import { leaveBrowser } from "./lib/browser.mjs";
import { lookAtAll, tally } from "./lib/look.mjs";
import { BUYER_PAGES } from "./lib/pages.mjs";

after(async () => {
  console.log(tally(BUYER_PAGES));
  await leaveBrowser();
});

describe("every page of a buyer's", { concurrency: 2 }, () => lookAtAll(BUYER_PAGES));
