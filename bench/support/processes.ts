/** The processes under test: started on their CPU, and asked what CPU time and memory they took. Linux only. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import path from "node:path";
import { folder, freePort, serve } from "../../test/support/servers/child.ts";
import type { Server } from "../../test/support/servers/child.ts";
import { need } from "../../test/support/servers/found.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** Ends what was started, in the opposite order. */
export class Processes {
  readonly #running: Server[] = [];
  readonly #prefix: string[];

  constructor(prefix: string[]) {
    if (!existsSync("/proc/self/stat")) throw new Error("This needs Linux: CPU time is read from /proc.");
    this.#prefix = prefix;
  }

  /** A NATS server of its own for each contender, so that its share is known. */
  async nats(): Promise<Server> {
    const port = await freePort();
    const command = need("nats-server");
    const args = ["-a", "127.0.0.1", "-p", `${port}`];
    return this.#start("nats", port, [command, ...args], {}, async () => {
      return (await greeting(port)).startsWith("INFO ");
    });
  }

  /**
   * A node process. `script` is relative to the project. It is ready when `url` answers 200, or without one when it has
   * written a line "ready".
   */
  async node(
    script: string,
    args: string[],
    env: Record<string, string>,
    ready?: { url: string; headers?: Record<string, string> },
  ): Promise<Server> {
    const command = [process.execPath, path.join(ROOT, script), ...args];
    return this.#start(path.basename(script).split(".")[0] as string, 0, command, env, async (dir) => {
      if (!ready)
        return (
          (await readFile(path.join(dir, "log"), "utf8")).match(/^ready$/m) !== null || notYet("not ready")
        );
      const answer = await fetch(ready.url, {
        headers: ready.headers ?? {},
        signal: AbortSignal.timeout(2_000),
      });
      return answer.ok || notYet(`${ready.url} answers ${answer.status}: ${await answer.text()}`);
    });
  }

  async #start(
    name: string,
    port: number,
    commandLine: string[],
    env: Record<string, string>,
    ready: (dir: string) => Promise<boolean>,
  ): Promise<Server> {
    const dir = await folder(`bench-${name}`);
    const variables = Object.entries({ DATA_DIR: path.join(dir, "data"), ...env }).map((each) =>
      each.join("="),
    );
    const [command, ...args] = [...this.#prefix, "env", ...variables, ...commandLine] as [
      string,
      ...string[],
    ];
    const url = `http://127.0.0.1:${port}`;
    const server = await serve({ command, args, dir, url, port, probe: () => ready(dir) });
    this.#running.push(server);
    return server;
  }

  /** Bounded: each is killed when it does not end within ten seconds. */
  async stop(): Promise<void> {
    for (const each of this.#running.splice(0).toReversed()) await each.stop();
  }
}

function notYet(why: string): never {
  throw new Error(why);
}

/** The first thing that a NATS server says to a client. */
async function greeting(port: number): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  try {
    const [data] = await once(socket, "data", { signal: AbortSignal.timeout(1_000) });
    return String(data);
  } finally {
    socket.destroy();
  }
}

const TICKS = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

/** CPU time that a process has taken, user and system, all threads, in microseconds (steps of 10,000). */
export function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // proc(5): the name in parentheses may hold anything; utime and stime are the 12th and 13th after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) / TICKS) * 1e6;
}

/** Resident memory of a process in MB. */
export function memoryOf(pid: number): number {
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}
