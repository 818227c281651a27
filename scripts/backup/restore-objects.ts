/** Brings the stored objects of a backup back. */
import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { newId } from "../../lib/ids.ts";
import { SettingsError } from "../../lib/settings.ts";
import type { ObjectInfo, Storage } from "../../lib/storage/index.ts";
import { isEncrypted, keyOf, sha256Of } from "./object-names.ts";
import { inTurns, listed } from "./objects.ts";
import type { Listed } from "./objects.ts";
import { checked, checkPart, decrypted } from "./parts.ts";
import type { Identities, Written } from "./parts.ts";
import { isMissing } from "./target.ts";
import type { Target } from "./target.ts";

/** The first line of an object says what it is. */
const LONGEST_HEADER = 1_000;

export interface Brought {
  restored: number;
  /** A sentence for each object that is missing or damaged. */
  lost: string[];
}

/** Tries the key on the first object that is encrypted and as it was written. @throws a sentence when it does not fit */
export async function tryKey(target: Target, part: Written, identities: Identities): Promise<void> {
  for await (const { name, size } of listed(target, part)) {
    if (!isEncrypted(name) || !(await isWhole(target, { name, size }))) continue;
    (await decrypted(await target.get(name), identities, name)).on("error", () => undefined).destroy();
    return;
  }
}

async function isWhole(target: Target, { name, size }: Listed): Promise<boolean> {
  try {
    await checkPart(target, { name, size, sha256: sha256Of(name) });
    return true;
  } catch (error) {
    if (error instanceof SettingsError) return false;
    throw error;
  }
}

/**
 * Puts a backup's objects into the storage; those that are there already stay. One that is missing or damaged stops none
 * of the others.
 */
export async function restoreObjects(
  target: Target,
  part: Written,
  storage: Storage,
  identities: Identities,
  progress: (bytes: number) => void,
): Promise<Brought> {
  const scratch = await mkdtemp(path.join(tmpdir(), "club-alliance-restore-"));
  const brought: Brought = { restored: 0, lost: [] };
  const bring = async (object: Listed): Promise<void> => {
    const file = path.join(scratch, newId());
    try {
      await fetchOne(target, object, identities, file);
      if (await putOne(storage, keyOf(object.name), file)) brought.restored++;
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error;
      brought.lost.push(error.message);
    } finally {
      await rm(file, { force: true });
    }
    progress(object.size);
  };
  try {
    for await (const page of paged(listed(target, part))) await inTurns(page, bring);
    return brought;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Into a file, so that all of it is right before any of it is put. */
async function fetchOne(
  target: Target,
  { name, size }: Listed,
  identities: Identities,
  file: string,
): Promise<void> {
  const body = await target.get(name).catch((error: unknown) => {
    throw isMissing(error) ? new SettingsError(`${name} is missing beside the backup.`) : error;
  });
  const whole = checked(body, name, { size, sha256: sha256Of(name) });
  const plain = isEncrypted(name) ? await decrypted(whole, identities, name) : whole;
  await pipeline(plain, createWriteStream(file, { mode: 0o600 }));
}

/** @param file an object as it was written, the header first */
async function putOne(storage: Storage, key: string, file: string): Promise<boolean> {
  await using handle = await open(file, "r");
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(LONGEST_HEADER), 0, LONGEST_HEADER, 0);
  const end = buffer.subarray(0, bytesRead).indexOf("\n");
  if (end < 0) throw new SettingsError(`The object ${key} of the backup does not begin as one.`);
  const info = JSON.parse(buffer.subarray(0, end).toString()) as ObjectInfo;
  const body = createReadStream(file, { start: end + 1 });
  try {
    return await storage.put(key, body, info);
  } finally {
    // Where it was there already nobody has read it.
    body.destroy();
  }
}

async function* paged<T>(items: AsyncIterable<T>, size = 500): AsyncGenerator<T[]> {
  let page: T[] = [];
  for await (const item of items) {
    page.push(item);
    if (page.length >= size) {
      yield page;
      page = [];
    }
  }
  if (page.length > 0) yield page;
}
