/**
 * Who was erased, for whoever restores an older backup: each backup has the list, and between backups lists of their own
 * (`erased/<time>.jsonl`) are written every few minutes. Ids and times alone.
 */
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { isId } from "../../lib/ids.ts";
import { SettingsError } from "../../lib/settings.ts";
import type { Manifest } from "./manifest.ts";
import { newBackupId, readManifest, timeOf } from "./manifest.ts";
import { readPart, writePart } from "./parts.ts";
import type { Written } from "./parts.ts";
import type { Erased } from "./snapshot.ts";
import type { Target } from "./target.ts";

const PREFIX = "erased/";

function linesOf(erased: readonly Erased[]): Readable {
  return Readable.from(erased.map((each) => `${JSON.stringify(each)}\n`));
}

/** The list of a backup. */
export function writeErased(target: Target, folder: string, erased: readonly Erased[]): Promise<Written> {
  return writePart(target, `${folder}/erased.jsonl`, linesOf(erased), {
    recipients: [],
    progress: () => undefined,
  });
}

/** A list between two backups. Returns its name. */
export async function writeErasedList(
  target: Target,
  erased: readonly Erased[],
  now: number,
): Promise<string> {
  const name = `${PREFIX}${newBackupId(now)}.jsonl`;
  await target.put(name, linesOf(erased));
  return name;
}

/** Everybody whom a list of the target names, and when the newest list was written. */
export async function knownErased(
  target: Target,
  manifests: readonly string[],
): Promise<{ ids: Set<string>; until: number }> {
  const ids = new Set<string>();
  let until = 0;
  // Each backup's list has all that those before it have.
  const newest = manifests.at(-1);
  if (newest) {
    const { erased, startedAt } = await readManifest(target, newest);
    for (const { id } of await read(await readPart(target, erased, []))) ids.add(id);
    until = startedAt;
  }
  for await (const { name } of target.list(PREFIX)) {
    const at = timeOf(name.slice(PREFIX.length, -".jsonl".length));
    if (at === null) continue;
    for (const { id } of await read(await target.get(name))) ids.add(id);
    until = Math.max(until, at);
  }
  return { ids, until };
}

async function read(source: Readable): Promise<Erased[]> {
  const found: Erased[] = [];
  for await (const line of createInterface({ input: source, crlfDelay: Infinity }))
    found.push(JSON.parse(line) as Erased);
  return found;
}

/** Deletes lists that are older than every backup that is kept. */
export async function forgetErasedLists(target: Target, oldest: Manifest): Promise<void> {
  for await (const { name } of target.list(PREFIX)) {
    const at = timeOf(name.slice(PREFIX.length, -".jsonl".length));
    if (at !== null && at < oldest.startedAt) await target.delete(name);
  }
}

/** Ids that an operator has found in the logs, one a line. */
export async function erasedByHand(file: string): Promise<string[]> {
  const said = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new SettingsError(`--erased ${file} cannot be read (${error.code}).`);
  });
  const ids = said.split(/\s+/).filter(Boolean);
  const wrong = ids.filter((id) => !isId(id)).join(", ");
  if (wrong) throw new SettingsError(`--erased ${file} has "${wrong}", which is no person's id.`);
  return ids;
}
