/** How posts are shown to everyone: read once in a moment however many ask, and ranked. Services of one node share it. */
import type { Logger, ServiceBroker } from "moleculer";
import { shareRedis } from "../../lib/redis.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { memoryBoard, redisBoard } from "./boards.ts";
import { rankedPage } from "./listing.ts";
import { LISTED, Snapshot } from "./present.ts";
import type { Listed } from "./present.ts";
import type { Board, Ranked } from "./ranking.ts";
import { NEW, Ranking } from "./ranking.ts";
import type { PostDocument, Store } from "./records.ts";
import { ShortLived } from "./short-lived.ts";

/** Milliseconds; with the time that an answer takes nobody sees on another node what is older than a second. */
export const LIFETIME = { ms: 900 };
const POSTS = 1_000;
const PAGES = 1_000;

export type Whole = Listed & Pick<PostDocument, "html">;
const WHOLE = [...LISTED, "html"] as const;

export class Showing {
  readonly ranking: Ranking;
  /** Where the store does not find the newest by an index. */
  readonly newest: Ranking | null;
  /** By id; without a post where there is none. */
  readonly #posts: ShortLived<Snapshot<Whole>>;
  readonly #pages: ShortLived<Snapshot>;

  constructor(store: Store, board: Board | null, newest: Board | null) {
    this.ranking = new Ranking(store, board);
    this.newest = newest && new Ranking(store, newest, NEW);
    this.#posts = new ShortLived(
      async (id) => new Snapshot(await store.posts.find({ _id: id }, { projection: WHOLE })),
      POSTS,
      LIFETIME.ms,
    );
    this.#pages = new ShortLived(
      (key) => {
        const [scope, limit] = key.split(" ") as [string, string];
        return rankedPage(store, this.ranking, "hot", scope, null, Number(limit));
      },
      PAGES,
      LIFETIME.ms,
    );
  }

  /** A post as it was at most a second ago, or as this node has changed it since. */
  post(id: string): Promise<Snapshot<Whole>> {
    return this.#posts.get(id);
  }

  /** The first page of the hottest. */
  hottest(scope: string, limit: number): Promise<Snapshot> {
    return this.#pages.get(`${scope} ${limit}`);
  }

  /** To be called after each change of a post's text, or of whether it is shown. */
  async changed(post: Ranked): Promise<void> {
    this.#posts.forget(post._id);
    this.#pages.forgetAll();
    await this.ranking.changed(post);
    await this.newest?.changed(post);
    // One that began before the board knew.
    this.#pages.forgetAll();
  }

  /** After its counts have changed. Lists follow within a second. */
  async recounted(post: Ranked): Promise<void> {
    this.#posts.forget(post._id);
    await this.ranking.changed(post);
  }
}

interface Shared {
  showing: Showing;
  redis: { release(): void } | null;
  users: number;
}

const shared = new WeakMap<ServiceBroker, Shared>();

export function acquireShowing(broker: ServiceBroker, store: Store, log: Logger): Showing {
  const known = shared.get(broker);
  if (known) {
    known.users++;
    return known.showing;
  }
  const { settings } = runtimeOf(broker);
  const redis = settings.redisUrl
    ? shareRedis(settings.redisUrl, (text, data) => log.warn(`${text} (hot posts)`, data ?? {}))
    : null;
  // Without Redis, but with others beside it, a node does not know what they change.
  const embedded = settings.documentUrls.posts === null;
  const board = redis ? redisBoard(redis.client, settings.namespace) : embedded ? memoryBoard() : null;
  const showing = new Showing(store, board, embedded ? memoryBoard() : null);
  shared.set(broker, { showing, redis, users: 1 });
  return showing;
}

export function releaseShowing(broker: ServiceBroker): void {
  const own = shared.get(broker);
  if (!own || --own.users > 0) return;
  shared.delete(broker);
  own.redis?.release();
}
