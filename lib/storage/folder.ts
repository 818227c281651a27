/** Objects as files of a folder: `objects/<key>`, and what they are in `info/<key>`. */
import { createReadStream, createWriteStream } from "node:fs";
import { link, mkdir, open, readdir, readFile, rename, rm, rmdir, stat } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { newId } from "../ids.ts";
import { count } from "./count.ts";
import { checkKey } from "./index.ts";
import type { ObjectInfo, SignedRequest, Storage, StoredObject } from "./index.ts";
import { signLink } from "./links.ts";

const PAGE = 1_000;
/** Milliseconds after which nobody writes on at what is still not whole: another process may be at work here. */
const BROKEN_OFF = 3_600_000;

/** @param folder made when it is not there */
export async function openFolder(
  folder: string,
  links: { base: string; secret: Buffer },
): Promise<FolderStorage> {
  const storage = new FolderStorage(folder, links);
  await storage.prepare();
  return storage;
}

export class FolderStorage implements Storage {
  readonly #objects: string;
  readonly #info: string;
  readonly #incoming: string;
  readonly #links: { base: string; secret: Buffer };

  constructor(folder: string, links: { base: string; secret: Buffer }) {
    this.#objects = path.join(folder, "objects");
    this.#info = path.join(folder, "info");
    this.#incoming = path.join(folder, "incoming");
    this.#links = links;
  }

  async prepare(): Promise<void> {
    for (const each of [this.#objects, this.#info, this.#incoming])
      await mkdir(each, { recursive: true, mode: 0o700 });
    await this.tidy();
  }

  async tidy(): Promise<void> {
    for (const name of await readdir(this.#incoming)) {
      const file = path.join(this.#incoming, name);
      const found = await stat(file).catch(missing);
      if (found && found.mtimeMs < Date.now() - BROKEN_OFF) await rm(file, { force: true });
    }
  }

  async put(key: string, body: Readable | Buffer, info: ObjectInfo): Promise<boolean> {
    if (await this.head(key)) return false;
    return this.#write(key, body, info, linkNew);
  }

  /** As `put`, but takes the place of what is there: a client that sends its upload again means the later one. */
  async replace(key: string, body: Readable, info: ObjectInfo, signal: AbortSignal): Promise<void> {
    await this.#write(key, body, info, replaced, signal);
  }

  async #write(
    key: string,
    body: Readable | Buffer,
    { size, contentType }: ObjectInfo,
    name: (from: string, to: string) => Promise<boolean>,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const [object, info] = [this.#place(this.#objects, key), this.#place(this.#info, key)];
    const incoming = path.join(this.#incoming, newId());
    try {
      await writeDown(incoming, count(Buffer.isBuffer(body) ? Readable.from([body]) : body, size), signal);
      await mkdir(path.dirname(info), { recursive: true });
      await mkdir(path.dirname(object), { recursive: true });
      const told = `${incoming}.info`;
      await writeDown(told, Readable.from([Buffer.from(JSON.stringify({ contentType }))]));
      await name(told, info);
      // From here on it is there: a link does not replace what another has put meanwhile.
      const created = await name(incoming, object);
      await syncFolder(path.dirname(object));
      return created;
    } finally {
      await rm(incoming, { force: true });
      await rm(`${incoming}.info`, { force: true });
    }
  }

  async head(key: string): Promise<ObjectInfo | null> {
    const [object, info] = [this.#place(this.#objects, key), this.#place(this.#info, key)];
    try {
      const { size } = await stat(object);
      const { contentType } = JSON.parse(await readFile(info, "utf8")) as { contentType: string };
      return { size, contentType };
    } catch (error) {
      return missing(error);
    }
  }

  async get(key: string, range?: { from: number; to: number }): Promise<StoredObject | null> {
    const found = await this.head(key);
    if (!found) return null;
    const bytes = range && { start: range.from, end: range.to };
    return { ...found, stream: createReadStream(this.#place(this.#objects, key), bytes) };
  }

  async delete(key: string): Promise<void> {
    await rm(this.#place(this.#objects, key), { force: true });
    await rm(this.#place(this.#info, key), { force: true });
    // A folder in which one file's objects are goes with the last of them; that of many stays.
    if (key.split("/").length < 3) return;
    for (const root of [this.#objects, this.#info])
      await rmdir(path.dirname(this.#place(root, key))).catch(() => undefined);
  }

  async list(prefix: string, after = ""): Promise<string[]> {
    const under = path.join(this.#objects, ...prefix.split("/").slice(0, -1));
    const entries = await readdir(under, { recursive: true, withFileTypes: true }).catch(missing);
    return (entries ?? [])
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(this.#objects, path.join(entry.parentPath, entry.name)))
      .map((each) => each.split(path.sep).join("/"))
      .filter((key) => key.startsWith(prefix) && key > after)
      .toSorted((a, b) => (a < b ? -1 : 1))
      .slice(0, PAGE);
  }

  async signUpload(key: string, info: ObjectInfo, seconds: number): Promise<SignedRequest> {
    checkKey(key);
    const { size, contentType } = info;
    const url = signLink(this.#links, { method: "PUT", key, size, contentType }, seconds);
    return { method: "PUT", url, headers: { "content-type": contentType, "content-length": String(size) } };
  }

  async signDownload(key: string, seconds: number, fileName?: string, shown = false): Promise<SignedRequest> {
    checkKey(key);
    const named = { ...(fileName && { fileName }), ...(shown && { shown }) };
    const url = signLink(this.#links, { method: "GET", key, ...named }, seconds);
    return { method: "GET", url, headers: {} };
  }

  publicUrl(): null {
    return null;
  }

  close(): void {}

  #place(root: string, key: string): string {
    checkKey(key);
    return path.join(root, ...key.split("/"));
  }
}

async function writeDown(file: string, body: AsyncIterable<Buffer>, signal?: AbortSignal): Promise<void> {
  await pipeline(body, createWriteStream(file, { mode: 0o600 }), { signal });
  const handle = await open(file, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A second name for a file, unless there is one of that name. */
export async function linkNew(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function replaced(from: string, to: string): Promise<true> {
  await rename(from, to);
  return true;
}

function missing(error: unknown): null {
  if (["ENOENT", "ENOTDIR"].includes(String((error as NodeJS.ErrnoException).code))) return null;
  throw error;
}
