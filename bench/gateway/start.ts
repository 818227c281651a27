/** How long a start takes, and what the federation and a node of it hold when they are idle. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../test/support/servers/child.ts";
import { memoryOf } from "../support/processes.ts";
import type { Processes } from "../support/processes.ts";
import { KEYS, OURS } from "./contenders.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const START_LIMIT_MS = 60_000;
const POLL_MS = 10;
const IDLE_MS = 10_000;

/** Milliseconds from `npm start`, on an empty data folder, until it is ready. */
export async function timeToReady(): Promise<number> {
  const dir = await mkdtemp(path.join(tmpdir(), "club-alliance-bench-start-"));
  const health = await freePort();
  const env = {
    ...process.env,
    PORT: "0",
    ADMIN_PORT: "0",
    HEALTH_PORT: `${health}`,
    DATA_DIR: dir,
    LOG_FORMAT: "json",
  };
  const begin = performance.now();
  const npm = spawn("npm", ["start"], { cwd: ROOT, env, stdio: "ignore" });
  // npm does not take its child with it when it is killed.
  const kill = (): void => {
    for (const pid of withChildren(npm.pid as number)) end(pid, "SIGKILL");
  };
  process.once("exit", kill);
  try {
    while (!(await answers(`http://127.0.0.1:${health}/health/ready`))) {
      if (npm.exitCode !== null)
        throw new Error(`The start: npm start ended with ${npm.exitCode}; run it to see why.`);
      if (performance.now() - begin > START_LIMIT_MS)
        throw new Error("The start: npm start was not ready in a minute.");
      await sleep(POLL_MS);
    }
    return performance.now() - begin;
  } finally {
    const pids = withChildren(npm.pid as number);
    for (const pid of pids) end(pid, "SIGTERM");
    for (let waited = 0; waited < 10_000 && pids.some(runs); waited += 50) await sleep(50);
    kill();
    process.removeListener("exit", kill);
    await rm(dir, { recursive: true, force: true });
  }
}

/** Resident memory (MB) of the whole federation in one process, ten seconds after it was ready. */
export function idleFederation(processes: Processes): Promise<number> {
  return idle(processes, [], OURS, "ready");
}

/** The same of a node of one domain, joined by NATS, which alone may wait for others to be ready. */
export async function idleNode(processes: Processes, domain: string): Promise<number> {
  const nats = await processes.nats();
  const variable = { users: "JWT_KEYS", admin: "ADMIN_JWT_KEYS" }[domain];
  const keys: Record<string, string> = variable ? { [variable]: KEYS } : {};
  return idle(
    processes,
    [domain],
    { ...OURS, ...keys, NATS_URL: nats.url.replace("http:", "nats:") },
    "live",
  );
}

async function idle(
  processes: Processes,
  domains: string[],
  env: Record<string, string>,
  state: "live" | "ready",
): Promise<number> {
  const health = await freePort();
  const url = `http://127.0.0.1:${health}/health/${state}`;
  const { pid } = await processes.node(
    "scripts/node.ts",
    domains,
    { ...env, PORT: "0", ADMIN_PORT: "0", HEALTH_PORT: `${health}` },
    { url },
  );
  await sleep(IDLE_MS);
  return memoryOf(pid);
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(1_000) })).ok;
  } catch {
    return false;
  }
}

/** A process and what descends from it. */
function withChildren(pid: number): number[] {
  const parents = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => [Number(name), parentOf(name)] as const);
  const family = [pid];
  for (const each of family) for (const [child, parent] of parents) if (parent === each) family.push(child);
  return family.filter(runs);
}

function parentOf(pid: string): number {
  try {
    return Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  } catch {
    return 0;
  }
}

function runs(pid: number): boolean {
  return end(pid, 0);
}

function end(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
