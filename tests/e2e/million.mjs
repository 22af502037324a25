// Measures every page for staff, their searches and exports with very many reservations behind them.
//   STAGEDOOR_TEST_BINARY=…/release/stagedoor npm run million -- [reservations] [times]
// With `stay` behind that it stays up until Ctrl-C and prints the world for another run beside it,
// which measures the same again: STAGEDOOR_E2E_WORLD='…' npm run million -- 0 20 [kinds of pages]

import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

import { buildWorld } from "./lib/build.mjs";
import { cleanEnvironment } from "./lib/server.mjs";
import { ask } from "./lib/books.mjs";
import { tokenOf } from "./lib/staff.mjs";

const [RESERVATIONS, TIMES, ONLY] = [Number(process.argv[2] ?? 1_000_000), Number(process.argv[3] ?? 20), process.argv[4] ?? ""];
const STAY = ONLY === "stay";
const LIMIT_MS = 200;
/** One concert fills a stadium; the others share the rest. */
const STADIUM = Math.min(60_000, Math.floor(RESERVATIONS / 10));
const PER_CONCERT = 2_000;

const round = (value) => Math.round(value * 10) / 10;
const percentile = (values, share) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];
const pick = (values) => values[Math.floor(Math.random() * values.length)];

function seed({ binary, ownerUrl }, concerts, reservations) {
  return new Promise((resolve, reject) => {
    const child = spawn(binary, ["seed", "--concerts", concerts, "--reservations", reservations].map(String), {
      env: { ...cleanEnvironment(), STAGEDOOR_LOG: "warn", DATABASE_OWNER_URL: ownerUrl }, stdio: ["ignore", "ignore", "inherit"],
    });
    child.once("error", reject);
    child.once("close", (code) => (code === 0 ? resolve() : reject(new Error(`seed ended with ${code}`))));
  });
}

/** What a year of sales leaves beside the reservations: payments, mails, tickets, and the audit log. */
const PLANT = `
  SET session_replication_role = replica;
  INSERT INTO payments (id, reservation_id, provider, amount, currency, status, language, provider_ref, provider_money, created_at, updated_at, ask_at, refund_error)
    SELECT 'PAY' || substr(id, 4), id, 'sandbox', greatest(total_price, 1), 'THB',
           CASE payment_status WHEN 'refunded' THEN 'refunded' WHEN 'failed' THEN 'failed' WHEN 'completed' THEN 'completed' ELSE 'pending' END,
           'en', 'ref-' || id, CASE WHEN payment_status IN ('completed', 'refunded') THEN 'money-' || id END, created_at, updated_at,
           CASE WHEN payment_status = 'pending' THEN now() + interval '1 day' END, NULL
    FROM (SELECT id, total_price, status, created_at, updated_at,
                 CASE WHEN status <> 'pending' AND payment_status = 'pending' THEN 'failed' ELSE payment_status END AS payment_status
          FROM reservations) r
    WHERE status <> 'expired' OR payment_status = 'failed';
  UPDATE payments SET provider = 'manual' WHERE status = 'completed' AND id LIKE '%7';
  UPDATE concerts SET total_tickets = total_tickets - available_tickets, available_tickets = 0 WHERE id % 3 = 0 AND total_tickets > available_tickets;
  UPDATE payments SET status = 'refunding', refund_error = 'the provider has no balance' WHERE id IN (SELECT id FROM payments WHERE status = 'refunded' LIMIT 40);
  INSERT INTO mails (id, kind, language, recipient, reservation_id, message_id, status, sent_at, created_at, updated_at)
    SELECT 'MAIL' || substr(id, 4), status, 'en', customer_email, id, id || '@example.com', 'sent', updated_at, updated_at, updated_at
    FROM reservations WHERE status IN ('confirmed', 'cancelled');
  INSERT INTO tickets (reservation_id, concert_id, number, code, created_at, updated_at)
    SELECT id, concert_id, n, translate(upper(substr(md5(id || n), 1, 12)), 'ILOU', '0000'), updated_at, updated_at
    FROM reservations, generate_series(1, quantity) n WHERE status = 'confirmed';
  INSERT INTO audit_logs (action, table_name, record_id, new_values, ip_address, created_at, actor_kind)
    SELECT 'CREATE', 'reservations', id, to_jsonb(r) - 'deleted_at', client_ip, created_at, 'customer'
    FROM (SELECT * FROM reservations ORDER BY created_at) r;
  INSERT INTO audit_logs (user_id, action, table_name, record_id, old_values, new_values, created_at, actor_kind)
    SELECT CASE WHEN quantity = 4 THEN (SELECT min(id) FROM admin_users) END, 'UPDATE', 'reservations', id,
           jsonb_build_object('status', 'pending'), jsonb_build_object('status', status), updated_at, CASE WHEN quantity = 4 THEN 'staff' ELSE 'job' END
    FROM (SELECT * FROM reservations WHERE status <> 'pending' ORDER BY updated_at) r;
  DELETE FROM sales_changes;
  RESET session_replication_role;
  VACUUM ANALYZE;`;

