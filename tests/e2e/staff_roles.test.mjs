// What only some roles may do: the log with its filters, files to take away, accounts and their roles; and
// what the others aren't shown.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";

import { follow, LANGUAGES, leaveBrowser, visiting, WIDE } from "./lib/browser.mjs";
import { addMember, editConcert, PASSWORD, signedInAs } from "./lib/staff.mjs";
import { say } from "./lib/words.mjs";
import { addConcert, reserve, world } from "./lib/world.mjs";

const folder = await mkdtemp(path.join(tmpdir(), "stagedoor-roles-"));

after(leaveBrowser);
after(() => rm(folder, { recursive: true }));

/** A test for somebody of this role, in each language; without script, where every act must work too. */
function each(name, role, body) {
  for (const lang of LANGUAGES) {
    test(`${name}, ${lang}`, () => visiting({ script: false, width: WIDE }, async (visitor) => {
      await signedInAs(role, visitor);
      const { page } = visitor;
      await page.goto(`/staff?lang=${lang}`);
      await body({
        ...visitor, lang,
        press: (selector) => follow(page, () => page.click(selector)),
        says: async (key) => assert.equal(await page.textContent(".said"), say(lang, key)),
      });
    }));
  }
}

/** The first line of the CSV that a page's link leads to, and how many follow. */
async function takeAway(page) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click(".takeaway a[href*='.csv']")]);
  const file = path.join(folder, `${Math.random()}-${download.suggestedFilename()}`);
  await download.saveAs(file);
  const text = await readFile(file, "utf8");
  assert.ok(text.startsWith("\uFEFF"), "a spreadsheet would read Thai wrong");
  const [columns, ...rows] = text.slice(1).trimEnd().split("\n");
  return { name: download.suggestedFilename(), columns, rows: rows.length };
}

each("an admin finds in the log what was changed, before and after", "admin", async ({ page, press, lang }) => {
  const concert = await addConcert({ venue: "Rehearsal Room" });
  await editConcert(concert.id, { venue: "Great Hall" });
  await press(".sections a[href='/staff/audit']");
  const chain = await page.textContent("h1 + p");
  assert.ok(chain.includes(say(lang, "audit-verify")), chain);
  assert.ok(chain.length > say(lang, "audit-verify").length + 10, `how far it is sealed: ${chain}`);
  await page.selectOption("#table_name", "concerts");
  await page.selectOption("#action", "UPDATE");
  await page.fill("#record_id", String(concert.id));
  await press(".filters .button");
  const row = page.locator(".rows > tbody > tr", { hasText: "Great Hall" });
  assert.equal(await row.count(), 1);
  assert.equal(await page.inputValue("#table_name"), "concerts");
  await row.locator("summary").click();
  const change = row.locator(".changes tr", { hasText: "venue" });
  assert.deepEqual(await change.locator("th, td").allTextContents(), ["venue", "Rehearsal Room", "Great Hall"]);
  assert.deepEqual(
    await row.locator(".changes thead th").allTextContents(),
    ["audit-field", "audit-before", "audit-after"].map((key) => say(lang, key)),
  );
  const shown = await page.locator(".rows > tbody > tr").count();
  const { name, columns, rows } = await takeAway(page);
  assert.match(name, /^audit-logs-/);
  assert.match(columns, /^id,created_at,user_id,username,action,table_name,record_id,old_values,new_values/);
  assert.equal(rows, shown);

  await page.fill("#user_id", "nobody");
  await press(".filters .button");
  assert.ok((await page.textContent(".errors")).includes(say(lang, "audit-user")));
  // Names of accounts are for those who may read accounts.
  assert.equal(await page.textContent("#user_id-error"), say(lang, "field-invalid"));
  assert.equal(await page.inputValue("#user_id"), "nobody");
  assert.equal(await page.inputValue("#record_id"), String(concert.id));
});

for (const role of ["admin", "superadmin"]) {
  each(`lists leave as files for a ${role}`, role, async ({ page, press, lang }) => {
    const { id: concert, artist } = await addConcert({ artist: `The ${Math.random()}` });
    await reserve(concert, { customer_name: "=Ada" });
    await page.goto(`/staff/concerts?q=${encodeURIComponent(artist)}`);
    assert.equal(await page.locator(".takeaway").getAttribute("aria-label"), say(lang, "ex-label"));
    const concerts = await takeAway(page);
    assert.match(concerts.columns, /^id,name,artist,date,venue,/);
    assert.equal(concerts.rows, 1);
    await page.goto("/staff/reservations");
    await page.fill("#concert_id", String(concert));
    await press(".filters .button");
    const reservations = await takeAway(page);
    assert.match(reservations.columns, /^id,concert_id,customer_name,customer_email,/);
    assert.equal(reservations.rows, 1);
    const log = await page.goto("/staff/audit?table_name=reservations&action=EXPORT");
    assert.equal(log.status(), 200);
    const told = page.locator(".rows > tbody > tr", { has: page.locator(".changes td", { hasText: new RegExp(`^${concert}$`) }) });
    assert.equal(await told.count(), 1);
    await told.locator("summary").click();
    assert.equal(await told.locator(".changes tr", { hasText: "rows" }).locator("td").last().textContent(), "1");
  });
}

