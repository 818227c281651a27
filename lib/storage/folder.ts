/** Objects as files of a folder: `objects/<key>`, and what they are in `info/<key>`. */
import { createReadStream, createWriteStream } from "node:fs";
import { link, mkdir, open, readdir, readFile, rm, stat } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { newId } from "../ids.ts";
import { checkKey } from "./index.ts";
import type { ObjectInfo, SignedRequest, Storage, StoredObject } from "./index.ts";
import { signLink } from "./links.ts";

const PAGE = 1_000;

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

  /** What a crash has left half written goes. */
  async prepare(): Promise<void> {
    await rm(this.#incoming, { recursive: true, force: true });
    for (const each of [this.#objects, this.#info, this.#incoming])
      await mkdir(each, { recursive: true, mode: 0o700 });
  }

  async put(key: string, body: Readable | Buffer, { size, contentType }: ObjectInfo): Promise<boolean> {
    const [object, info] = [this.#place(this.#objects, key), this.#place(this.#info, key)];
    if (await this.head(key)) return false;
    const incoming = path.join(this.#incoming, newId());
    try {
      await writeDown(incoming, body);
      const got = (await stat(incoming)).size;
      if (got !== size) throw new TypeError(`It was to have ${size} bytes and has ${got}.`);
      await mkdir(path.dirname(info), { recursive: true });
      await mkdir(path.dirname(object), { recursive: true });
      const told = `${incoming}.info`;
      await writeDown(told, Buffer.from(JSON.stringify({ contentType })));
      await linkNew(told, info);
      // From here on it is there: a link does not replace what another has put meanwhile.
      const created = await linkNew(incoming, object);
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
  }

  async list(prefix: string, after = ""): Promise<string[]> {
    const entries = await readdir(this.#objects, { recursive: true, withFileTypes: true });
    return entries
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

  async signDownload(key: string, seconds: number, fileName?: string): Promise<SignedRequest> {
    checkKey(key);
    const url = signLink(this.#links, { method: "GET", key, ...(fileName && { fileName }) }, seconds);
    return { method: "GET", url, headers: {} };
  }

  close(): void {}

  #place(root: string, key: string): string {
    checkKey(key);
    return path.join(root, ...key.split("/"));
  }
}

async function writeDown(file: string, body: Readable | Buffer): Promise<void> {
  await pipeline(
    Buffer.isBuffer(body) ? Readable.from([body]) : body,
    createWriteStream(file, { mode: 0o600 }),
  );
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
async function linkNew(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function missing(error: unknown): null {
  if (["ENOENT", "ENOTDIR"].includes(String((error as NodeJS.ErrnoException).code))) return null;
  throw error;
}
