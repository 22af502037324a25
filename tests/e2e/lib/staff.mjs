// Staff with their sessions, and every kind of page that they see.

import { once } from "./once.mjs";
import { world } from "./world.mjs";

export const ROLES = ["superadmin", "admin", "moderator"];
export const PASSWORD = "four words for tests";

async function call(method, path, { token, body }) {
  const response = await fetch(`${world().base}/api/v1/admin${path}`, {
    method, signal: AbortSignal.timeout(15_000),
    headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

const signIn = async (username, password) => (await call("POST", "/sessions", { body: { username, password } })).token;

const superadmin = once(() => signIn(world().admin.username, world().admin.password));

/** An account of this role, made anew: its name and password. */
export async function addMember(role) {
  const username = `e2e-${role}-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  const body = { username, email: `${username}@example.com`, role, password: PASSWORD };
  const made = await call("POST", "/users", { token: await superadmin(), body });
  return { ...made, password: PASSWORD };
}

const tokens = {};

/** The token of somebody of this role; one session for all tests of a file. */
export function tokenOf(role) {
  tokens[role] ??= role === "superadmin" ? superadmin() : addMember(role).then(({ username }) => signIn(username, PASSWORD));
  return tokens[role];
}

/** Signs a visitor's browser in. */
export async function signedInAs(role, { context }) {
  await context.addCookies([{ name: "stagedoor-staff", value: await tokenOf(role), url: world().base, httpOnly: true, sameSite: "Lax" }]);
}

const PRIVATE = { status: 200, isPublic: false };

const page = (name, path, role = "superadmin") => ({
  name, ...PRIVATE, async open(visitor, lang) {
    await signedInAs(role, visitor);
    return visitor.page.goto(`${path}${path.includes("?") ? "&" : "?"}lang=${lang}`);
  },
});

/** Every kind of page, each with the way to it. */
export const STAFF_PAGES = [
  { name: "staff sign-in", ...PRIVATE, open: ({ page }, lang) => page.goto(`/staff/sign-in?lang=${lang}`) },
  page("overview", "/staff"),
  page("overview of a moderator", "/staff", "moderator"),
  page("account", "/staff/account?said=factor-off"),
  page("mails", "/staff/mails"),
  page("accounts", "/staff/users"),
  page("audit log", "/staff/audit"),
  page("audit log, nothing found", "/staff/audit?record_id=nothing"),
];