async function plant(world) {
  console.log(`making ${RESERVATIONS} reservations`);
  await seed(world, Math.ceil((RESERVATIONS - STADIUM) / PER_CONCERT), RESERVATIONS - STADIUM);
  await seed(world, 1, STADIUM);
  console.log("making payments, mails, tickets and the log");
  await ask(PLANT, {}, 1_800_000);
  console.log("waiting until old days are summed");
  while ((await ask("SELECT coalesce(max(to_at) < now() AT TIME ZONE 'utc' - interval '2 days', true) FROM sales_days")) === "t") await sleep(1_000);
}

/** Each kind of page with a way to make up the next address of it. */
async function addresses() {
  const lines = async (query) => (await ask(query)).split("\n").filter(Boolean);
  const ids = await lines("SELECT id FROM reservations TABLESAMPLE SYSTEM (1) LIMIT 500");
  const emails = await lines("SELECT customer_email FROM reservations TABLESAMPLE SYSTEM (1) LIMIT 500");
  const names = await lines("SELECT DISTINCT customer_name FROM reservations TABLESAMPLE SYSTEM (1) LIMIT 200");
  const concerts = await lines("SELECT id FROM concerts WHERE deleted_at IS NULL ORDER BY random() LIMIT 200");
  const open = await lines("SELECT id FROM concerts WHERE deleted_at IS NULL AND status <> 'archived'");
  const [stadium] = await lines("SELECT concert_id FROM reservations GROUP BY 1 ORDER BY count(*) DESC LIMIT 1");
  const [year, month, day] = await lines("SELECT (current_date - n)::text FROM unnest('{364,29,1}'::int[]) n");
  const [today] = await lines("SELECT current_date::text");
  const deep = await cursors("/staff/reservations?", 30);
  const found = (query) => `/staff/reservations?${new URLSearchParams(query)}`;
  return {
    "overview": () => "/staff",
    "concerts": () => "/staff/concerts",
    "concerts, searched": () => `/staff/concerts?q=${pick(names).split(" ")[0]}`,
    "concerts, searched, none": () => "/staff/concerts?q=nothing+at+all",
    "concerts, filtered": () => `/staff/concerts?status=archived&from=${year}&to=${month}`,
    "concert": () => `/staff/concerts/${pick(concerts)}`,
    "concert, stadium": () => `/staff/concerts/${stadium}`,
    "concert, edit": () => `/staff/concerts/${pick(open)}/edit`,
    "concert, cancel": () => `/staff/concerts/${pick(open)}/cancel`,
    "concert, cancel, stadium": () => `/staff/concerts/${stadium}/cancel`,
    "live view": () => `/staff/concerts/${pick(concerts)}/live`,
    "live view, stadium": () => `/staff/concerts/${stadium}/live`,
    "reservations": () => "/staff/reservations",
    "reservations, 30 pages on": () => deep,
    "reservations by status": () => found({ status: pick(["pending", "confirmed", "expired", "cancelled"]) }),
    "reservations by concert": () => found({ concert_id: pick(concerts) }),
    "reservations by concert and status": () => found({ concert_id: stadium, status: pick(["pending", "confirmed", "expired", "cancelled"]) }),
    "reservations by day": () => found({ from: month, to: month }),
    "search by whole address": () => found({ q: pick(emails) }),
    "search by part of an address": () => found({ q: pick(emails).slice(2, -4) }),
    "search by full name": () => found({ q: pick(names) }),
    "search by first name": () => found({ q: pick(names).split(" ")[0] }),
    "search by what all have": () => found({ q: "example" }),
    "search by number of nobody": () => found({ q: `${Math.floor(Math.random() * 1e9)}@nowhere` }),
    "search by nobody's name": () => found({ q: "Anong Zz" }),
    "search by id": () => found({ q: pick(ids) }),
    "search by beginning of an id": () => found({ q: pick(ids).slice(0, 14) }),
    "search by two letters": () => found({ q: pick(["zz", "an", "ö"]) }),
    "search within a concert": () => found({ q: pick(names), concert_id: stadium }),
    "search within a status": () => found({ q: pick(names).split(" ")[1], status: "cancelled" }),
    "search within days": () => found({ q: pick(names), from: month, to: today }),
    "search within one old day": () => found({ q: pick(names), from: year, to: year }),
    "reservation": () => `/staff/reservations/${pick(ids)}`,
    "refunds that stand open": () => "/staff/refunds",
    "mails": () => `/staff/mails?status=${pick(["", "sent", "dead", "pending"])}`,
    "accounts": () => "/staff/users",
    "audit log": () => "/staff/audit",
    "audit log by table": () => `/staff/audit?table_name=${pick(["reservations", "concerts", "admin_users"])}`,
    "audit log by record": () => `/staff/audit?record_id=${pick(ids)}`,
    "audit log by action": () => `/staff/audit?action=${pick(["CREATE", "UPDATE", "DELETE", "EXPORT"])}`,
    "audit log by member": () => "/staff/audit?user_id=1",
    "audit log by day": () => `/staff/audit?from=${month}&to=${month}`,
    "report, 30 days": () => "/staff/reports",
    "report, one day": () => `/staff/reports?from=${day}&to=${day}`,
    "report, a year": () => `/staff/reports?from=${year}&to=${today}`,
    "report, a concert": () => `/staff/reports?concert_id=${pick(concerts)}`,
    "report, stadium, a year": () => `/staff/reports?concert_id=${stadium}&from=${year}&to=${today}`,
    "account": () => "/staff/account",
    "new concert": () => "/staff/concerts/new",
    "import": () => "/staff/concerts/import",
  };
}

