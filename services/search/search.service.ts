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
import { Keeper } from "./keeper.ts";
import { PostIndex } from "./post-index.ts";
import type { PostEngine } from "./post-index.ts";
import { counting, Rebuilding } from "./rebuilding.ts";
import { search } from "./search.contract.ts";

/** Kind of the cursors. */
const POSTS = "search.posts";
/** Clubs, and posts, of one page of a rebuild. */
const PAGE = 100;
const POSTS_PAGE = 500;

type Clubs = Answer<"clubs.page">;
type Posts = Answer<"posts.page">;

const own: Mixin<{
  index: ClubEngine;
  postIndex: PostEngine;
  keepers: { clubs: Keeper; posts: Keeper };
  elastic: Elastic | null;
  rebuilding: Rebuilding;
}> = {};

export default implement(search, {
  mixins: [own],
  methods: {
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
    async posts(ctx) {
      const { cursor, ...asked } = ctx.params;
      const place = readCursor(cursor, POSTS, ["number", "string"]);
      const after = place && { key: place[0] as number, id: place[1] as string };
      const { next, ...hits } = await this.postIndex.search({ ...asked, after });
      return { ...hits, nextCursor: next && writeCursor(POSTS, [next.key, next.id]) };
    },
    async rebuild() {
      return { clubs: await this.index.rebuild(() => clubPages(this.broker)) };
    },
    async rebuildPosts() {
      return { posts: await this.postIndex.rebuild(() => postPages(this.broker)) };
    },
    async beginRebuild() {
      this.rebuilding.begin();
      return { shared: this.elastic !== null, ...this.rebuilding.state };
    },
    async rebuildState() {
      return { shared: this.elastic !== null, ...this.rebuilding.state };
    },
    async onClubChanged(ctx) {
      const { id, version } = ctx.params.aggregate;
      const [club] = await ctx.call("clubs.records", { ids: [id] });
      // Read from a copy that is behind: the message comes again.
      if (club && club.version < version) throw new AppError("UNAVAILABLE", { retryAfter: 1 });
      await this.index.apply(id, club ?? null);
    },
    async onPostChanged(ctx) {
      const { id, version } = ctx.params.aggregate;
      const [post] = await ctx.call("posts.records", { ids: [id] });
      if (post && post.version < version) throw new AppError("UNAVAILABLE", { retryAfter: 1 });
      await this.postIndex.apply(id, post ?? null);
    },
  },
  created() {
    this.index = new ClubIndex();
    this.postIndex = new PostIndex();
    this.keepers = {
      clubs: new Keeper("clubs", () => this.index.rebuild(() => clubPages(this.broker)), this.logger),
      posts: new Keeper("posts", () => this.postIndex.rebuild(() => postPages(this.broker)), this.logger),
    };
    this.elastic = null;
    this.rebuilding = new Rebuilding(
      {
        clubs: (counted) => this.index.rebuild(() => counting(clubPages(this.broker), counted)),
        posts: (counted) => this.postIndex.rebuild(() => counting(postPages(this.broker), counted)),
      },
      this.logger,
    );
  },
  async started() {
    const { elasticsearchUrl, namespace } = runtimeOf(this.broker).settings;
    const { clubs, posts } = this.keepers;
    if (!elasticsearchUrl) {
      clubs.start();
      posts.start();
      return;
    }
    const [{ startElastic }, { ElasticClubs }, { ElasticPosts }] = await Promise.all([
      import("./elastic-client.ts"),
      import("./elastic-clubs.ts"),
      import("./elastic-posts.ts"),
    ]);
    this.elastic = await startElastic(this.broker, elasticsearchUrl);
    const { elastic } = this;
    runtimeOf(this.broker).probes.set("search", {
      kind: "elasticsearch",
      look: async () => void (await elastic.call((client) => client.ping())),
    });
    const index = new ElasticClubs(this.elastic, namespace, () => clubs.start());
    const postIndex = new ElasticPosts(this.elastic, namespace, () => posts.start());
    this.index = index;
    this.postIndex = postIndex;
    // Where it does not answer the first search tells.
    if (!(await index.exists().catch(() => true))) clubs.start();
    if (!(await postIndex.exists().catch(() => true))) posts.start();
  },
  async stopped() {
    for (const keeper of Object.values(this.keepers)) keeper.stop();
    runtimeOf(this.broker).probes.delete("search");
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
async function* clubPages(broker: ServiceBroker): AsyncGenerator<Clubs> {
  let after: string | null = null;
  for (;;) {
    const page: Clubs = await broker.call<Clubs, object>("clubs.page", { after, limit: PAGE });
    yield page;
    if (page.length < PAGE) return;
    after = page.at(-1)?.id ?? null;
  }
}

/** All posts that are shown in the order of their ids. */
async function* postPages(broker: ServiceBroker): AsyncGenerator<Posts["posts"]> {
  let after: string | null = null;
  do {
    const page: Posts = await broker.call<Posts, object>("posts.page", { after, limit: POSTS_PAGE });
    yield page.posts;
    after = page.next;
  } while (after !== null);
}
