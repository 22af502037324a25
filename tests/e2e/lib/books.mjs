// What the database and the make-believe card network's books say, and time that goes by.
// Only what no page and no API shows is asked here.

import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

import { world } from "./world.mjs";

/** Jobs look every few seconds, on a machine that has other things to do. */
const SETTLED_WITHIN_MS = 40_000;

/** What statements give, a line for each row; `:'name'` stands for a value. */
export async function ask(statement, values = {}, timeout = 30_000) {
  const set = Object.entries(values).flatMap(([name, value]) => ["-v", `${name}=${value}`]);
  const running = promisify(execFile)("psql", [
    "--no-psqlrc", "-At", "-q", "-v", "ON_ERROR_STOP=1", ...set, world().superuserUrl,
  ], { timeout });
  running.child.stdin.end(statement);
  return (await running).stdout.trim();
}

/** How a reservation, its payments, their money and its mails stand. */
export async function readBooks(id) {
  return JSON.parse(await ask(`
    SELECT json_build_object(
      'reservation', r.status,
      'payment', r.payment_status,
      'attempts', (SELECT coalesce(json_agg(p.status || coalesce(' ' || p.refund_reason, '')
                                            || CASE WHEN p.refund_error IS NULL THEN '' ELSE ' stuck' END
                                            ORDER BY p.created_at), '[]')
                   FROM payments p WHERE p.reservation_id = r.id),
      'money', (SELECT coalesce(json_agg(CASE WHEN o.refunded_at IS NOT NULL THEN 'back'
                                              WHEN o.outcome IN ('decline', 'never') OR o.outcome IS NULL THEN 'none'
                                              ELSE o.amount || ' ' || o.currency END
                                         ORDER BY p.created_at), '[]')
                FROM sandbox_orders o JOIN payments p ON p.id = o.payment_id WHERE p.reservation_id = r.id),
      'mails', (SELECT coalesce(json_agg(m.kind ORDER BY m.kind), '[]')
                FROM mails m WHERE m.reservation_id = r.id))
    FROM reservations r WHERE r.id = :'id'`, { id }));
}

/** Lets a hold's time, and what waits for it, go by. */
export async function runOut(id) {
  await ask(`
    UPDATE sandbox_orders SET held_until = held_until - interval '1 hour', told_at = told_at - interval '1 hour'
    WHERE payment_id IN (SELECT id FROM payments WHERE reservation_id = :'id');
    UPDATE reservations SET expires_at = expires_at - interval '1 hour' WHERE id = :'id'`, { id });
}

/** Makes it time to ask the card network. */
export async function askNow(id) {
  await ask("UPDATE payments SET ask_at = now() AT TIME ZONE 'utc' WHERE reservation_id = :'id' AND ask_at IS NOT NULL", { id });
}

/** Puts a payment's money where it is only for a moment, or only after somebody's mistake. */
export async function putMoney(id, { status, reason = "by_customer", error = "" }) {
  await ask(`UPDATE payments SET status = :'status', refund_reason = :'reason', refund_error = nullif(:'error', ''), ask_at = NULL
             WHERE reservation_id = :'id'`, { id, status, reason, error });
}

/** Takes the provider's page away from a payment, as before it was opened. */
export async function forgetPage(id) {
  await ask("UPDATE payments SET redirect_url = NULL, provider_ref = NULL WHERE reservation_id = :'id'", { id });
}

/** What `read` gives, as soon as `isDone` likes it, and at the latest after a while: whoever asked compares. */
export async function settled(read, isDone) {
  const deadline = Date.now() + SETTLED_WITHIN_MS;
  for (;;) {
    const found = await read();
    if (isDone(found) || Date.now() > deadline) return found;
    await sleep(300);
  }
}