each("a superadmin makes an account, gives it a role and a password, and ends it", "superadmin", async ({ page, press, says, lang }) => {
  const username = `roles-${Math.random().toString(36).slice(2, 8)}`;
  await press(".sections a[href='/staff/users']");
  await page.fill("#username", username);
  await page.fill("#email", `${username}@example.com`);
  await page.fill("#password", "password");
  await page.selectOption("form.hold #role", "moderator");
  await press("form.hold .button");
  assert.ok((await page.textContent(".errors")).includes(say(lang, "error-password-weak")));
  await page.fill("#password", PASSWORD);
  await press("form.hold .button");
  await says("said-account-made");
  const row = page.locator("tr", { hasText: username });
  const act = (name) => `#${id} form[action$='/${name}'] .button`;
  const id = await row.getAttribute("id");
  const cell = (number) => row.locator("td").nth(number).textContent();
  assert.equal(await cell(0), say(lang, "staff-role-moderator"));
  await row.locator("summary").click();
  await row.locator("select").selectOption("admin");
  await press(act("role"));
  await says("said-account-role");
  assert.equal(await cell(0), say(lang, "staff-role-admin"));
  await row.locator("summary").click();
  await row.locator("input[type=password]").fill(`${PASSWORD} again`);
  await press(act("password"));
  await says("said-account-password");
  await visiting({ script: false }, async ({ page: theirs }) => {
    await theirs.goto(`/staff/sign-in?lang=${lang}`);
    await theirs.fill("#username", username);
    await theirs.fill("#password", `${PASSWORD} again`);
    await follow(theirs, () => theirs.click("main form .button"));
    assert.equal(await theirs.locator(".sections a[href='/staff/audit']").count(), 1);
    assert.equal(await theirs.locator(".sections a[href='/staff/users']").count(), 0);
    await row.locator("summary").click();
    await press(act("disable"));
    await says("said-account-disabled");
    assert.ok((await cell(1)).includes(say(lang, "account-inactive")));
    await theirs.goto("/staff");
    assert.match(theirs.url(), /sign-in/);
  });
  await row.locator("summary").click();
  await press(act("delete"));
  await says("said-account-deleted");
  assert.equal(await row.count(), 0);
});

each("a moderator is shown nothing that only others may do, and gets nothing by force", "moderator", async ({ page, context, lang }) => {
  const concert = await addConcert();
  const held = await reserve(concert.id);
  await page.goto(`/staff/concerts/${concert.id}`);
  assert.equal(await page.locator("main form[method=post], main a[href$='/edit'], main a[href$='/cancel'], main a[href*='from=']").count(), 0);
  await page.goto(`/staff/reservations?concert_id=${concert.id}`);
  assert.deepEqual(await page.locator(".acts button").evaluateAll((all) => all.map((one) => one.value)), ["cancel", "resend"]);
  await page.goto(`/staff/mails?lang=${lang}`);
  assert.equal(await page.textContent("h1"), say(lang, "staff-mails"));
  for (const address of ["/staff/concerts", "/staff/reservations", "/staff/mails", `/staff/concerts/${concert.id}/live`]) {
    await page.goto(address);
    assert.equal(await page.locator("a[href^='/staff/exports'], a[href^='/staff/reports'], a[href^='/staff/audit'], a[href^='/staff/users'], a[href='/staff/refunds']").count(), 0, address);
  }
  const headers = { "sec-fetch-site": "same-origin" };
  for (const address of ["/staff/audit", "/staff/users", "/staff/exports/audit-logs.csv", `/staff/concerts/${concert.id}/cancel`]) {
    const forged = await context.request.get(address, { maxRedirects: 0 });
    assert.equal(forged.status(), 403, address);
  }
  for (const [address, form] of [
    [`/staff/reservations/${held.id}/confirm`, {}],
    [`/staff/reservations/${held.id}/refund`, {}],
    [`/staff/concerts/${concert.id}/close`, {}],
    [`/staff/concerts/${concert.id}/cancel`, { name: concert.name }],
  ]) {
    const forged = await context.request.post(address, { form, headers, maxRedirects: 0 });
    assert.equal(forged.status(), 403, address);
  }
});

test("an admin makes no accounts, not even by force", () => visiting({ script: false }, async (visitor) => {
  const { page, context } = visitor;
  await signedInAs("admin", visitor);
  const other = await addMember("moderator");
  await page.goto("/staff");
  assert.equal(await page.locator("a[href='/staff/users']").count(), 0);
  const headers = { "sec-fetch-site": "same-origin", origin: world().base };
  for (const [address, form] of [
    ["/staff/users", { username: "mallory", email: "m@example.com", role: "superadmin", password: PASSWORD }],
    [`/staff/users/${other.id}/role`, { role: "superadmin" }],
    [`/staff/users/${other.id}/password`, { password: PASSWORD }],
    [`/staff/users/${other.id}/disable`, {}],
    [`/staff/users/${other.id}/delete`, {}],
  ]) {
    const forged = await context.request.post(address, { form, headers, maxRedirects: 0 });
    assert.equal(forged.status(), 403, address);
  }
}));
