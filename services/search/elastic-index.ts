/** An index on Elasticsearch. Searches go to an alias, changes to every index that is served or being built. */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { estypes } from "@elastic/elasticsearch";
import { AppError } from "../../lib/errors.ts";
import { newId } from "../../lib/ids.ts";
import { BULK_PATIENCE, type Elastic, IndexLost } from "./elastic-client.ts";
import type { Engine } from "./kept-index.ts";

/** Each index is written by this alias only, so that one that is lost does not come back without its mapping. */
const WRITE = "-write";
/** Milliseconds for an answer while an index is built: nobody waits for that. */
const BUILD_PATIENCE = 30_000;
/** How often a part of a new index is tried, and milliseconds between. */
const TRIES = 5;
const PAUSE = 1_500;

/** What is stored; without texts (`active: false`) of what is gone or hidden, so that nothing older comes back. */
export type Stored = Record<string, unknown> & { active: boolean };

/** What is kept in an index, and how. */
export interface Kind<R> {
  /** Of the index, after the namespace. */
  name: string;
  mappings: estypes.MappingTypeMapping;
  settings: estypes.IndicesIndexSettings;
  /** How many changes go together. */
  batch: number;
  idOf: (record: R) => string;
  storedOf: (record: R) => { version: number; stored: Stored };
}

interface Change {
  id: string;
  version: number;
  stored: Stored;
}
type Waiting = Change & { resolve: () => void; reject: (error: unknown) => void };

/** How the names of a cluster's indices begin. */
export function indexPrefix(namespace: string): string {
  return `${namespace.toLowerCase().replace(/[^a-z0-9-]/g, "-")}-`;
}

/** Changes with the form of the documents: nodes of another form have an index of their own. */
function formOf({ mappings, settings }: Kind<never>): string {
  return createHash("sha256")
    .update(JSON.stringify([mappings, settings]))
    .digest("hex")
    .slice(0, 8);
}

export class ElasticIndex<R> implements Engine<R> {
  readonly #elastic: Elastic;
  readonly #kind: Kind<R>;
  /** The alias that is searched. */
  readonly #serving: string;
  readonly #onLost: () => void;
  #waiting: Waiting[] = [];
  #flushing = false;
  #building: Promise<number> | null = null;

  /**
   * @param namespace separates clusters that share a server
   * @param onLost told when there is no index to search or to write
   */
  constructor(elastic: Elastic, namespace: string, kind: Kind<R>, onLost: () => void) {
    this.#elastic = elastic;
    this.#kind = kind;
    this.#serving = `${indexPrefix(namespace)}${kind.name}-${formOf(kind)}`;
    this.#onLost = onLost;
  }

  /** Whether there is an index to search. */
  exists(): Promise<boolean> {
    return this.#elastic.call((client) => client.indices.existsAlias({ name: this.#serving }));
  }

  /** @throws UNAVAILABLE where it cannot answer now */
  async ask<S extends Stored>(request: estypes.SearchRequest): Promise<estypes.SearchResponse<S>> {
    try {
      return await this.#elastic.call((client) => client.search<S>({ ...request, index: this.#serving }));
    } catch (error) {
      if (error instanceof IndexLost) this.#onLost();
      throw error;
    }
  }

