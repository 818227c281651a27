import type { ServiceBroker } from "moleculer";
import { readCursor, writeCursor } from "../../lib/cursor.ts";
import { AppError } from "../../lib/errors.ts";
import { implement } from "../../lib/implement.ts";
import type { Mixin } from "../../lib/implement.ts";
import type { Answer } from "../../lib/declare.ts";
import { ClubIndex } from "./club-index.ts";
import { search } from "./search.contract.ts";

const PAGE = 100;
/** Milliseconds until the first build is tried again, growing while clubs is away. */
const FIRST_RETRY = 50;
const LAST_RETRY = 2_000;

type Clubs = Answer<"clubs.page">;

const own: Mixin<{
  index: ClubIndex;
  retry: NodeJS.Timeout | null;
  ended: boolean;
}> = {};

export default implement(search, {
  mixins: [own],
  methods: {
    /** Builds the first index as soon as clubs answers. */
    async buildFirst(wait: number): Promise<void> {
      try {
        const clubs = await this.index.rebuild(() => pagesOf(this.broker));
        this.logger.info("The search index is built", { clubs });
      } catch (error) {
        if (this.ended) return;
        if (wait === LAST_RETRY) this.logger.warn("Search waits for clubs", { error: String(error) });
        const next = Math.min(wait * 2, LAST_RETRY);
        this.retry = setTimeout(() => void this.buildFirst(next), wait);
      }
    },
  },
  actions: {
    async clubs(ctx) {
      const { q, category, tag, sort, limit, cursor } = ctx.params;
      const kind = `search.clubs.${sort}`;
      const place = readCursor(cursor, kind, ["number", "string"]);
      const { next, ...found } = this.index.current.search({
        q,
        category: category ?? undefined,
        tag: tag ?? undefined,
        sort,
        limit,
        after: place ? { key: place[0] as number, id: place[1] as string } : undefined,
      });
      return { ...found, nextCursor: next && writeCursor(kind, [next.key, next.id]) };
    },
    async suggestClubs(ctx) {
      return this.index.current.suggest(ctx.params.q);
    },
    async rebuild() {
      return { clubs: await this.index.rebuild(() => pagesOf(this.broker)) };
    },
    async onClubChanged(ctx) {
      const { id, version } = ctx.params.aggregate;
      const [club] = await ctx.call("clubs.records", { ids: [id] });
      // Read from a copy that is behind: the message comes again.
      if (club && club.version < version) throw new AppError("UNAVAILABLE", { retryAfter: 1 });
      this.index.apply(id, club ?? null);
    },
  },
  created() {
    this.index = new ClubIndex();
    this.ended = false;
  },
  async started() {
    void this.buildFirst(FIRST_RETRY);
  },
  async stopped() {
    this.ended = true;
    if (this.retry) clearTimeout(this.retry);
  },
});

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
