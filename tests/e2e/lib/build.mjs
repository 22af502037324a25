// Builds the world that the tests run in: one demonstration, two servers with something special
// on the same database, and one browser.

import { access, chmod, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

import { launchBrowser } from "./browser.mjs";
import { cable, startDemo, startServe } from "./server.mjs";
import { HASTY_HOLD_MS } from "./world.mjs";

const here = path.dirname(path.dirname(new URL(import.meta.url).pathname));

/** Starts everything; `stop` of what it gives ends and removes everything again. */
export async function buildWorld({ withOthers = true } = {}) {
  const binary = path.resolve(process.env.STAGEDOOR_TEST_BINARY ?? path.join(here, "../../target/debug/stagedoor"));
  await access(binary).catch(() => {
    throw new Error(`${binary} isn't there; build it, or name it in STAGEDOOR_TEST_BINARY`);
  });
  const logs = path.join(here, "out");
  await mkdir(logs, { recursive: true });
  const folder = await mkdtemp(path.join(os.tmpdir(), "stagedoor-e2e-"));
  // PostgreSQL runs as another user when root starts it, and must get through to its files.
  await chmod(folder, 0o711);
  const undo = [() => rm(folder, { recursive: true, force: true, maxRetries: 5 })];
  const stop = async () => {
    const failures = [];
    for (const step of undo.reverse()) await step().catch((error) => failures.push(error));
    undo.length = 0;
    if (failures.length) throw new AggregateError(failures, failures.map(String).join("\n"));
  };
  try {
    const at = { binary, folder, logs };
    const demo = await startDemo(at);
    undo.push(() => stopDemo(demo));
    const { admin, app_database_url: databaseUrl, owner_database_url: ownerUrl, database_url: superuserUrl } = demo.description;
    const world = { base: demo.base, pid: demo.server.child.pid, binary, admin, databaseUrl, ownerUrl, superuserUrl };
    if (withOthers) {
      const { hasty, adrift } = await startOthers(at, world, undo);
      Object.assign(world, { hasty, adrift });
    }
    const browser = await launchBrowser();
    undo.push(() => browser.close());
    world.browser = browser.wsEndpoint();
    return { world, stop };
  } catch (error) {
    await stop().catch((second) => console.error(second));
    throw error;
  }
}

/** One that holds tickets for seconds only, and one whose database is gone. */
async function startOthers(at, { base, databaseUrl }, undo) {
  // Any of them may do a job, and what it writes into mails and payments must lead to the same shop.
  const shared = { STAGEDOOR_BASE_URL: base };
  const hasty = await startServe({
    ...at, name: "hasty", env: { ...shared, DATABASE_URL: databaseUrl, STAGEDOOR_HOLD_TTL: `${HASTY_HOLD_MS / 1000}s` },
  });
  undo.push(() => hasty.server.stop());
  const far = new URL(databaseUrl);
  const line = await cable(far.hostname, Number(far.port));
  const near = databaseUrl.replace(`:${far.port}/`, `:${line.port}/`);
  let adrift;
  try {
    adrift = await startServe({ ...at, name: "adrift", env: { ...shared, DATABASE_URL: near } });
    undo.push(() => adrift.server.stop());
  } finally {
    await line.cut();
  }
  return { hasty: hasty.base, adrift: adrift.base };
}

/** A demonstration that had to be killed leaves its PostgreSQL behind: that ends, too. */
async function stopDemo(demo) {
  try {
    await demo.server.stop();
  } finally {
    const pidFile = path.join(demo.description.data_folder, "postmaster.pid");
    const pid = Number((await readFile(pidFile, "utf8").catch(() => "")).split("\n")[0]);
    if (pid > 0) process.kill(pid, "SIGQUIT");
  }
}
