// Starts and stops stagedoor's own processes: a demonstration in a temporary folder, and servers
// beside it on the same database. Every wait has an end.

import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** The first start creates a database cluster, which takes seconds on a busy machine. */
const READY_WITHIN_MS = 90_000;
/** The server gives requests under way ten seconds, then PostgreSQL shuts down. */
const STOPPED_WITHIN_MS = 30_000;

/** One running stagedoor process. */
class Server {
  constructor(name, child, logFile) {
    this.name = name;
    this.child = child;
    this.logFile = logFile;
    this.ended = new Promise((resolve) => {
      child.once("error", resolve);
      child.once("exit", resolve);
    });
  }

  hasEnded() {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Waits until `attempt` gives something; fails when the process ends first or time is up. */
  async until(what, attempt) {
    const deadline = Date.now() + READY_WITHIN_MS;
    while (Date.now() < deadline) {
      if (this.hasEnded()) throw new Error(`${this.name} ended before ${what}:\n${await this.log()}`);
      const result = await attempt().catch(() => undefined);
      if (result) return result;
      await sleep(100);
    }
    throw new Error(`${this.name}: no ${what} within ${READY_WITHIN_MS} ms:\n${await this.log()}`);
  }

  async log() {
    const text = await readFile(this.logFile, "utf8").catch(() => "");
    return text.split("\n").slice(-20).join("\n");
  }

  /** SIGINT, as Ctrl-C does; a process that doesn't go in time is killed. */
  async stop() {
    if (this.hasEnded()) return;
    this.child.kill("SIGINT");
    const inTime = await Promise.race([this.ended.then(() => true), sleep(STOPPED_WITHIN_MS, false, { ref: false })]);
    if (inTime) return;
    this.child.kill("SIGKILL");
    throw new Error(`${this.name} didn't stop within ${STOPPED_WITHIN_MS} ms and was killed`);
  }
}

/** `stagedoor demo` in `folder`; also gives what `demo.json` says. */
export async function startDemo({ binary, folder, logs }) {
  const { port, args } = await addresses();
  const server = launch("demo", { binary, folder, logs, args: ["demo", ...args] });
  try {
    const ready = () => fetchOk(`http://127.0.0.1:${port}/readyz`);
    await server.until("/readyz", ready);
    const file = path.join(folder, ".stagedoor", "demo.json");
    const description = await server.until("demo.json", async () => JSON.parse(await readFile(file, "utf8")));
    return { server, description, base: description.base_url };
  } catch (error) {
    await server.stop().catch(() => {});
    throw error;
  }
}

/** `stagedoor serve` on a database that is there already. */
export async function startServe({ name, binary, folder, logs, env }) {
  const { port, args } = await addresses();
  const base = `http://localhost:${port}`;
  const settings = { STAGEDOOR_BASE_URL: base, STAGEDOOR_RUN_MIGRATIONS: "false", ...env };
  const server = launch(name, { binary, folder, logs, args: ["serve", ...args], env: settings });
  try {
    await server.until("/readyz", () => fetchOk(`http://127.0.0.1:${port}/readyz`));
    return { server, base };
  } catch (error) {
    await server.stop().catch(() => {});
    throw error;
  }
}

function launch(name, { binary, folder, logs, args, env = {} }) {
  const logFile = path.join(logs, `${name}.log`);
  const log = openSync(logFile, "w");
  const child = spawn(binary, args, {
    cwd: folder,
    env: { ...cleanEnvironment(), ...PATIENT, STAGEDOOR_LOG: "info", ...env },
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  return new Server(name, child, logFile);
}

/** An unoptimised build on a busy machine may take seconds to log in to PostgreSQL. */
export const PATIENT = { STAGEDOOR_POOL_CONNECT_TIMEOUT: "20s" };

/** The environment without anything that configures stagedoor. */
export function cleanEnvironment() {
  const ours = ([name]) => !name.startsWith("STAGEDOOR_") && !name.startsWith("DATABASE_");
  return Object.fromEntries(Object.entries(process.env).filter(ours));
}

async function addresses() {
  const [port, metricsPort] = await freePorts(2);
  const args = ["--listen", `127.0.0.1:${port}`, "--metrics-listen", `127.0.0.1:${metricsPort}`];
  return { port, args };
}

/** Ports that nobody listened on a moment ago; held open together so that they differ. */
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => net.createServer());
  const listening = servers.map((server) => new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(server.address().port));
  }));
  const ports = await Promise.all(listening);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function fetchOk(url) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  return answer.ok;
}

/** Passes bytes to a TCP address until it is cut, like a cable between server and database. */
export async function cable(host, port) {
  const sockets = new Set();
  const server = net.createServer((near) => {
    const far = net.connect(port, host);
    for (const [socket, other] of [[near, far], [far, near]]) {
      sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    port: server.address().port,
    async cut() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
