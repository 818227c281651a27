/** The index of clubs on Elasticsearch. Searches go to an alias, changes to every index that is served or being built. */
import { createHash } from "node:crypto";
import type { estypes } from "@elastic/elasticsearch";
import { AppError } from "../../lib/errors.ts";
import { newId } from "../../lib/ids.ts";
import { highlightsOf } from "../../lib/search/highlights.ts";
import type { SearchItem, SearchQuery, SearchResult, Suggestion } from "../../lib/search/index.ts";
import { type Mode, modesFor } from "../../lib/search/match.ts";
import { type AnalyzedQuery, analyzeQuery } from "../../lib/search/query.ts";
import type { ClubRecord } from "../clubs/clubs.contract.ts";
import { documentOf, type ClubEngine } from "./club-index.ts";
import { BULK_PATIENCE, type Elastic, IndexLost } from "./elastic-client.ts";
import { FIELDS, MAPPINGS, SETTINGS, type Stored, storedOf } from "./elastic-document.ts";
import { countsOf, type Plan, planOf, requestOf, suggestionsOf } from "./elastic-query.ts";

/** Changes with the form of the documents: nodes of another form have an index of their own. */
const FORM = createHash("sha256")
  .update(JSON.stringify([MAPPINGS, SETTINGS]))
  .digest("hex")
  .slice(0, 8);
/** Each index is written by this alias only, so that one that is lost does not come back without its mapping. */
const WRITE = "-write";
const BATCH = 500;
const SUGGESTIONS = 10;

type Change = { id: string; version: number; stored: Stored | { active: false } };
type Waiting = Change & { resolve: () => void; reject: (error: unknown) => void };
const rarity = (all: number, found: number): number => Math.log(1 + (all - found + 0.5) / (found + 0.5));

function changeOf(id: string, club: ClubRecord | null): Change {
  // Ids are never used again. A document without texts stays, so that nothing older comes back.
  if (club?.status !== "active")
    return { id, version: club?.revision ?? Number.MAX_SAFE_INTEGER, stored: { active: false } };
  return { id, version: club.revision, stored: storedOf(documentOf(club)) };
}

export class ElasticIndex implements ClubEngine {
  readonly #elastic: Elastic;
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
  constructor(elastic: Elastic, namespace: string, onLost: () => void) {
    this.#elastic = elastic;
    this.#serving = `${namespace.toLowerCase().replace(/[^a-z0-9-]/g, "-")}-clubs-${FORM}`;
    this.#onLost = onLost;
  }

  /** Whether there is an index to search. */
  exists(): Promise<boolean> {
    return this.#elastic.call((client) => client.indices.existsAlias({ name: this.#serving }));
  }

