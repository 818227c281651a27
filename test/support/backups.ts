/** Backups and restores by the real commands. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import path from "node:path";

const ROOT = path.join(import.meta.dirname, "..", "..");

export interface Ended {
  code: number | null;
  output: string;
}

/** Starts a script of the project. */
export function begin(args: readonly string[], env: Record<string, string>): ChildProcess {
  const { PATH = "", HOME = "" } = process.env;
  return spawn(process.execPath, args, {
    cwd: ROOT,
    env: { PATH, HOME, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

export async function ended(child: ChildProcess): Promise<Ended> {
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (data: Buffer) => (output += data.toString()));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, output };
}

export function backup(args: readonly string[], env: Record<string, string>): Promise<Ended> {
  return ended(begin(["scripts/backup.ts", ...args], env));
}

export function restore(args: readonly string[], env: Record<string, string>): Promise<Ended> {
  return ended(begin(["scripts/restore.ts", ...args], env));
}

/** The id that a backup says at its end. */
export function idOf({ code, output }: Ended): string {
  const id = /^Backup (\S+): .* in /m.exec(output)?.[1];
  if (code !== 0 || !id) throw new Error(`The backup failed (${code}):\n${output}`);
  return id;
}
