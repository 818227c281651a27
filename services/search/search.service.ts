import type { ServiceBroker } from "moleculer";
import { readCursor, writeCursor } from "../../lib/cursor.ts";
import { AppError } from "../../lib/errors.ts";
import { implement } from "../../lib/implement.ts";
import type { Mixin } from "../../lib/implement.ts";
import type { Answer } from "../../lib/declare.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { ClubIndex } from "./club-index.ts";
import type { ClubEngine } from "./club-index.ts";
import type { Elastic } from "./elastic-client.ts";
import { search } from "./search.contract.ts";

const PAGE = 100;
/** Milliseconds until the first build is tried again, growing while clubs is away. */
const FIRST_RETRY = 50;
const LAST_RETRY = 2_000;

type Clubs = Answer<"clubs.page">;

const own: Mixin<{
  index: ClubEngine;
  elastic: Elastic | null;
  /** An index is being built, or waits for clubs or Elasticsearch. */
  building: boolean;
  retry: NodeJS.Timeout | null;
  ended: boolean;
}> = {};

export default implement(search, {
  mixins: [own],
  methods: {
    /** Builds the index as soon as clubs, and Elasticsearch where there is one, answer. */
    buildAgain(): void {
      if (this.building || this.ended) return;
      this.building = true;
      void this.buildFirst(FIRST_RETRY);
    },
    async buildFirst(wait: number): Promise<void> {
      try {
        const clubs = await this.index.rebuild(() => pagesOf(this.broker));
        this.logger.info("The search index is built", { clubs });
        this.building = false;
      } catch (error) {
        if (this.ended) return;
        if (wait === LAST_RETRY) this.logger.warn("Search waits for clubs", { error: String(error) });
        const next = Math.min(wait * 2, LAST_RETRY);
        this.retry = setTimeout(() => void this.buildFirst(next), wait);
      }
    },
    /** What Elasticsearch answers; null while it is away. The index in this process has nobody to stand in for it. */
    async unlessAway<R>(ask: () => Promise<R>): Promise<R | null> {
      try {
        return await ask();
      } catch (error) {
        if (this.elastic && error instanceof AppError && error.type === "UNAVAILABLE") return null;
        throw error;
      }
    },
  },
  actions: {
    async clubs(ctx) {
      const { q, category, tag, sort, limit, cursor } = ctx.params;
      const kind = `search.clubs.${sort}`;
      const place = readCursor(cursor, kind, ["number", "string"]);
      const asked = {
        q,
        category: category ?? undefined,
        tag: tag ?? undefined,
        sort,
        limit,
        after: place ? { key: place[0] as number, id: place[1] as string } : undefined,
      };
      const found = await this.unlessAway(async () => this.index.search(asked));
      if (!found) return plainly(await ctx.call("clubs.findByName", { q, category, tag, limit }));
      const { next, ...hits } = found;
      return { ...hits, nextCursor: next && writeCursor(kind, [next.key, next.id]) };
    },
    async suggestClubs(ctx) {
      const { q } = ctx.params;
      const found = await this.unlessAway(async () => this.index.suggest(q));
      if (found) return found;
      const { clubs } = await ctx.call("clubs.findByName", { q, category: null, tag: null, limit: 10 });
      return clubs.map(({ id, name }) => ({ id, name }));
    },
    async rebuild() {
      return { clubs: await this.index.rebuild(() => pagesOf(this.broker)) };
    },
    async onClubChanged(ctx) {
      const { id, version } = ctx.params.aggregate;
      const [club] = await ctx.call("clubs.records", { ids: [id] });
      // Read from a copy that is behind: the message comes again.
      if (club && club.version < version) throw new AppError("UNAVAILABLE", { retryAfter: 1 });
      await this.index.apply(id, club ?? null);
    },
  },
  created() {
    this.index = new ClubIndex();
    this.elastic = null;
    this.building = false;
    this.ended = false;
  },
  async started() {
    const { elasticsearchUrl, namespace } = runtimeOf(this.broker).settings;
    if (!elasticsearchUrl) return this.buildAgain();
    const [{ startElastic }, { ElasticIndex }] = await Promise.all([
      import("./elastic-client.ts"),
      import("./elastic-index.ts"),
    ]);
    this.elastic = await startElastic(this.broker, elasticsearchUrl);
    const index = new ElasticIndex(this.elastic, namespace, () => this.buildAgain());
    this.index = index;
    // Where it does not answer the first search tells.
    if (!(await index.exists().catch(() => true))) this.buildAgain();
  },
  async stopped() {
    this.ended = true;
    if (this.retry) clearTimeout(this.retry);
    await this.elastic?.close();
  },
});

/** Clubs by name as an answer of the search. */
function plainly({ clubs, total }: Answer<"clubs.findByName">): Answer<"search.clubs"> {
  return {
    items: clubs.map(({ id }) => ({ id, score: 0, highlights: {} })),
    facets: { category: [], tag: [] },
    total,
    nextCursor: null,
    degraded: true,
  };
}

/** All active clubs in the order of their ids. */
async function* pagesOf(broker: ServiceBroker): AsyncGenerator<Clubs> {
  let after: string | null = null;
  for (;;) {
    const page: Clubs = await broker.call<Clubs, object>("clubs.page", { after, limit: PAGE });
    yield page;
    if (page.length < PAGE) return;
    after = page.at(-1)?.id ?? null;
  }
}
