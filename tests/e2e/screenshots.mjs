// Takes the pictures in docs/screenshots from a fresh demonstration.

import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";

import { leaveBrowser, visit } from "./lib/browser.mjs";
import { buildWorld } from "./lib/build.mjs";
import { book } from "./lib/pages.mjs";
import { beginToPay, decide, listConcerts, reserve } from "./lib/world.mjs";

const BYTES_MAX = 120 * 1024;
/** So high that a picture ends where what it shows ends. */
const phone = (height) => ({ width: 360, height });
const desk = (height) => ({ width: 1280, height });

const folder = path.join(path.dirname(new URL(import.meta.url).pathname), "../../docs/screenshots");

const named = async (name) => (await listConcerts()).find((concert) => concert.name === name);

/** The reservation of free tickets, or a page below it. */
async function openFree(page, lang, below) {
  const customer = { customer_name: lang === "th" ? "สมหญิง ใจดี" : "Ada Lovelace", customer_email: "somying@example.com" };
  const { id, access_token: token } = await reserve((await named("Free Afternoon on the Steps")).id, { ...customer, quantity: 1 });
  await page.goto(`/${lang}/r/${id}?t=${token}`);
  if (below) await page.goto(`/${lang}/r/${id}${below}`);
}

/** A reservation that somebody has begun to pay. */
async function hold(name) {
  const held = await reserve((await named(name)).id);
  return { ...held, payment: await beginToPay(held) };
}

const PICTURES = [
  { file: "list-en-1280-light", width: desk(880), colorScheme: "light", open: ({ page }) => page.goto("/en/") },
  { file: "list-th-360-dark", width: phone(940), colorScheme: "dark", open: ({ page }) => page.goto("/th/") },
  {
    file: "concert-en-360-light", width: phone(1228), colorScheme: "light",
    open: async ({ page }) => page.goto(`/en/concerts/${(await named("Midnight Ferry")).id}`),
  },
  {
    file: "concert-th-1280-dark", width: desk(816), colorScheme: "dark",
    open: async ({ page }) => page.goto(`/th/concerts/${(await named("คืนบัวบาน")).id}`),
  },
  {
    file: "reservation-th-360-light", width: phone(1000), colorScheme: "light",
    async open({ page }) {
      const customer = { customer_name: "สมหญิง ใจดี", customer_email: "somying@example.com" };
      const { id, access_token: token } = await reserve((await named("แคนข้ามโขง")).id, customer);
      await page.goto(`/th/r/${id}?t=${token}`);
    },
  },
  {
    file: "confirmed-en-360-light", width: phone(1500), colorScheme: "light",
    open: async ({ page }) => openFree(page, "en", ""),
  },
  {
    file: "tickets-th-360-dark", width: phone(760), colorScheme: "dark",
    open: async ({ page }) => openFree(page, "th", "/tickets"),
  },
  {
    file: "pay-th-360-dark", width: phone(560), colorScheme: "dark",
    async open({ page }) {
      const { id, access_token: token } = await hold("แคนข้ามโขง");
      await page.goto(`/th/r/${id}/pay?t=${token}`);
    },
  },
  {
    file: "declined-en-360-light", width: phone(1100), colorScheme: "light",
    async open({ page }) {
      const { id, access_token: token, payment } = await hold("Midnight Ferry");
      await decide(payment, "decline");
      await page.goto(`/en/r/${id}?t=${token}`);
    },
  },
  {
    file: "form-errors-en-360-dark", width: phone(1604), colorScheme: "dark",
    async open(visitor) {
      await visitor.page.goto(`/en/concerts/${(await named("Under Tension")).id}`);
      await book(visitor, { quantity: 0, name: "", email: "ada@" });
    },
  },
];

async function take({ file, open, ...look }) {
  const visitor = await visit(look);
  await open(visitor);
  await visitor.page.waitForLoadState("networkidle");
  const session = await visitor.context.newCDPSession(visitor.page);
  // WebP at this quality is half of the size of PNG, and type stays sharp.
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 90 });
  await visitor.close();
  const picture = Buffer.from(data, "base64");
  console.log(`${file}.webp: ${(picture.length / 1024).toFixed(0)} KB`);
  if (picture.length > BYTES_MAX) throw new Error(`${file} is too large for a document`);
  await writeFile(path.join(folder, `${file}.webp`), picture);
}

const { world, stop } = await buildWorld({ withOthers: false });
process.env.STAGEDOOR_E2E_WORLD = JSON.stringify(world);
try {
  await mkdir(folder, { recursive: true });
  for (const picture of PICTURES) await take(picture);
} finally {
  await leaveBrowser();
  await stop();
}
