/**
 * Stored objects. They never change, so each is copied once, for all backups of the same recipients together; a backup
 * has the list of those that there were. What is in no backup's list any more is deleted.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { newId } from "../../lib/ids.ts";
import type { Settings } from "../../lib/settings.ts";
import { openStorage } from "../../lib/storage/index.ts";
import type { ObjectInfo, Storage } from "../../lib/storage/index.ts";
import { PURPOSES } from "../../services/files/files.contract.ts";
import { keyOf, nameOf, OBJECTS, shelfOf } from "./object-names.ts";
import { encrypted, hashed, readPart, writePart } from "./parts.ts";
import type { Recipients, Written } from "./parts.ts";
import type { Kept, Target } from "./target.ts";

const AT_ONCE = 8;

/** An object in a backup's list. */
export type Listed = Pick<Kept, "name" | "size">;

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
  /** Of these, whose copy had gone or had another size. */
  again: number;
}

export interface Copying {
  recipients: Recipients;
  /** The list of the backup before, which says of what size the copies were. */
  before: AsyncGenerator<Listed>;
  progress: (bytes: number) => void;
}

/** Copies what is new, and writes the list. Uploads that were not taken over yet are left out. */
export async function backupObjects(
  storage: Storage,
  target: Target,
  folder: string,
  { recipients, before, progress }: Copying,
): Promise<ObjectsWritten> {
  const scratch = await mkdtemp(path.join(tmpdir(), "club-alliance-backup-"));
  const total = { count: 0, bytes: 0, copied: 0, again: 0 };
  const list = new PassThrough();
  const shelf = new Shelf(target, shelfOf(recipients), before);
  const fill = async (): Promise<void> => {
    for await (const keys of pagesOf(storage)) {
      const found: (Listed | null)[] = [];
      for (const key of keys) {
        const { copy, lost } = await shelf.find(key);
        found.push(copy);
        if (lost) total.again++;
      }
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
    await shelf.close();
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

/** The copies that are there for the recipients, each held against what the backup before said of it. */
class Shelf {
  readonly #shelf: string;
  readonly #there: Lookup<Kept>;
  readonly #said: Lookup<Listed>;

  constructor(target: Target, shelf: string, before: AsyncGenerator<Listed>) {
    this.#shelf = shelf;
    this.#there = new Lookup(target.list(shelf));
    this.#said = new Lookup(before);
  }

  /** Which copy of a key is as it was, null for none; whether there was one. Keys are asked for in their order. */
  async find(key: string): Promise<{ copy: Listed | null; lost: boolean }> {
    const there = await this.#there.find(key);
    const said = (await this.#said.find(key)).find(({ name }) => name.startsWith(this.#shelf));
    // Of those that the list lacks nothing is known; they were put whole or not at all, a newer one in place of a damaged.
    if (!said) return { copy: there.toSorted((a, b) => a.at - b.at).at(-1) ?? null, lost: false };
    const copy = there.find(({ name, size }) => name === said.name && size === said.size) ?? null;
    return { copy, lost: copy === null };
  }

  async close(): Promise<void> {
    await Promise.all([this.#there.close(), this.#said.close()]);
  }
}

/** Finds keys in an ordered list; they are asked for in that order. */
class Lookup<T extends Listed> {
  readonly #list: AsyncGenerator<T>;
  #next: T | null | undefined;

  constructor(list: AsyncGenerator<T>) {
    this.#list = list;
  }

  /** All of the key: a copy that was made anew lies beside the damaged one. */
  async find(key: string): Promise<T[]> {
    const found: T[] = [];
    for (;;) {
      if (this.#next === undefined) this.#next = (await this.#list.next()).value ?? null;
      if (this.#next === null || this.#next === undefined) return found;
      const own = keyOf(this.#next.name);
      if (own > key) return found;
      if (own === key) found.push(this.#next);
      this.#next = undefined;
    }
  }

  async close(): Promise<void> {
    await this.#list.return(undefined);
  }
}

/** Null when it was deleted meanwhile. By way of a file, since its name has its hash. */
async function copyOne(
  storage: Storage,
  target: Target,
  key: string,
  scratch: string,
  recipients: Recipients,
): Promise<Listed | null> {
  const object = await storage.get(key);
  if (!object) return null;
  const { contentType, size, stream } = object;
  const file = path.join(scratch, newId());
  try {
    const { body, result } = hashed(await encrypted(withHeader({ contentType, size }, stream), recipients));
    await pipeline(body, createWriteStream(file, { mode: 0o600 }));
    const name = nameOf(key, result().sha256, recipients);
    await target.put(name, createReadStream(file));
    return { name, size: (await stat(file)).size };
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

/** The objects in a backup's list. */
export async function* listed(target: Target, part: Written): AsyncGenerator<Listed> {
  const input = await readPart(target, part, []);
  try {
    for await (const line of createInterface({ input, crlfDelay: Infinity }))
      yield JSON.parse(line) as Listed;
  } finally {
    input.destroy();
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
  for await (const { name, at } of target.list(OBJECTS)) {
    if (kept.has(name) || at >= before) continue;
    await target.delete(name);
    deleted++;
  }
  return deleted;
}

/** Does all, a few at a time. */
export async function inTurns<T>(
  items: readonly T[],
  work: (item: T, at: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const at = next++;
      await work(items[at] as T, at);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
}
