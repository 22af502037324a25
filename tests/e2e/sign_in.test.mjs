// Signing in: at a real provider of OpenID Connect, and by mail.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { arrive, follow, leaveBrowser, NARROW, visit } from "./lib/browser.mjs";
import { book } from "./lib/pages.mjs";
import { CLIENT, startProvider } from "./lib/provider.mjs";
import { startServe } from "./lib/server.mjs";
import { addConcert, cancel, newEmail, reserve, signInLink, world } from "./lib/world.mjs";

let provider;
let shop;
let folder;

before(async () => {
  provider = await startProvider();
  folder = await mkdtemp(path.join(os.tmpdir(), "stagedoor-e2e-sign-in-"));
  shop = await start("sign-in", provider.issuer);
  provider.open(`${shop.base}/auth/oidc/callback`);
});

after(async () => {
  await leaveBrowser();
  await shop?.server.stop();
  await provider?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** A server of ours whose customers sign in at this issuer. */
function start(name, issuer) {
  const { binary, databaseUrl } = world();
  const logs = path.join(path.dirname(new URL(import.meta.url).pathname), "out");
  return startServe({
    name, binary, folder, logs,
    env: {
      DATABASE_URL: databaseUrl, STAGEDOOR_OIDC_ISSUER: issuer,
      STAGEDOOR_GOOGLE_CLIENT_ID: CLIENT.id, STAGEDOOR_GOOGLE_CLIENT_SECRET: CLIENT.secret,
    },
  });
}

/** A visitor who may leave for the provider; what its pages complain about isn't ours. */
async function travelling(options, body) {
  const visitor = await visit({ base: shop.base, width: NARROW, ...options });
  // The provider's page would like a font from afar.
  await visitor.context.route("https://**", (route) => route.abort());
  try {
    await body(visitor);
  } finally {
    await visitor.close();
  }
}

/** Signs in on the provider's own pages, and agrees. */
async function agree(page, name) {
  await arrive(page, /\/interaction\//);
  await page.fill("input[name=login]", name);
  await page.fill("input[name=password]", "anything");
  await follow(page, () => page.click("button[type=submit]"));
  await arrive(page, /\/interaction\//);
  return page.click("button[type=submit]");
}

for (const script of [true, false]) {
  test(`a hold survives the way to the provider and back, ${script ? "with" : "without"} script`, () => travelling({ script }, async ({ page, context }) => {
    const name = `ada-${process.pid}-${script}`;
    const email = `${name}@example.com`;
    const concert = await addConcert();
    await page.goto(`/en/concerts/${concert.id}`);
    await book({ page }, { quantity: 2, name: "Ada", email });
    const held = new URL(page.url()).pathname;
    await follow(page, () => page.click(".hold-sign-in a"));
    assert.equal(await page.textContent("h1"), "Sign in");
    await page.click("a.button-wide");
    await agree(page, name);
    await arrive(page, new RegExp(`${held}$`));
    assert.match(await page.textContent("h1"), /^Held for you/);
    assert.equal(await page.locator(".hold-sign-in").count(), 0);
    await page.goto(`/en/concerts/${concert.id}`);
    assert.equal(await page.inputValue("#customer_name"), `Ms ${name}`);
    assert.equal(await page.inputValue("#customer_email"), email);
    await page.fill("#quantity", "1");
    await follow(page, () => page.click(".hold .button"));
    const cookies = await context.cookies(shop.base);
    const cookie = cookies.map((one) => `${one.name}=${one.value}`).join("; ");
    const ask = (at) => fetch(`${shop.base}${at}`, { headers: { cookie } }).then((answer) => answer.json());
    assert.deepEqual(await ask("/api/v1/me"), { email, name: `Ms ${name}`, google_auth: true });
    const { items } = await ask("/api/v1/me/reservations");
    assert.deepEqual(items.map((one) => [one.quantity, one.google_auth]), [[1, true], [2, false]]);
    await follow(page, () => page.click(".own a"));
    assert.equal(await page.locator(".booking").count(), 2);
    assert.match(await page.textContent("main"), new RegExp(email));
    await follow(page, () => page.click(".sign-out .button"));
    await page.goto("/en/me");
    assert.equal(new URL(page.url()).pathname, "/en/sign-in");
    const refused = await page.goto(held);
    assert.equal(refused.status(), 404, "signing out forgets what the browser held");
  }));
}

describe("nobody is signed in", () => {
  const HOUR = 3_600;
  const now = () => Math.floor(Date.now() / 1_000);
  for (const [what, change, status = 403] of [
    ["by another nonce", ({ claims }) => { claims.nonce = "another"; }],
    ["without a nonce", ({ claims }) => { delete claims.nonce; }],
    ["by another issuer", ({ claims }) => { claims.iss = "https://evil.example"; }],
    ["by a token for somebody else", ({ claims }) => { claims.aud = "another-client"; }],
    ["by a token for somebody else too", ({ claims }) => { claims.aud = [CLIENT.id, "another-client"]; }],
    ["by an expired token", ({ claims }) => { Object.assign(claims, { iat: now() - 2 * HOUR, exp: now() - HOUR }); }],
    ["by a token that another key signed", () => provider.other],
    ["by a token whose key nobody knows", ({ header }) => { header.kid = "two"; return provider.other; }],
    ["by an address that isn't verified", ({ claims }) => { claims.email_verified = false; }],
    ["by an address that nobody says is verified", ({ claims }) => { delete claims.email_verified; }],
  ]) {
    test(what, () => travelling({}, async ({ page, context }) => {
      await page.goto("/th/sign-in");
      await page.click("a.button-wide");
      provider.change = change;
      try {
        const [response] = await Promise.all([
          page.waitForResponse((answer) => answer.url().startsWith(`${shop.base}/auth/oidc/callback`)),
          agree(page, `eve-${process.pid}`),
        ]);
        assert.equal(response.status(), status);
      } finally {
        provider.change = undefined;
      }
      await page.waitForLoadState();
      assert.equal(await page.getAttribute("html", "lang"), "th", "the language in which it began");
      assert.ok(await page.locator(".errors").isVisible());
      assert.ok(await page.locator("#email").isVisible(), "the other way is there");
      const text = await page.textContent("body");
      assert.doesNotMatch(text, /nonce|audience|evil|signature|eve-/i);
      await page.goto("/en/me");
      assert.equal(new URL(page.url()).pathname, "/en/sign-in");
      const [cookie] = (await context.cookies(shop.base)).filter((one) => one.name === "stagedoor");
      assert.doesNotMatch(cookie?.value ?? "", /(^|~)s\./);
    }));
  }

  test("by another state, nor in another browser, nor twice", () => travelling({}, async ({ page }) => {
    await page.goto("/en/sign-in");
    await page.click("a.button-wide");
    provider.keeps = true;
    try {
      await agree(page, `ada-${process.pid}`);
      await page.waitForSelector("text=kept");
    } finally {
      provider.keeps = false;
    }
    const callback = provider.kept;
    assert.match(callback, /\/auth\/oidc\/callback\?/);
    const wrong = new URL(callback);
    wrong.searchParams.set("state", "A".repeat(43));
    assert.equal((await page.goto(wrong.href)).status(), 400);
    await travelling({}, async ({ page: other }) => {
      assert.equal((await other.goto(callback)).status(), 400);
    });
    assert.equal((await page.goto(callback)).status(), 200);
    assert.equal(new URL(page.url()).pathname, "/en/me");
    assert.equal((await page.goto(callback)).status(), 400);
  }));

  test("who cancels at the provider", () => travelling({}, async ({ page }) => {
    await page.goto("/en/sign-in?return_to=/en/");
    await page.click("a.button-wide");
    await arrive(page, /\/interaction\//);
    await page.click("a[href$='/abort']");
    await arrive(page, /\/en\/sign-in/);
    assert.match(await page.textContent(".errors"), /without signing in/);
    assert.match(await page.getAttribute("a.button-wide", "href"), /return_to=\/en\/$/);
  }));

  test("while the provider is away, or says that it is somebody else", async () => {
    const mistaken = await start("sign-in-mistaken", provider.issuer.replace("127.0.0.1", "localhost"));
    try {
      await travelling({ base: mistaken.base }, async ({ page }) => {
        provider.isAway = true;
        const away = await page.goto("/auth/oidc/start?lang=th").finally(() => (provider.isAway = false));
        assert.equal(away.status(), 503);
        assert.equal(await page.getAttribute("html", "lang"), "th");
        assert.ok(await page.locator("#email").isVisible());
        assert.equal((await page.goto("/auth/oidc/start")).status(), 403);
      });
    } finally {
      await mistaken.server.stop();
    }
  });
});

test("the provider is asked about itself once for many", () => {
  const times = provider.asked.filter((at) => at === "/.well-known/openid-configuration").length;
  assert.ok(times > 0 && times <= 6, `${times} times`);
});

describe("by mail", () => {
  for (const script of [true, false]) {
    for (const lang of ["en", "th"]) {
      test(`${lang}, ${script ? "with" : "without"} script`, () => travelling({ script, base: world().base }, async ({ page, base, complaints }) => {
        const email = newEmail();
        await page.goto(`/${lang}/`);
        await follow(page, () => page.click(".own a"));
        await page.fill("#email", "nobody");
        const refused = await follow(page, () => page.click("form.hold .button"));
        assert.equal(refused.status(), 422);
        await page.fill("#email", email);
        await follow(page, () => page.click("form.hold .button"));
        assert.match(await page.textContent("main"), new RegExp(email));
        const link = await signInLink(email, { base, isAsked: true });
        await page.goto(link);
        assert.match(await page.textContent("main"), new RegExp(email));
        await follow(page, () => page.click("main form .button"));
        assert.equal(new URL(page.url()).pathname, `/${lang}/me`);
        const again = await page.goto(link);
        assert.equal(again.status(), 410);
        assert.deepEqual(complaints, []);
      }));
    }
  }
});

test("the way to sign in on a concert's page leads back to that page", () => travelling({ base: world().base }, async ({ page }) => {
  const concert = await addConcert();
  const email = newEmail();
  await page.goto(`/th/concerts/${concert.id}`);
  await follow(page, () => page.click(".hold-sign-in a"));
  await page.fill("#email", email);
  await follow(page, () => page.click("form.hold .button"));
  await page.goto(await signInLink(email, { isAsked: true }));
  const answer = await follow(page, () => page.click("main form .button"));
  assert.equal(answer.status(), 200);
  assert.equal(new URL(page.url()).pathname, `/th/concerts/${concert.id}`);
  assert.equal(await page.inputValue("#customer_email"), email);
}));

test("one's own data can be taken along and erased, once nothing is under way", () => travelling({ base: world().base, script: false }, async ({ page, context }) => {
  const email = newEmail();
  const concert = await addConcert({ price: "0.00" });
  const held = await reserve(concert.id, { customer_name: "Zebulon Quartz", customer_email: email, quantity: 1 });
  await page.goto(await signInLink(email));
  await follow(page, () => page.click("main form .button"));
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("a[href$='/me/export']")]);
  assert.equal(download.suggestedFilename(), "my-data.json");
  const file = path.join(folder, "my-data.json");
  await download.saveAs(file);
  const copy = JSON.parse(await readFile(file, "utf8"));
  assert.equal(copy.email, email);
  assert.equal(copy.reservations[0].customer_name, "Zebulon Quartz");
  assert.equal(copy.account.sessions.length, 1);
  await follow(page, () => page.click("a[href$='/me/erase']"));
  await follow(page, () => page.click("main form .button"));
  assert.match(await page.textContent("main"), /has tickets for a concert to come/);
  await follow(page, () => page.click(`main a[href$='${held.id}']`));
  assert.match(await page.textContent("main"), new RegExp(held.id));
  await cancel(held);
  await page.goto("/en/me/erase");
  await follow(page, () => page.click("main form .button"));
  assert.equal(new URL(page.url()).pathname, "/en/erased");
  assert.equal(await page.textContent("h1"), "Your data is erased");
  const cookies = await context.cookies(world().base);
  assert.ok(!cookies.some(({ name }) => name.endsWith("stagedoor")), JSON.stringify(cookies));
  await page.goto("/en/me");
  assert.match(page.url(), /sign-in/, "the session is over");
  const gone = await fetch(`${world().base}/api/v1/reservations/${held.id}`, { headers: { authorization: `Bearer ${held.access_token}` } });
  assert.equal(gone.status, 404);
}));