  /** Answers when the change is in every index. Changes that come while others are written go together. */
  apply(id: string, record: R | null): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...this.#changeOf(id, record), resolve, reject });
      void this.#flush();
    });
  }

  rebuild(pages: () => AsyncIterable<R[]>): Promise<number> {
    this.#building ??= this.#build(pages()).finally(() => (this.#building = null));
    return this.#building;
  }

  #changeOf(id: string, record: R | null): Change {
    // Ids are never used again.
    if (record === null) return { id, version: Number.MAX_SAFE_INTEGER, stored: { active: false } };
    return { id, ...this.#kind.storedOf(record) };
  }

  async #flush(): Promise<void> {
    if (this.#flushing) return;
    this.#flushing = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#kind.batch);
      try {
        // Asked each time: an index that is begun after this reads the records after their change.
        const indices = await this.#indices();
        if (!indices.some(({ serving }) => serving)) throw new IndexLost();
        for (const { name } of indices) await this.#write(name, batch, BULK_PATIENCE);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        if (error instanceof IndexLost) this.#onLost();
        for (const { reject } of batch) reject(error);
      }
    }
    this.#flushing = false;
  }

  /** @param patience milliseconds; what is written to an index that is served is found at once */
  async #write(name: string, changes: Change[], patience: number): Promise<void> {
    if (changes.length === 0) return;
    const operations = changes.flatMap(({ id, version, stored }) => {
      // Of one version the one without texts wins.
      const version_type: estypes.VersionType = stored.active ? "external" : "external_gte";
      return [{ index: { _id: id, version, version_type } }, stored];
    });
    const refresh = patience === BULK_PATIENCE;
    const { items } = await this.#elastic.call((client) =>
      client.bulk(
        { index: name + WRITE, require_alias: true, operations, refresh },
        { requestTimeout: patience },
      ),
    );
    for (const { index } of items) {
      // 409: something as new is there.
      if (!index?.error || index.status === 409) continue;
      if (index.status === 404) throw new IndexLost();
      throw new AppError("UNAVAILABLE", { retryAfter: 1 });
    }
  }

  /** A busy moment of the server does not waste what has been built. */
  async #surely(work: () => Promise<unknown>, tries = TRIES): Promise<void> {
    try {
      await work();
    } catch (error) {
      const passes = error instanceof AppError && !(error instanceof IndexLost);
      if (!passes || tries === 1) throw error;
      await sleep(PAUSE);
      await this.#surely(work, tries - 1);
    }
  }

  /** The indices of this form, the oldest first. */
  async #indices(): Promise<{ name: string; serving: boolean }[]> {
    const all = await this.#elastic.call((client) =>
      client.indices.getAlias({ index: `${this.#serving}-*` }),
    );
    return Object.entries(all)
      .map(([name, { aliases }]) => ({ name, serving: this.#serving in aliases }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  async #build(pages: AsyncIterable<R[]>): Promise<number> {
    const name = `${this.#serving}-${newId()}`;
    const { mappings, settings, idOf } = this.#kind;
    const body = { index: name, mappings, settings, aliases: { [name + WRITE]: {} } };
    const options = { requestTimeout: BUILD_PATIENCE };
    await this.#elastic.call((client) => client.indices.create(body, options));
    try {
      for await (const page of pages)
        await this.#surely(() =>
          this.#write(
            name,
            page.map((record) => this.#changeOf(idOf(record), record)),
            BUILD_PATIENCE,
          ),
        );
      await this.#surely(() =>
        this.#elastic.call((client) => client.indices.refresh({ index: name }, options)),
      );
      await this.#surely(() => this.#serve(name));
    } catch (error) {
      // Where it cannot be removed now, the next one that is built does.
      await this.#elastic.call((client) => client.indices.delete({ index: name })).catch(() => undefined);
      // A newer one of another node took its place while this one was built.
      const newer = await this.#indices().catch(() => []);
      if (!newer.some((index) => index.serving && index.name > name)) throw error;
    }
    const { count } = await this.#elastic.call((client) =>
      client.count({ index: this.#serving, query: { term: { active: true } } }, options),
    );
    return count;
  }

  /** Puts an index in place of all older ones in one step; these go, half-built ones too. */
  async #serve(name: string): Promise<void> {
    const indices = await this.#indices();
    if (indices.some((index) => index.serving && index.name > name)) throw new IndexLost();
    const older = indices.filter((index) => index.name < name);
    const actions = [
      { add: { index: name, alias: this.#serving } },
      ...older.map((index) => ({ remove_index: { index: index.name } })),
    ];
    await this.#elastic.call((client) =>
      client.indices.updateAliases({ actions }, { requestTimeout: BULK_PATIENCE }),
    );
  }
}

/** How many there are in all. */
export function totalOf({ total }: estypes.SearchHitsMetadata): number {
  return typeof total === "number" ? total : (total?.value ?? 0);
}
