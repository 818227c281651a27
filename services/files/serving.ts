/** Where a file is fetched, and pictures in other widths: made when somebody first asks, and kept. */
import { LRUCache } from "lru-cache";
import { AppError, invalid } from "../../lib/errors.ts";
import { isPicture, isShown } from "../../lib/file-types.ts";
import { resizePicture } from "../../lib/pictures.ts";
import type { Storage } from "../../lib/storage/index.ts";
import { readWhole } from "./reading.ts";
import { isPublic, variantKey } from "./rows.ts";
import type { FileRow } from "./rows.ts";

/** Seconds that an address is good for. */
const GOOD_FOR = 900;

export class Serving {
  readonly #storage: Storage;
  /** Variants that are known to be there, so that the storage is not asked each time. */
  readonly #there = new LRUCache<string, true>({ max: 10_000 });
  readonly #making = new Map<string, Promise<void>>();

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** The address of a file that is ready. @throws 422 where a width is asked for that is no picture's */
  async addressOf(row: FileRow, width: number | undefined): Promise<string> {
    const { content_type: type, purpose, name } = row;
    if (width !== undefined && !isPicture(type)) throw invalid({ field: "width", code: "INVALID" });
    const key = width === undefined ? (row.storage_key as string) : await this.#variant(row, width);
    const open = isPublic(purpose) ? this.#storage.publicUrl(key) : null;
    return open ?? (await this.#storage.signDownload(key, GOOD_FOR, name, isShown(type))).url;
  }

  async #variant(row: FileRow, width: number): Promise<string> {
    const whole = row.storage_key as string;
    if (width >= (row.width ?? 0)) return whole;
    const key = variantKey(whole, width);
    if (this.#there.has(key)) return key;
    const made = this.#making.get(key) ?? this.#make(row, key, width);
    this.#making.set(key, made);
    await made.finally(() => this.#making.delete(key));
    this.#there.set(key, true);
    return key;
  }

  async #make(row: FileRow, key: string, width: number): Promise<void> {
    if (await this.#storage.head(key)) return;
    const bytes = await readWhole(this.#storage, row.storage_key as string, row.size);
    // Deleted a moment ago.
    if (!bytes) throw new AppError("NOT_FOUND");
    const { bytes: made } = await resizePicture(bytes, row.content_type, width);
    await this.#storage.put(key, made, { size: made.length, contentType: row.content_type });
  }
}
