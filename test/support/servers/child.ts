import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { once } from "node:events";
import { connect, createServer, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A real server. It dies with the process that started it, whatever that one dies of. */
export interface Server {
  readonly url: string;
  readonly port: number;
  /** NaN for a server that the environment gave. */
  readonly pid: number;
  /** Ends it for good, gently, and removes its data. May be called twice. */
  stop: () => Promise<void>;
  /** SIGKILL; returns when it is dead. Its data stays for restart(). */
  kill: () => Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers. */
  pause: () => void;
  resume: () => void;
  /** Ends it gently if it runs, and starts it on the same port and data; returns when it answers. */
  restart: () => Promise<void>;
}

/** How a kind of server is run. */
export interface Plan {
  command: string;
  args: string[];
  /** Its own folder, from folder(). */
  dir: string;
  url: string;
  port: number;
  /** Over the environment of the tests. */
  env?: Record<string, string>;
  /** Milliseconds it may take until it answers, where 20 s are not enough. */
  startLimit?: number;
  /** Rejects while nothing answers; then says whether what answers is the process with this pid in this folder. */
  probe: (pid: number) => Promise<boolean>;
}

/** Milliseconds; less than a test's time, so that a test reports what the server says and not its own timeout. */
const startLimit = 20_000;
const stopLimit = 10_000;

/** A folder for one server: everything it writes, and its log. */
export const folder = (name: string) => mkdtemp(join(tmpdir(), `club-alliance-${name}-`));

/** Ports that were given to servers of this process, which may not listen yet. */
const given = new Set<number>();

/**
 * A free port on 127.0.0.1, each once. It is below the range of outgoing connections (from 32768 on Linux, 49152
 * elsewhere):
 * else, while a server is down, a client that keeps trying may be given that very port and connect to itself.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(10_000, 32_000);
    if (given.has(port)) continue;
    given.add(port);
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer().once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error("no free port among a hundred between 10000 and 32000: end what occupies them");
}

/** A probe for servers that say nothing of themselves: somebody listens. Rejects while nobody does. */
export async function connects(port: number): Promise<true> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(1000) });
    return true;
  } finally {
    socket.destroy();
  }
}

/** Starts a server in its folder and waits until it answers. Throws with the end of its log when it does not. */
export async function serve(plan: Plan): Promise<Server> {
  let stopped = false;
  let child = await start(plan).catch(async (error: unknown) => {
    await rm(plan.dir, { recursive: true, force: true });
    throw error;
  });
  const signal = (name: "SIGSTOP" | "SIGCONT") => {
    if (!child.kill(name)) throw new Error(`${plan.command} does not run: restart() it first`);
  };
  return {
    url: plan.url,
    port: plan.port,
    get pid() {
      return child.pid ?? NaN;
    },
    async stop() {
      stopped = true;
      await end(child);
      await rm(plan.dir, { recursive: true, force: true });
    },
    kill: () => kill(child),
    pause: () => signal("SIGSTOP"),
    resume: () => signal("SIGCONT"),
    async restart() {
      if (stopped) throw new Error(`${plan.command} was stopped for good: start another, or use kill()`);
      await end(child);
      child = await start(plan);
    },
  };
}

/** A server that the environment gave: it can be used, but is not ours to end. */
export function borrowed(url: URL, defaultPort: number): Server {
  const refuse = () =>
    new Error(`${url.host} was not started by the tests and is not theirs to end: install one`);
  const refused = () => Promise.reject(refuse());
  const refusing = () => {
    throw refuse();
  };
  return {
    url: url.href,
    port: Number(url.port || defaultPort),
    pid: NaN,
    stop: () => Promise.resolve(),
    kill: refused,
    pause: refusing,
    resume: refusing,
    restart: refused,
  };
}

/** Runs a command to its end in a server's folder. Throws with the end of its log when it fails. */
export async function run(dir: string, command: string, args: string[]): Promise<void> {
  const child = launch(dir, command, args, {});
  if (!(await ended(child, startLimit))) await kill(child);
  if (child.exitCode !== 0) throw await failure(dir, command, exit(child));
}

async function start({ dir, command, args, port, env, probe, ...plan }: Plan): Promise<ChildProcess> {
  const child = launch(dir, command, args, env ?? {});
  const wait = plan.startLimit ?? startLimit;
  const limit = Date.now() + wait;
  let problem = "did not answer in time";
  while (Date.now() < limit && !over(child)) {
    try {
      if (await probe(child.pid ?? NaN)) return child;
      problem = `is not what answers on port ${port}`;
      break;
    } catch (error) {
      problem = `did not answer in ${wait} ms (${String(error)})`;
    }
    await sleep(20);
  }
  if (over(child)) problem = exit(child);
  await kill(child);
  throw await failure(dir, command, problem);
}

/**
 * The shell that becomes the server leaves a subshell behind, which waits on a pipe from us. When we die, of SIGKILL
 * too, the pipe closes and the subshell kills the server and removes its folder. A line says that all is well.
 */
const watched = `
(trap '' HUP INT TERM; read -r line <&3 || { kill -9 $$; rm -rf -- "$0"; }) >/dev/null 2>&1 &
exec "$@" 3<&-`;

/** Temporary files go into its own folder: MariaDB, for one, deletes at its start what it takes for its own leftovers. */
function launch(dir: string, command: string, args: string[], env: Record<string, string>): ChildProcess {
  const log = openSync(join(dir, "log"), "a");
  const child = spawn("sh", ["-c", watched, dir, command, ...args], {
    cwd: dir,
    env: { ...process.env, TMPDIR: dir, ...env },
    stdio: ["ignore", log, log, "pipe"],
  });
  closeSync(log);
  // A server that a test forgot to stop must not keep the test's process alive.
  child.unref();
  const pipe = child.stdio[3];
  if (!(pipe instanceof Socket)) throw new Error("a child's pipe is expected to be a socket");
  pipe.unref();
  pipe.on("error", () => {}); // the subshell may have been killed together with the server
  child.once("exit", () => pipe.end("\n"));
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  child.kill("SIGTERM");
  child.kill("SIGCONT"); // a paused process sees the signal only once it runs again
  if (!(await ended(child, stopLimit))) await kill(child);
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  if (!(await ended(child, stopLimit))) throw new Error(`process ${child.pid} survived SIGKILL`);
}

async function ended(child: ChildProcess, ms: number): Promise<boolean> {
  const limit = Date.now() + ms;
  while (!over(child) && Date.now() < limit) await sleep(5);
  return over(child);
}

const over = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null;

const exit = (child: ChildProcess) =>
  child.signalCode ? `was ended by ${child.signalCode}` : `exited with ${child.exitCode}`;

async function failure(dir: string, command: string, problem: string): Promise<Error> {
  const log = await readFile(join(dir, "log"), "utf8");
  return new Error(
    `${command} ${problem}. The end of its log:\n${log.trimEnd().split("\n").slice(-40).join("\n")}`,
  );
}
