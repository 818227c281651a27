/**
 * `npm run restore -- FROM [--backup ID] [--identity FILE] [--erased FILE] [--force]`: puts back the newest whole backup
 * of a folder or s3://bucket/prefix, or the one named. Nodes are stopped. Exit code 1: it is not done, or the audit log
 * or an object is not whole.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { readEnvironment, readSettings, SettingsError } from "../lib/settings.ts";
import { erasedByHand } from "./backup/erasures.ts";
import { listBackups, readManifest } from "./backup/manifest.ts";
import { Progress } from "./backup/progress.ts";
import { restore } from "./backup/restoring.ts";
import { openTarget } from "./backup/target.ts";
import type { Target } from "./backup/target.ts";
import { runCommand } from "./run-command.ts";

const USAGE =
  "Usage: npm run restore -- FOLDER|s3://bucket/prefix [--backup ID] [--identity FILE] [--erased FILE] [--force]";

interface Wanted {
  from: string;
  backup: string | undefined;
  identities: string[];
  erased: string | undefined;
  force: boolean;
}

function wantedOf(args: string[]): Wanted {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      backup: { type: "string" },
      identity: { type: "string" },
      erased: { type: "string" },
      force: { type: "boolean", default: false },
    },
  });
  const [from, ...more] = positionals;
  if (!from || more.length > 0) throw new SettingsError(USAGE);
  const { backup, erased, force } = values;
  const identities = values.identity === undefined ? [] : identitiesOf(values.identity);
  return { from, backup, erased, force, identities };
}

/** As age-keygen writes them. What is wrong is said without repeating a key. */
function identitiesOf(file: string): string[] {
  let lines: string[];
  try {
    lines = readFileSync(file, "utf8").split("\n");
  } catch (error) {
    throw new SettingsError(
      `--identity ${file} cannot be read (${(error as NodeJS.ErrnoException).code}): it takes the file of a private key of age.`,
    );
  }
  const found = lines.map((line) => line.trim()).filter((line) => line.startsWith("AGE-SECRET-KEY-"));
  if (found.length === 0)
    throw new SettingsError(`--identity ${file} has no private key of age (AGE-SECRET-KEY-…).`);
  return found;
}

async function newest(target: Target, from: string): Promise<string> {
  const { whole, torn } = await listBackups(target);
  const id = whole.at(-1);
  if (id) return id;
  throw new SettingsError(
    torn.length > 0
      ? `There is no whole backup in ${from}: ${torn.join(", ")} were broken off.`
      : `There is no backup in ${from}.`,
  );
}

async function main(): Promise<void> {
  const { from, backup, identities, erased, force } = wantedOf(process.argv.slice(2));
  const settings = readSettings(readEnvironment());
  const target = await openTarget(from);
  const progress = new Progress();
  try {
    const manifest = await readManifest(target, backup ?? (await newest(target, from)));
    const { verdict, lost } = await restore({
      settings,
      target,
      manifest,
      identities,
      force,
      erased: erased === undefined ? [] : await erasedByHand(erased),
      progress,
    });
    progress.say(
      verdict.ok
        ? `The audit log is whole: ${verdict.checked} entries.`
        : `The audit log is NOT whole: ${verdict.reason} at entry ${verdict.firstBroken ?? "(before the first)"}.`,
    );
    if (lost.length > 0)
      progress.say(
        `NOT restored are these objects, which is all that is missing (${lost.length}):\n${lost.join("\n")}`,
      );
    progress.say(`Restored: the state of ${new Date(manifest.startedAt).toISOString()}.`);
    if (!verdict.ok || lost.length > 0) process.exitCode = 1;
  } finally {
    progress.stop();
    target.close();
  }
}

runCommand(main);
