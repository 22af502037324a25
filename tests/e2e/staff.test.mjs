// The pages for staff: each role's jobs, by mouse with and without script, and by keyboard alone.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";

import { follow, LANGUAGES, leaveBrowser, visiting } from "./lib/browser.mjs";
import { tabTo } from "./lib/keyboard.mjs";
import { lookAtAll } from "./lib/look.mjs";
import { addMember, PASSWORD, signedInAs, STAFF_PAGES } from "./lib/staff.mjs";
import { say } from "./lib/words.mjs";

after(leaveBrowser);

describe("every staff page", { concurrency: 2 }, () => lookAtAll(STAFF_PAGES));

/** What each role finds in the navigation, by key. */
const SECTIONS = {
  moderator: ["staff-home", "sc-title", "sr-title", "staff-mails", "health-title", "staff-account"],
  admin: ["staff-home", "sc-title", "sr-title", "rp-title", "staff-mails", "staff-audit", "health-title", "staff-account"],
  superadmin: ["staff-home", "sc-title", "sr-title", "rp-title", "staff-mails", "staff-users", "staff-audit", "health-title", "staff-account"],
};

describe("each role", () => {
  for (const [role, sections] of Object.entries(SECTIONS)) {
    for (const lang of LANGUAGES) {
      test(`a ${role} sees what the role may, ${lang}`, () => visiting({}, async (visitor) => {
        const { page } = visitor;
        await signedInAs(role, visitor);
        await page.goto(`/staff?lang=${lang}`);
        assert.deepEqual(await page.locator(".sections a").allTextContents(), sections.map((key) => say(lang, key)));
        for (let number = 0; number < sections.length; number += 1) {
          await follow(page, () => page.locator(".sections a").nth(number).click());
          assert.equal(await page.locator(".sections [aria-current=page]").count(), 1);
        }
      }));
    }
  }

  test("a forged form of a lower role is refused", () => visiting({}, async (visitor) => {
    const { page, context } = visitor;
    await signedInAs("moderator", visitor);
    await page.goto("/staff?lang=en");
    const forged = await context.request.post("/staff/users", {
      form: { username: "mallory", email: "m@example.com", role: "superadmin", password: PASSWORD },
      headers: { "sec-fetch-site": "same-origin" }, maxRedirects: 0,
    });
    assert.equal(forged.status(), 403);
    assert.match(await forged.text(), /isn&#39;t open to you/);
  }));
});

for (const lang of LANGUAGES) {
  for (const script of [true, false]) {
    test(`signing in, changing the password, signing out: ${script ? "with" : "without"} script, ${lang}`, async () => {
      const member = await addMember("admin");
      await visiting({ script }, async ({ page }) => {
        await page.goto(`/staff/account?lang=${lang}`);
        assert.equal(await page.textContent("h1"), say(lang, "staff-sign-in-title"));
        await page.fill("#username", member.username);
        await page.fill("#password", "wrong");
        await follow(page, () => page.click("main form .button"));
        assert.ok((await page.textContent(".errors")).includes(say(lang, "staff-sign-in-wrong")));
        await page.fill("#password", PASSWORD);
        await follow(page, () => page.click("main form .button"));
        assert.equal(await page.textContent("h1"), say(lang, "staff-account"));
        await page.fill("#current_password", PASSWORD);
        await page.fill("#new_password", "other words for tests now");
        await follow(page, () => page.click("form[action$='/password'] .button"));
        assert.equal(await page.textContent(".said"), say(lang, "said-password-changed"));
        await follow(page, () => page.click(".leave button"));
        assert.equal(await page.textContent("h1"), say(lang, "staff-sign-in-title"));
        await page.goto("/staff");
        assert.match(page.url(), /sign-in/);
      });
    });
  }
}

test("by keyboard alone a superadmin makes an account, disables and deletes it", () => visiting({}, async (visitor) => {
  const { page } = visitor;
  await signedInAs("superadmin", visitor);
  await page.goto("/staff/users?lang=en");
  const username = `keys-${Math.random().toString(36).slice(2, 8)}`;
  for (const [field, text] of [["#username", username], ["#email", `${username}@example.com`], ["#password", PASSWORD]]) {
    await tabTo(page, field);
    await page.keyboard.type(text);
  }
  const press = async (selector) => {
    await tabTo(page, selector);
    await follow(page, () => page.keyboard.press("Enter"));
  };
  await press("form[action='/staff/users'] .button");
  assert.equal(await page.textContent(".said"), say("en", "said-account-made"));
  const row = page.locator("tr", { hasText: username });
  const id = (await row.getAttribute("id")).replace("user-", "");
  for (const [act, said] of [["disable", "said-account-disabled"], ["delete", "said-account-deleted"]]) {
    await tabTo(page, `#user-${id} summary`);
    await page.keyboard.press("Enter");
    await press(`form[action='/staff/users/${id}/${act}'] .button`);
    assert.equal(await page.textContent(".said"), say("en", said));
  }
  assert.equal(await page.locator("tr", { hasText: username }).count(), 0);
}));
