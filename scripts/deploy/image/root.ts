/**
 * A folder as the root of a file system, and commands in it, without a container engine: namespaces of mounts and
 * processes by util-linux. Needs root; what runs in it need not be.
 */
import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Confined {
  /** The root. */
  root: string;
  command: readonly string[];
  cwd: string;
  env: Record<string, string>;
  /** Of whoever it runs as, also the group's; 0 has root's rights. */
  user: number;
  /** Nothing may be written but in /tmp, which is empty at the start. */
  readOnly: boolean;
  /** Files and folders of the machine that are seen in the root too, by their path there. */
  shared?: Record<string, string>;
}

/** The first process of its own space, as in a container: it must hear signals itself. */
const SCRIPT = `
set -eu
root=$1 mode=$2; shift 2
mount --bind "$root" "$root"
mkdir -p "$root/proc" "$root/dev" "$root/tmp"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
while [ "$1" != -- ]; do
  if [ -d "$1" ]; then mkdir -p "$root$2"; else mkdir -p "$(dirname "$root$2")"; [ -e "$root$2" ] || : >"$root$2"; fi
  mount --bind "$1" "$root$2"
  shift 2
done
shift
if [ "$mode" = read-only ]; then
  mount -o remount,bind,ro "$root"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
fi
exec chroot "$root" "$@"
`;

const SPACES = ["--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"];
const WITH_SCRIPT = ["sh", "-c", SCRIPT, "sh"];

const rights = (user: number): string[] =>
  user === 0
    ? []
    : [
        "setpriv",
        `--reuid=${user}`,
        `--regid=${user}`,
        "--clear-groups",
        "--no-new-privs",
        "--bounding-set=-all",
      ];

function environment(cwd: string, env: Record<string, string>): string[] {
  const all = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ...env };
  return ["env", "-i", "-C", cwd, ...Object.entries(all).map(([name, value]) => `${name}=${value}`)];
}

/** Starts a command in a root. */
export function confine({ root, command, cwd, env, user, readOnly, shared = {} }: Confined): ChildProcess {
  return spawn(
    "unshare",
    [
      ...SPACES,
      ...WITH_SCRIPT,
      root,
      readOnly ? "read-only" : "writable",
      ...Object.entries(shared).flat(),
      "--",
      ...rights(user),
      ...environment(cwd, env),
      ...command,
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
}

/** The process that is the first in its own space, by its id here. */
async function firstOf(child: ChildProcess): Promise<string> {
  const [first] = (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, "utf8")).trim().split(" ");
  if (!first) throw new Error("nothing runs any more");
  return first;
}

/** Signals the first process itself, as an engine does. */
export async function signalFirst(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  process.kill(Number(await firstOf(child)), signal);
}

export interface Ended {
  code: number | null;
  output: string;
}

/** Collects what a command says; resolves when it has ended. */
export function ended(child: ChildProcess): Promise<Ended> {
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += String(chunk)));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
}

/** Another command beside the first, in the same spaces: what an engine's health check does. */
export async function beside(
  child: ChildProcess,
  { root, command, cwd, env, user }: Confined,
): Promise<Ended> {
  const args = [
    "-t",
    await firstOf(child),
    "-m",
    "-p",
    "chroot",
    root,
    ...rights(user),
    ...environment(cwd, env),
  ];
  return ended(spawn("nsenter", [...args, ...command], { stdio: ["ignore", "pipe", "pipe"] }));
}

/** Copies a tree with its owners and modes. */
export async function copyTree(from: string, to: string): Promise<void> {
  await run("cp", ["-a", "--reflink=auto", "-T", from, to]);
}

/** Asks again and again until the answer is no error. */
export async function until<T>(ask: () => Promise<T>, limit: number, over: () => boolean): Promise<T> {
  for (const end = Date.now() + limit; ; await sleep(100)) {
    try {
      return await ask();
    } catch (error) {
      if (Date.now() > end || over()) throw error;
    }
  }
}
