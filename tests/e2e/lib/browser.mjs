// One browser for all tests, and a page that notes everything it shouldn't have to complain about.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { chromium } from "playwright-core";

import { world } from "./world.mjs";

export const CHROMIUM = process.env.CHROMIUM || findChromium();
export const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

/** No single step of a page takes longer, even on a busy machine. */
const STEP_WITHIN_MS = 20_000;

export const LANGUAGES = ["en", "th"];
export const NARROW = { width: 360, height: 740 };
export const WIDE = { width: 1280, height: 720 };

/** The installed browser, by the names that systems give it. */
function findChromium() {
  const folders = (process.env.PATH ?? "").split(path.delimiter);
  const found = ["chromium", "chromium-browser", "google-chrome"].flatMap((name) => folders.map((folder) => path.join(folder, name)));
  return found.find((file) => existsSync(file)) ?? "/usr/bin/chromium";
}

/** Starts the browser as a server that every test file connects to. */
export function launchBrowser() {
  // Playwright would end this process at a signal; whoever built the world takes it down itself.
  const handlers = { handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false };
  return chromium.launchServer({ executablePath: CHROMIUM, args: FLAGS, host: "127.0.0.1", ...handlers });
}

let connected;

/** The run's one browser. */
export function browser() {
  connected ??= chromium.connect(world().browser, { timeout: STEP_WITHIN_MS });
  return connected;
}

/** Lets the process end: to be called after the last test of a file. */
export async function leaveBrowser() {
  if (connected) await (await connected).close();
}

/**
 * A visitor: a fresh browser profile with one page.
 * `complaints` fills with whatever the console, scripts or the network had to say.
 */
export async function visit({ base = world().base, width = NARROW, script = true, ...options } = {}) {
  const context = await (await browser()).newContext({
    baseURL: base, viewport: width, javaScriptEnabled: script, locale: "en-US", ...options,
  });
  context.setDefaultTimeout(STEP_WITHIN_MS);
  const complaints = [];
  listen(context, new URL(base).origin, complaints);
  const page = await context.newPage();
  return { context, page, complaints, base, close: () => context.close() };
}

/** Runs `body` with a visitor who must have nothing to complain about at its end. */
export async function visiting(options, body) {
  const visitor = await visit(options);
  try {
    await body(visitor);
    assert.deepEqual(visitor.complaints, []);
  } finally {
    await visitor.close();
  }
}

function listen(context, origin, complaints) {
  context.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol.startsWith("http") && url.origin !== origin) complaints.push(`asked another host: ${url}`);
  });
  context.on("response", (response) => {
    // A page may answer with an error; what it loads may not.
    if (response.status() >= 400 && !response.request().isNavigationRequest()) {
      complaints.push(`${response.status()} for ${response.url()}`);
    }
  });
  context.on("console", (message) => {
    const pageItself = message.location().url === message.page()?.url();
    const status = message.text().startsWith("Failed to load resource: the server responded with a status of 4")
      || message.text().startsWith("Failed to load resource: the server responded with a status of 503");
    // Chromium reports the status of an error page here, too; tests compare it themselves.
    if (["error", "warning"].includes(message.type()) && !(status && pageItself)) {
      complaints.push(`console: ${message.text()}`);
    }
  });
  context.on("weberror", (error) => complaints.push(`script: ${error.error()}`));
}

/** Does what leads to another page, and gives the answer that the page came with. */
export async function follow(page, step) {
  const [response] = await Promise.all([page.waitForNavigation(), step()]);
  return response;
}

/** Waits for an address, however many navigations cross each other on the way. */
export async function arrive(page, address) {
  const deadline = Date.now() + STEP_WITHIN_MS;
  while (!address.test(page.url())) {
    assert.ok(Date.now() < deadline, `${page.url()} isn't ${address}`);
    await sleep(50);
  }
  await page.waitForLoadState();
}
