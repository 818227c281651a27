/**
 * Stored objects. They never change, so each is copied once, for all backups together, to `objects/<key>!<sha256>`; a
 * backup has the list of those that there were. What is in no backup's list any more is deleted.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, open, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { newId } from "../../lib/ids.ts";
import type { Settings } from "../../lib/settings.ts";
import { SettingsError } from "../../lib/settings.ts";
import { openStorage } from "../../lib/storage/index.ts";
import type { ObjectInfo, Storage } from "../../lib/storage/index.ts";
import { PURPOSES } from "../../services/files/files.contract.ts";
import { checked, decrypted, encrypted, hashed, readPart, writePart } from "./parts.ts";
import type { Identities, Recipients, Written } from "./parts.ts";
import type { Kept, Target } from "./target.ts";

const AT_ONCE = 8;
const PREFIX = "objects/";
/** Sorts before whatever a key has, so that the names are in the order of the keys. */
const MARK = "!";
const ENCRYPTED = ".age";
/** The first line of an object says what it is. */
const LONGEST_HEADER = 1_000;

/** Opens the files' storage; nobody is given an address by it. */
export function storageOf(settings: Settings): Promise<Storage> {
  return openStorage({
    s3Url: settings.s3Url,
    s3PublicUrl: null,
    folder: settings.filesDir,
    links: { base: "", secret: Buffer.alloc(32) },
  });
}

export interface ObjectsWritten {
  part: Written;
  count: number;
  /** As they are stored. */
  bytes: number;
  copied: number;
}

/** Copies what is new, and writes the list. Uploads that were not taken over yet are left out. */
export async function backupObjects(
  storage: Storage,
  target: Target,
  folder: string,
  { recipients, progress }: { recipients: Recipients; progress: (bytes: number) => void },
): Promise<ObjectsWritten> {
  const scratch = await mkdtemp(path.join(tmpdir(), "club-alliance-backup-"));
  const total = { count: 0, bytes: 0, copied: 0 };
  const list = new PassThrough();
  const fill = async (): Promise<void> => {
    const have = new Lookup(target.list(PREFIX));
    for await (const keys of pagesOf(storage)) {
      const found: (Kept | null)[] = [];
      for (const key of keys) found.push(await have.find(key));
      const copy = async (key: string, at: number): Promise<void> => {
        const blob = found[at] ?? (await copyOne(storage, target, key, scratch, recipients));
        if (!blob) return;
        if (!found[at]) {
          total.copied++;
          progress(blob.size);
          found[at] = blob;
        }
        total.count++;
        total.bytes += blob.size;
      };
      await inTurns(keys, copy);
      for (const blob of found)
        if (blob) list.write(`${JSON.stringify({ name: blob.name, size: blob.size })}\n`);
    }
    list.end();
  };
  try {
    const written = writePart(target, `${folder}/objects.jsonl`, list, {
      recipients: [],
      progress: () => undefined,
    });
    await Promise.all([fill().catch((error: Error) => void list.destroy(error)), written]);
    return { part: await written, ...total };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function* pagesOf(storage: Storage): AsyncGenerator<string[]> {
  for (const purpose of PURPOSES.toSorted())
    for (let after: string | undefined; ;) {
      const keys = await storage.list(`${purpose}/`, after);
      if (keys.length === 0) break;
      yield keys;
      after = keys.at(-1);
    }
}

/** Finds keys in an ordered list; they are asked for in that order. */
class Lookup {
  readonly #list: AsyncGenerator<Kept>;
  #next: Kept | null | undefined;

  constructor(list: AsyncGenerator<Kept>) {
    this.#list = list;
  }

  async find(key: string): Promise<Kept | null> {
    for (;;) {
      if (this.#next === undefined) this.#next = (await this.#list.next()).value ?? null;
      if (this.#next === null || this.#next === undefined) return null;
      const own = keyOf(this.#next.name);
      if (own > key) return null;
      const found = own === key ? this.#next : null;
      this.#next = undefined;
      if (found) return found;
    }
  }
}

/** The key of a stored object's name. */
export function keyOf(name: string): string {
  return name.slice(PREFIX.length, name.lastIndexOf(MARK));
}

/** Null when it was deleted meanwhile. By way of a file, since its name has its hash. */
async function copyOne(
  storage: Storage,
  target: Target,
  key: string,
  scratch: string,
  recipients: Recipients,
): Promise<Kept | null> {
  const object = await storage.get(key);
  if (!object) return null;
  const { contentType, size, stream } = object;
  const file = path.join(scratch, newId());
  try {
    const { body, result } = hashed(await encrypted(withHeader({ contentType, size }, stream), recipients));
    await pipeline(body, createWriteStream(file, { mode: 0o600 }));
    const name = `${PREFIX}${key}${MARK}${result().sha256}${recipients.length > 0 ? ENCRYPTED : ""}`;
    await target.put(name, createReadStream(file));
    return { name, size: (await stat(file)).size, at: Date.now() };
  } finally {
    await rm(file, { force: true });
  }
}

function withHeader(info: ObjectInfo, stream: Readable): Readable {
  return Readable.from(
    (async function* () {
      yield Buffer.from(`${JSON.stringify(info)}\n`);
      for await (const bytes of stream) yield bytes as Buffer;
    })(),
    { objectMode: false },
  );
}

/** The names in a backup's list. */
export async function* listed(target: Target, part: Written): AsyncGenerator<Pick<Kept, "name" | "size">> {
  const lines = createInterface({ input: await readPart(target, part, []), crlfDelay: Infinity });
  for await (const line of lines) yield JSON.parse(line) as Pick<Kept, "name" | "size">;
}

/** Puts a backup's objects into the storage; those that are there already stay. Returns how many came in. */
export async function restoreObjects(
  target: Target,
  part: Written,
  storage: Storage,
  identities: Identities,
  progress: (bytes: number) => void,
): Promise<number> {
  const scratch = await mkdtemp(path.join(tmpdir(), "club-alliance-restore-"));
  let restored = 0;
  const work = async (page: Pick<Kept, "name" | "size">[]): Promise<void> =>
    inTurns(page, async ({ name, size }) => {
      const sha256 = name.slice(name.lastIndexOf(MARK) + 1).replace(ENCRYPTED, "");
      const body = await target.get(name).catch(() => {
        throw new SettingsError(`${name} is missing beside the backup.`);
      });
      const whole = checked(body, name, { size, sha256 });
      const plain = name.endsWith(ENCRYPTED) ? await decrypted(whole, identities, name) : whole;
      // All of it is right before any of it is put.
      const file = path.join(scratch, newId());
      await pipeline(plain, createWriteStream(file, { mode: 0o600 }));
      if (await putOne(storage, keyOf(name), file)) restored++;
      await rm(file);
      progress(size);
    });
  try {
    for await (const page of paged(listed(target, part))) await work(page);
    return restored;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
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

/** Deletes objects that none of the backups has, unless they are so young that a backup under way may have put them. */
export async function forgetObjects(
  target: Target,
  parts: readonly Written[],
  before: number,
): Promise<number> {
  const kept = new Set<string>();
  for (const part of parts) for await (const { name } of listed(target, part)) kept.add(name);
  let deleted = 0;
  for await (const { name, at } of target.list(PREFIX)) {
    if (kept.has(name) || at >= before) continue;
    await target.delete(name);
    deleted++;
  }
  return deleted;
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

/** Does all, a few at a time. */
async function inTurns<T>(items: readonly T[], work: (item: T, at: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const at = next++;
      await work(items[at] as T, at);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
}