  async search(asked: SearchQuery): Promise<SearchResult> {
    const query = analyzeQuery(asked.q);
    const nothing = { items: [], facets: { category: [], tag: [] }, total: 0, next: null };
    if (query.clauses.length === 0) return nothing;
    let found: number[] | undefined;
    for (const mode of modesFor(query)) {
      const plan = planOf(query, mode, found);
      const { all, hits, parts, whole } = await this.#count(plan, asked);
      found ??= parts;
      if (hits === 0) continue;
      const rarities = { parts: parts.map((count) => rarity(all, count)), whole: rarity(all, whole) };
      return resultOf(await this.#ask(requestOf(query, plan, rarities, asked)), query, mode, asked);
    }
    return nothing;
  }

  async suggest(q: string): Promise<Suggestion[]> {
    const query = analyzeQuery(q);
    if (query.plain === "") return [];
    for (const loose of [false, true]) {
      const { hits } = await this.#ask(suggestionsOf(query, loose, SUGGESTIONS));
      if (hits.hits.length > 0)
        return hits.hits.flatMap(({ _source: stored }) =>
          stored ? [{ id: stored.document.id, name: stored.document.fields["name"] ?? "" }] : [],
        );
    }
    return [];
  }

  /** Answers when the change is in every index. Changes that come while others are written go together. */
  apply(id: string, club: ClubRecord | null): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...changeOf(id, club), resolve, reject });
      void this.#flush();
    });
  }

  rebuild(pages: () => AsyncIterable<ClubRecord[]>): Promise<number> {
    this.#building ??= this.#build(pages()).finally(() => (this.#building = null));
    return this.#building;
  }

  async #flush(): Promise<void> {
    if (this.#flushing) return;
    this.#flushing = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH);
      try {
        // Asked each time: an index that is begun after this reads the clubs after their change.
        const indices = await this.#indices();
        if (!indices.some(({ serving }) => serving)) throw new IndexLost();
        for (const { name } of indices) await this.#write(name, batch, true);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        if (error instanceof IndexLost) this.#onLost();
        for (const { reject } of batch) reject(error);
      }
    }
    this.#flushing = false;
  }

  async #write(name: string, changes: Change[], refresh: boolean): Promise<void> {
    if (changes.length === 0) return;
    const operations = changes.flatMap(({ id, version, stored }) => {
      // Of one version the one without texts wins.
      const version_type: estypes.VersionType = stored.active ? "external" : "external_gte";
      return [{ index: { _id: id, version, version_type } }, stored];
    });
    const { items } = await this.#elastic.call((client) =>
      client.bulk(
        { index: name + WRITE, require_alias: true, operations, refresh },
        { requestTimeout: BULK_PATIENCE },
      ),
    );
    for (const { index } of items) {
      // 409: something as new is there.
      if (!index?.error || index.status === 409) continue;
      if (index.status === 404) throw new IndexLost();
      throw new AppError("UNAVAILABLE", { retryAfter: 1 });
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

  async #build(pages: AsyncIterable<ClubRecord[]>): Promise<number> {
    const name = `${this.#serving}-${newId()}`;
    const body = { index: name, mappings: MAPPINGS, settings: SETTINGS, aliases: { [name + WRITE]: {} } };
    const options = { requestTimeout: BULK_PATIENCE };
    await this.#elastic.call((client) => client.indices.create(body, options));
    try {
      for await (const page of pages)
        await this.#write(
          name,
          page.map((club) => changeOf(club.id, club)),
          false,
        );
      await this.#elastic.call((client) => client.indices.refresh({ index: name }, options));
      await this.#serve(name);
    } catch (error) {
      // Where it cannot be removed now, the next one that is built does.
      await this.#elastic.call((client) => client.indices.delete({ index: name })).catch(() => undefined);
      // A newer one of another node took its place while this one was built.
      const newer = await this.#indices().catch(() => []);
      if (!newer.some((index) => index.serving && index.name > name)) throw error;
    }
    const { count } = await this.#elastic.call((client) =>
      client.count({ index: this.#serving, query: { term: { active: true } } }),
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

  async #ask(request: estypes.SearchRequest): Promise<estypes.SearchResponse<Stored>> {
    try {
      return await this.#elastic.call((client) =>
        client.search<Stored>({ ...request, index: this.#serving }),
      );
    } catch (error) {
      if (error instanceof IndexLost) this.#onLost();
      throw error;
    }
  }

  async #count(
    plan: Plan,
    asked: SearchQuery,
  ): Promise<{ all: number; hits: number; parts: number[]; whole: number }> {
    const { hits, aggregations } = await this.#ask(countsOf(plan, asked));
    const counts = aggregations?.["counts"] as estypes.AggregationsFiltersAggregate | undefined;
    const buckets = (counts?.buckets ?? {}) as Record<string, { doc_count: number }>;
    const of = (key: string): number => buckets[key]?.doc_count ?? 0;
    return {
      all: totalOf(hits),
      hits: of("hits"),
      parts: plan.parts.map((_, i) => of(`${i}`)),
      whole: of("whole"),
    };
  }
}

function resultOf(
  { hits, aggregations }: estypes.SearchResponse<Stored>,
  query: AnalyzedQuery,
  { typos }: Mode,
  { limit }: SearchQuery,
): SearchResult {
  const page = hits.hits.slice(0, limit);
  const last = page.at(-1)?.sort;
  const items = page.flatMap(({ _source: stored, _score: score }): SearchItem[] => {
    if (!stored) return [];
    const highlights = highlightsOf(stored.document, query, { fields: FIELDS, nameField: "name", typos });
    return [{ id: stored.document.id, score: Math.round((score ?? 0) * 1e6) / 1e6, highlights }];
  });
  return {
    items,
    facets: { category: facetOf(aggregations?.["category"]), tag: facetOf(aggregations?.["tag"]) },
    total: totalOf(hits),
    next: last && hits.hits.length > limit ? { key: Number(last[0]), id: String(last[1]) } : null,
  };
}

function totalOf({ total }: estypes.SearchHitsMetadata<Stored>): number {
  return typeof total === "number" ? total : (total?.value ?? 0);
}

function facetOf(found: estypes.AggregationsAggregate | undefined): SearchResult["facets"]["tag"] {
  const { buckets } = found as estypes.AggregationsStringTermsAggregate;
  return (buckets as estypes.AggregationsStringTermsBucket[]).map(({ key, doc_count: count }) => ({
    value: String(key),
    count,
  }));
}
