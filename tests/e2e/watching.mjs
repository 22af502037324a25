// Measures whether staff who watch a sale, and one of them who edits another concert, slow the sale,
// and whether the sale slows them: the same rush alone and watched, by turns.
//   STAGEDOOR_TEST_BINARY=…/release/stagedoor npm run watching -- [rounds] [buyers] [watchers]

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { buildWorld } from "./lib/build.mjs";
import { cleanEnvironment, startServe } from "./lib/server.mjs";
import { addMember, PASSWORD } from "./lib/staff.mjs";
import { addConcert } from "./lib/world.mjs";

const [ROUNDS = 5, BUYERS = 8_000, WATCHERS = 20] = process.argv.slice(2).map(Number);
const CONCURRENCY = 128;
/** An editor who saves far more often than anybody types. */
const EDIT_EVERY_MS = 250;
/** Edits without a rush, to compare with. */
const CALM_MS = 6_000;

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const percentile = (values, share) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];
const round = (value) => (Number.isFinite(value) ? Math.round(value * 10) / 10 : value);

/** Follows a sale's stream until it is stopped; gives how many events came and the longest silence. */
async function watch(base, token, concert, stop) {
  const response = await fetch(`${base}/staff/concerts/${concert.id}/live/events`, { headers: { cookie: `stagedoor-staff=${token}` }, signal: stop });
  if (!response.ok) throw new Error(`watching was refused with ${response.status}`);
  let [events, longest, last] = [0, 0, performance.now()];
  try {
    for await (const _ of response.body) {
      const now = performance.now();
      [events, longest, last] = [events + 1, Math.max(longest, now - last), now];
    }
  } catch (error) {
    if (!stop.aborted) throw error;
  }
  return { events, longest };
}

/** Edits a concert again and again until it is stopped; gives how long each edit took. */
async function edit(base, token, concert, stop) {
  const took = [];
  while (!stop.aborted) {
    const begun = performance.now();
    const response = await fetch(`${base}/api/v1/admin/concerts/${concert.id}`, {
      method: "PATCH", headers: { authorization: `Bearer ${token}`, "content-type": "application/json", "if-match": "*" },
      body: JSON.stringify({ description: `Edited ${took.length} at ${begun}` }),
    });
    if (!response.ok) throw new Error(`editing was refused with ${response.status}: ${await response.text()}`);
    await response.arrayBuffer();
    took.push(performance.now() - begun);
    await sleep(EDIT_EVERY_MS);
  }
  return took;
}

function rush({ binary, databaseUrl }, base, concert) {
  return new Promise((resolve, reject) => {
    const args = ["rush", "--url", base, "--concert", concert.id, "--buyers", BUYERS, "--concurrency", CONCURRENCY, "--json"];
    const child = spawn(binary, args.map(String), { env: { ...cleanEnvironment(), STAGEDOOR_LOG: "warn", DATABASE_URL: databaseUrl } });
    let said = "";
    let complained = "";
    child.stdout.on("data", (data) => (said += data));
    child.stderr.on("data", (data) => (complained += data));
    child.once("error", reject);
    child.once("close", (code) => (code === 0 ? resolve(JSON.parse(said)) : reject(new Error(`rush ended with ${code}: ${said}${complained}`))));
  });
}

async function measure(world, base, { token, other, watchers }) {
  const concert = await addConcert({ total_tickets: Math.ceil(BUYERS / 2), name: "Rushed At" });
  const stop = new AbortController();
  const watching = Array.from({ length: watchers }, () => watch(base, token, concert, stop.signal));
  const editing = watchers ? edit(base, token, other, stop.signal) : Promise.resolve([]);
  await sleep(1_000);
  const result = await rush(world, base, concert);
  stop.abort();
  const seen = await Promise.all(watching);
  return { ...result, seen, edits: await editing };
}

const { world, stop } = await buildWorld({ withOthers: false });
process.env.STAGEDOOR_E2E_WORLD = JSON.stringify(world);
const folder = await mkdtemp(path.join(os.tmpdir(), "stagedoor-watching-"));
let served;
try {
  served = await startServe({
    name: "rushed", binary: world.binary, folder, logs: path.join(path.dirname(new URL(import.meta.url).pathname), "out"),
    env: { DATABASE_URL: world.databaseUrl, STAGEDOOR_BASE_URL: world.base, STAGEDOOR_RATE_LIMIT: "off", STAGEDOOR_LOG: "warn" },
  });
  const { base } = served;
  const member = await addMember("admin");
  const signedIn = await fetch(`${base}/api/v1/admin/sessions`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ username: member.username, password: PASSWORD }),
  });
  const { token } = await signedIn.json();
  const other = await addConcert({ name: "Edited Meanwhile" });
  const calm = await edit(base, token, other, AbortSignal.timeout(CALM_MS));
  const runs = { alone: [], watched: [] };
  for (let number = 0; number < ROUNDS; number += 1) {
    const turns = number % 2 ? ["watched", "alone"] : ["alone", "watched"];
    for (const turn of turns) {
      const run = await measure(world, base, { token, other, watchers: turn === "watched" ? WATCHERS : 0 });
      runs[turn].push(run);
      console.log(`${turn}: ${round(run.per_second)} a second, p50 ${round(run.p50_ms)} ms, p95 ${round(run.p95_ms)} ms, p99 ${round(run.p99_ms)} ms, ok ${run.ok}`);
    }
  }
  const told = (turn) => Object.fromEntries(["per_second", "p50_ms", "p95_ms", "p99_ms"].map((name) => [name, round(median(runs[turn].map((run) => run[name])))]));
  const edits = runs.watched.flatMap((run) => run.edits);
  const seen = runs.watched.flatMap((run) => run.seen);
  console.log(JSON.stringify({
    buyers: BUYERS, rounds: ROUNDS, watchers: WATCHERS, alone: told("alone"), watched: told("watched"),
    edit_alone_ms: { count: calm.length, p50: round(percentile(calm, 0.5)), p95: round(percentile(calm, 0.95)) },
    edit_in_rush_ms: { count: edits.length, p50: round(percentile(edits, 0.5)), p95: round(percentile(edits, 0.95)), max: round(Math.max(...edits)) },
    longest_silence_of_a_stream_ms: round(Math.max(...seen.map((one) => one.longest))),
  }, null, 2));
} finally {
  await served?.server.stop();
  await stop();
  await rm(folder, { recursive: true, force: true });
}
