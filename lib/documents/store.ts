/** The embedded document store (docs/decisions/0005-embedded-documents.md). */
import type { Collection, CollectionOptions, DocumentStore } from "../documents.ts";
import { lockStore } from "../store-lock.ts";
import { EmbeddedCollection } from "./collection.ts";
import { Disk } from "./disk.ts";
import type { Document } from "./disk.ts";

/**
 * Opens the documents kept in `file`, for this process alone.
 * @throws StoreInUseError at once when it is open elsewhere
 */
export async function openDocuments(file: string): Promise<DocumentStore> {
  const unlock = lockStore(file);
  try {
    return new EmbeddedStore(new Disk(file), unlock);
  } catch (error) {
    unlock();
    throw error;
  }
}

class EmbeddedStore implements DocumentStore {
  readonly #disk: Disk;
  readonly #unlock: () => void;
  readonly #collections = new Map<string, Promise<EmbeddedCollection<never>>>();
  #closed: Promise<void> | null = null;

  constructor(disk: Disk, unlock: () => void) {
    this.#disk = disk;
    this.#unlock = unlock;
  }

  async collection<D extends Document>(name: string, options: CollectionOptions): Promise<Collection<D>> {
    this.#demandOpen();
    const opened = this.#collections.get(name) ?? EmbeddedCollection.open<never>(name, options, this.#disk);
    this.#collections.set(name, opened);
    return opened;
  }

  async ping(): Promise<void> {
    this.#demandOpen();
    this.#disk.ping();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    for (const opened of await Promise.allSettled(this.#collections.values())) {
      if (opened.status === "fulfilled") await opened.value.close();
    }
    this.#disk.close();
    this.#unlock();
  }

  #demandOpen(): void {
    if (this.#closed) throw new Error("The document store is closed.");
  }
}
