/** Where backups are kept: a folder, or a bucket (`s3://bucket/prefix`). What is put is there whole or not at all. */
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { newId } from "../../lib/ids.ts";
import { SettingsError } from "../../lib/settings.ts";

export interface Kept {
  /** `name/name`, below the target. */
  name: string;
  /** Bytes. */
  size: number;
  /** When it was put (milliseconds). */
  at: number;
}

export interface Target {
  /** Replaces what has the name, when all of it is there. */
  put(name: string, body: Readable): Promise<void>;
  /** @throws when there is nothing of the name */
  get(name: string): Promise<Readable>;
  /** Everything whose name begins so, in order of the names. */
  list(prefix: string): AsyncGenerator<Kept>;
  delete(name: string): Promise<void>;
  close(): void;
}

/** Opens a target. The keys of a bucket are those that every S3 program reads: AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL… */
export async function openTarget(where: string): Promise<Target> {
  if (!where.includes("://")) return new Folder(path.resolve(where));
  const url = URL.canParse(where) ? new URL(where) : null;
  if (url?.protocol !== "s3:" || !url.hostname || url.username)
    throw new SettingsError(
      `"${where.replace(/\/\/[^@]*@/, "//…@")}" is no place for backups: it takes a folder, or s3://bucket/prefix with the keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY and the server in AWS_ENDPOINT_URL.`,
    );
  const { openBucket } = await import("./bucket.ts");
  return openBucket(url.hostname, url.pathname.replace(/^\/+|\/+$/g, ""));
}

/** What is unfinished has a name that no list shows. */
const UNFINISHED = ".unfinished-";
/** Milliseconds after which nobody writes on at it. */
const GIVEN_UP = 24 * 3_600_000;

class Folder implements Target {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async put(name: string, body: Readable): Promise<void> {
    const file = path.join(this.#root, name);
    const folder = path.dirname(file);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const draft = path.join(folder, `${UNFINISHED}${newId()}`);
    try {
      await pipeline(body, createWriteStream(draft, { mode: 0o600, flush: true }));
      await rename(draft, file);
      await synced(folder);
    } finally {
      await rm(draft, { force: true });
    }
  }

  async get(name: string): Promise<Readable> {
    const stream = createReadStream(path.join(this.#root, name));
    await new Promise<void>((resolve, reject) => {
      stream.once("open", () => resolve());
      stream.once("error", reject);
    });
    return stream;
  }

  async *list(prefix: string): AsyncGenerator<Kept> {
    const under = path.join(this.#root, path.dirname(`${prefix}-`));
    const entries = await readdir(under, { recursive: true, withFileTypes: true }).catch(none);
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name))
      .map((file) => ({ file, name: path.relative(this.#root, file).split(path.sep).join("/") }))
      .filter(({ name }) => name.startsWith(prefix))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
    for (const { file, name } of files) {
      const found = await stat(file).catch(gone);
      // Another process has finished it, or deleted it, meanwhile.
      if (!found) continue;
      const { size, mtimeMs } = found;
      if (!path.basename(file).startsWith(UNFINISHED)) yield { name, size, at: mtimeMs };
      // Who may only read, as a restore, leaves it where it is.
      else if (mtimeMs < Date.now() - GIVEN_UP) await rm(file, { force: true }).catch(() => undefined);
    }
  }

  async delete(name: string): Promise<void> {
    const file = path.join(this.#root, name);
    await rm(file, { force: true });
    // Its folder goes with the last of them.
    if (name.includes("/")) await rmdir(path.dirname(file)).catch(() => undefined);
  }

  close(): void {}
}

async function synced(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function none(error: unknown): never[] {
  if (isMissing(error)) return [];
  throw error;
}

function gone(error: unknown): null {
  if (isMissing(error)) return null;
  throw error;
}

/** Whether `get` found nothing of the name, and not something that keeps it from looking. */
export function isMissing(error: unknown): boolean {
  const { code, name } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || name === "NoSuchKey" || name === "NotFound";
}
