// Builds the tests' world, runs the test files in it and takes it down again, whatever happens.
//   node run.mjs            all tests, Lighthouse last and alone, so that nothing disturbs it
//   node run.mjs booking    the files whose name contains the word
//   node run.mjs pages --test-name-pattern=sandbox    and of these the tests that node's option chooses

import { spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import path from "node:path";

import { buildWorld } from "./lib/build.mjs";

/** More than this at once only makes pages wait for each other. */
const FILES_AT_ONCE = 3;
/** The longest that one file may take; all of them together take a few minutes, and more on a busy machine. */
const FILE_WITHIN_MS = 600_000;
const MEASURING = "lighthouse.test.mjs";

const folder = path.dirname(new URL(import.meta.url).pathname);
const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.once(signal, () => stopping.abort(new Error(signal)));
}

async function main() {
  const words = process.argv.slice(2).filter((word) => !word.startsWith("--"));
  const names = (await readdir(folder)).filter((name) => name.endsWith(".test.mjs")).sort();
  const wanted = names.filter((name) => !words.length || words.some((word) => name.includes(word)));
  if (!wanted.length) throw new Error(`no test file is called ${words.join(" or ")}; there are ${names.join(", ")}`);
  const { world, stop } = await buildWorld();
  process.env.STAGEDOOR_E2E_WORLD = JSON.stringify(world);
  try {
    if (stopping.signal.aborted) return false;
    const first = wanted.filter((name) => name !== MEASURING);
    const passed = !first.length || (await runTests(first));
    const measured = !wanted.includes(MEASURING) || stopping.signal.aborted || (await runTests([MEASURING]));
    return passed && measured && !stopping.signal.aborted;
  } finally {
    await stop();
  }
}

function runTests(names) {
  const options = [
    "--test", "--test-reporter=spec", `--test-concurrency=${FILES_AT_ONCE}`, `--test-timeout=${FILE_WITHIN_MS}`,
    ...process.argv.slice(2).filter((word) => word.startsWith("--")),
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...options, ...names], { cwd: folder, stdio: ["ignore", "inherit", "inherit"] });
    stopping.signal.addEventListener("abort", () => child.kill("SIGTERM"));
    child.once("error", reject);
    child.once("close", (code) => resolve(code === 0));
  });
}

process.exitCode = await main().then((passed) => (passed ? 0 : 1), (error) => {
  console.error(error.message);
  return 1;
});