let base;
let token;

async function get(path) {
  const begun = performance.now();
  const response = await fetch(`${base}${path}`, { headers: { cookie: `stagedoor-staff=${token}` }, redirect: "manual", signal: AbortSignal.timeout(120_000) });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${path} was answered with ${response.status}`);
  return { text, ms: performance.now() - begun };
}

/** The address of a list's page so many pages on. */
async function cursors(first, pages) {
  let path = `/staff/reservations?${first.split("?")[1]}`;
  for (let number = 0; number < pages; number += 1) {
    const { text } = await get(path);
    const next = /href="([^"]*[?&;]cursor=[^"]*)"[^>]*rel="next"|rel="next"[^>]*href="([^"]*)"/.exec(text);
    if (!next) throw new Error(`${path} has no next page`);
    path = (next[1] ?? next[2]).replaceAll("&amp;", "&");
    if (path.startsWith("?")) path = `/staff/reservations${path}`;
  }
  return path;
}

async function pages() {
  const kinds = await addresses();
  const slow = [];
  for (const [name, next] of Object.entries(kinds).filter(([kind]) => kind.includes(ONLY))) {
    const [took, worst] = [[], { ms: 0 }];
    for (let number = 0; number < TIMES; number += 1) {
      const path = next();
      const { ms } = await get(path);
      took.push(ms);
      if (ms > worst.ms) Object.assign(worst, { ms, path });
    }
    const p95 = percentile(took, 0.95);
    if (p95 >= LIMIT_MS) slow.push(name);
    console.log(`${name.padEnd(38)} p50 ${String(round(percentile(took, 0.5))).padStart(7)}  p95 ${String(round(p95)).padStart(7)} ms${p95 >= LIMIT_MS ? `  worst ${worst.path}` : ""}`);
  }
  return { kinds: Object.keys(kinds).length, slow };
}

/** What the server keeps in memory, in MiB; Linux says so. */
async function resident(pid) {
  const text = await readFile(`/proc/${pid}/status`, "utf8");
  const figure = (name) => Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(text)?.[1] ?? 0) / 1024);
  return { now: figure("VmRSS"), anonymous: figure("RssAnon") };
}

/** Takes a whole file away, looking at the server's memory meanwhile. */
async function take(path, pid) {
  const before = await resident(pid);
  const [begun, most] = [performance.now(), { ...before }];
  const look = setInterval(async () => {
    const seen = await resident(pid);
    most.now = Math.max(most.now, seen.now);
    most.anonymous = Math.max(most.anonymous, seen.anonymous);
  }, 100);
  let [bytes, lines, first] = [0, 0, 0];
  try {
    const response = await fetch(`${base}${path}`, { headers: { cookie: `stagedoor-staff=${token}` }, signal: AbortSignal.timeout(900_000) });
    if (!response.ok) throw new Error(`${path} was answered with ${response.status}`);
    for await (const part of response.body) {
      first ||= performance.now() - begun;
      bytes += part.length;
      for (const byte of part) if (byte === 10) lines += 1;
    }
  } finally {
    clearInterval(look);
  }
  console.log(`${path.padEnd(48)} ${round((performance.now() - begun) / 1000)} s, first byte after ${round(first)} ms, ${round(bytes / 1e6)} MB, ${path.includes("csv") ? `${lines} lines, ` : ""}memory ${before.anonymous} -> at most ${most.anonymous} MiB (with files ${before.now} -> ${most.now})`);
}

async function measure(world) {
  base = world.base;
  token = await tokenOf("superadmin");
  const counts = await ask("SELECT format('%s reservations, %s concerts, %s payments, %s mails, %s tickets, %s rows of the audit log', (SELECT count(*) FROM reservations), (SELECT count(*) FROM concerts), (SELECT count(*) FROM payments), (SELECT count(*) FROM mails), (SELECT count(*) FROM tickets), (SELECT count(*) FROM audit_logs))");
  console.log(counts.trim());
  const { kinds, slow } = await pages();
  console.log(`${kinds} kinds of pages, ${TIMES} times each; over ${LIMIT_MS} ms: ${slow.length ? slow.join(", ") : "none"}`);
  if (ONLY) return;
  for (const [table, format] of [["concerts", "csv"], ["reservations", "csv"], ["reservations", "xlsx"], ["audit-logs", "csv"], ["audit-logs", "xlsx"]]) {
    await take(`/staff/exports/${table}.${format}`, world.pid);
  }
}

if (process.env.STAGEDOOR_E2E_WORLD) {
  await measure(JSON.parse(process.env.STAGEDOOR_E2E_WORLD));
} else {
  const { world, stop } = await buildWorld({ withOthers: false });
  process.env.STAGEDOOR_E2E_WORLD = JSON.stringify(world);
  try {
    await plant(world);
    if (STAY) {
      console.log(`STAGEDOOR_E2E_WORLD='${JSON.stringify(world)}'`);
      await new Promise((resolve) => process.once("SIGINT", resolve));
    } else {
      await measure(world);
    }
  } finally {
    await stop();
  }
}
