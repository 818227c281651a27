/** Nodes of the real entry point as child processes. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const ROOT = path.join(import.meta.dirname, "..", "..");
const START_LIMIT = 120_000;

export interface ClusterNode {
  domain: string;
  pid: number;
  /** Of the public gateway. */
  url: string;
  /** Of the admin gateway. */
  adminUrl: string;
  health: string;
  /** What it has printed. */
  log: string[];
  exited: Promise<number | null>;
  kill(signal?: NodeJS.Signals): void;
}

/**
 * Starts `scripts/node.ts` (or another script) for a domain, or several with spaces between; with an empty `domain` all
 * of them.
 * @param before words of a command that runs it (`prlimit …`)
 */
export function launch(
  script: string,
  domain: string,
  env: Record<string, string>,
  before: string[] = [],
): ClusterNode {
  const domains = domain.split(" ").filter(Boolean);
  const [command, ...args] = [...before, process.execPath, script, ...domains] as [string, ...string[]];
  const child = spawn(command, args, {
    cwd: ROOT,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const node: ClusterNode = {
    domain,
    pid: child.pid as number,
    url: "",
    adminUrl: "",
    health: "",
    log: [],
    exited: new Promise((resolve) => child.once("exit", resolve)),
    kill: (signal = "SIGKILL") => void child.kill(signal),
  };
  follow(child, node);
  return node;
}

function follow(child: ChildProcess, node: ClusterNode): void {
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream as NodeJS.ReadableStream }).on("line", (line) => {
      const place = /^ {2}(API|Admin|Health) +(\S+)/.exec(line);
      if (place?.[1] === "API") node.url = place[2] as string;
      if (place?.[1] === "Admin") node.adminUrl = place[2] as string;
      if (place?.[1] === "Health") node.health = place[2] as string;
      node.log.push(line);
    });
}

/** Waits until the node is ready; fails with the end of its log when it ends first. */
export async function ready(node: ClusterNode): Promise<void> {
  let gone = false;
  void node.exited.then(() => (gone = true));
  for (const end = Date.now() + START_LIMIT; Date.now() < end; await sleep(50)) {
    if (gone)
      throw new Error(
        `The ${node.domain} node ended before it was ready:\n${node.log.slice(-20).join("\n")}`,
      );
    if (node.health && (await isReady(node))) return;
  }
  throw new Error(`The ${node.domain} node was not ready in time:\n${node.log.slice(-20).join("\n")}`);
}

/** Whether a balancer would send requests to the node. */
export async function isReady(node: ClusterNode): Promise<boolean> {
  return fetch(node.health, { signal: AbortSignal.timeout(1_000) }).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** Runs a script to its end; fails with its output. */
export async function run(args: string[], env: Record<string, string>): Promise<void> {
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data: Buffer) => (output += data.toString()));
  const code = await new Promise((resolve) => child.once("exit", resolve));
  if (code !== 0) throw new Error(`${args.join(" ")} failed:\n${output}`);
}
