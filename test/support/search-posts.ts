/** The search domain with posts answered from a table, until a test wants the real ones. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ServiceBroker, ServiceSchema } from "moleculer";
import type { Answer, Params } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import type { PostRecord } from "../../services/posts/posts.contract.ts";
import { eventually, patient } from "./eventually.ts";
import { startPlace } from "./place.ts";

export class PostsWorld {
  readonly posts = new Map<string, PostRecord>();
  away = false;
  /** Waited for before a page is answered. */
  beforePage: () => Promise<void> = async () => undefined;
  #written = 0;

  post(title: string, fields: Partial<PostRecord> = {}): PostRecord {
    const post: PostRecord = {
      id: newId(),
      clubId: null,
      authorId: newId(),
      title,
      body: "-",
      tags: [],
      fileIds: [],
      status: "published",
      shown: true,
      likeCount: 0,
      version: 1,
      // Each a day newer than the one before.
      createdAt: new Date(Date.UTC(2026, 0, 1) + this.#written++ * 86_400_000).toISOString(),
      ...fields,
    };
    this.posts.set(post.id, post);
    return post;
  }

  change(id: string, fields: Partial<PostRecord>): PostRecord {
    const before = this.posts.get(id) as PostRecord;
    const post = { ...before, version: before.version + 1, ...fields };
    this.posts.set(id, post);
    return post;
  }

  get shown(): PostRecord[] {
    return [...this.posts.values()].filter(({ shown }) => shown).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }
}

function standIn(world: PostsWorld): ServiceSchema {
  const answer = (): void => {
    if (world.away) throw new Error("posts does not answer");
  };
  return {
    name: "posts",
    actions: {
      records(ctx): Answer<"posts.records"> {
        answer();
        return (ctx.params as Params<"posts.records">).ids.flatMap((id) => world.posts.get(id) ?? []);
      },
      async page(ctx): Promise<Answer<"posts.page">> {
        answer();
        const { after, limit } = ctx.params as Params<"posts.page">;
        const left = world.shown.filter(({ id }) => after === null || id > after);
        // Shorter than asked for, as the contract allows.
        const posts = left.slice(0, Math.min(limit, 100));
        await world.beforePage();
        return { posts, next: left.length > posts.length ? (posts.at(-1)?.id ?? null) : null };
      },
    },
  };
}

export type Found = Answer<"search.posts">;
type Message = "posts.published" | "posts.changed" | "posts.held" | "posts.removed";

export class PostSearch {
  readonly world: PostsWorld;
  readonly broker: ServiceBroker;
  readonly stop: () => Promise<void>;

  constructor(world: PostsWorld, broker: ServiceBroker, stop: () => Promise<void>) {
    this.world = world;
    this.broker = broker;
    this.stop = stop;
  }

  once(q: string, more: Partial<Params<"search.posts">> = {}): Promise<Found> {
    const asked = { q, clubId: null, tag: null, limit: 20, cursor: null, ...more };
    return this.broker.call<Found, object>("search.posts", asked);
  }

  ask(q: string, more: Partial<Params<"search.posts">> = {}): Promise<Found> {
    return patient(() => this.once(q, more));
  }

  async titles(q: string, more: Partial<Params<"search.posts">> = {}): Promise<string[]> {
    const { items } = await this.ask(q, more);
    return items.map(({ id }) => this.world.posts.get(id)?.title ?? "?");
  }

  /** Tells search of a post as the relay would. */
  async tell(type: Message, { id, version }: PostRecord): Promise<void> {
    const aggregate = { type: "post", id, version };
    const about = { id: newId(), type, at: Date.now(), actor: null, requestId: null, data: {} };
    await this.broker.call("search.onPostChanged", { ...about, aggregate }, { timeout: 8_000, retries: 0 });
  }

  async rebuild(): Promise<number> {
    return (await this.broker.call<{ posts: number }>("search.rebuildPosts")).posts;
  }

  /** Waits until there is an index that answers. */
  async built(): Promise<this> {
    await eventually(async () => (await this.once("x").catch(() => undefined)) && true, 40_000);
    return this;
  }
}

export async function startPostSearch(
  world = new PostsWorld(),
  env: Record<string, string> = {},
): Promise<PostSearch> {
  const dataDir = await mkdtemp(path.join(tmpdir(), "post-search-"));
  const place = await startPlace(["search"], { DATA_DIR: dataDir, ...env }, [standIn(world)]);
  return new PostSearch(world, place.broker, async () => {
    await place.stop();
    await rm(dataDir, { recursive: true, force: true });
  });
}
