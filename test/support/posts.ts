/** The posts domain behind the public gateway, beside small stand-ins of the domains that it asks. */
import type { ServiceBroker, ServiceSchema } from "moleculer";
import type { Answer, Envelope, Params } from "../../lib/declare.ts";
import { AppError } from "../../lib/errors.ts";
import type { DocumentsMethods } from "../../mixins/documents.ts";
import type { ClubRecord } from "../../services/clubs/clubs.contract.ts";
import type { Comment } from "../../services/posts/comments.contract.ts";
import type { KeepingMethods } from "../../services/posts/keeping.ts";
import type { Post } from "../../services/posts/posts.contract.ts";
import type { PostDocument, Store } from "../../services/posts/records.ts";
import { DomainUnderTest, signer } from "./domain.ts";
import type { CallOptions, Club, Problem } from "./domain.ts";
import { eventually } from "./federation.ts";
import { serves, startPlace } from "./place.ts";
import { standIns } from "./stand-ins.ts";
import type { World } from "./stand-ins.ts";

export { eventually };
export type { CallOptions, Club, Problem };
export type { Comment, Post };

export interface PostList {
  items: Post[];
  nextCursor: string | null;
}
export interface CommentList {
  items: Comment[];
  nextCursor: string | null;
}

type Fields = Record<string, unknown>;

interface ForumWorld extends World {
  /** Ids of files that a post may show, whosever they are. */
  files: Set<string>;
  claims: Params<"files.claim">[];
  /** What the search answers; null: it is away. */
  hits: ((asked: Params<"search.posts">) => Answer<"search.posts">) | null;
  /** What search was told. */
  posts: Envelope[];
  /** Runs before a club is asked for. */
  onClub: () => void;
}

export class Forum extends DomainUnderTest<ForumWorld, Post> {
  /** The domain's collections and how it changes them, to set the time back and to look at what is stored. */
  get keeping(): KeepingMethods & { broker: ServiceBroker } {
    return this.broker.getLocalService("posts") as unknown as KeepingMethods & {
      broker: ServiceBroker;
    };
  }

  get store(): Store {
    return this.keeping.store;
  }

  moderator(): string {
    const id = this.person("Moderator");
    this.world.roles.set(id, ["moderator"]);
    return id;
  }

  /** Its status changes, and posts hears of it. */
  async become(club: Club, status: ClubRecord["status"]): Promise<void> {
    this.setStatus(club, status);
    await this.deliver("posts.onClubChanged", "clubs.statusChanged", { type: "club", id: club.id });
  }

  post(as: string, more: Fields = {}): Promise<Post> {
    return this.ok("POST", "/posts", { as, body: { title: "Paper boats", body: "They *float*.", ...more } });
  }

  get(id: string, as?: string): Promise<Post> {
    return this.ok("GET", `/posts/${id}`, { as });
  }

  list(query: object = {}, as?: string): Promise<PostList> {
    return this.ok("GET", `/posts?${new URLSearchParams({ ...query }).toString()}`, { as });
  }

  /** All pages of a list, by their ids. */
  async pages(query: object = {}, as?: string): Promise<string[]> {
    const ids: string[] = [];
    let cursor: string | null = null;
    do {
      const page: PostList = await this.list({ ...query, ...(cursor !== null && { cursor }) }, as);
      ids.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== null);
    return ids;
  }

  comment(post: string, as: string, more: Fields = {}): Promise<Comment> {
    return this.ok("POST", `/posts/${post}/comments`, { as, body: { body: "Do they?", ...more } });
  }

  comments(post: string, query: object = {}, as?: string): Promise<CommentList> {
    const asked = new URLSearchParams({ ...query }).toString();
    return this.ok("GET", `/posts/${post}/comments?${asked}`, { as });
  }

  like(id: string, as: string): Promise<string> {
    return this.outcome("PUT", `/posts/${id}/like`, { as });
  }

  unlike(id: string, as: string): Promise<string> {
    return this.outcome("DELETE", `/posts/${id}/like`, { as });
  }

  stored(id: string): Promise<PostDocument | null> {
    return this.store.posts.findOne({ _id: id });
  }

  /** Messages of a type about a content, in the order of their telling. */
  async told(type: string, id: string): Promise<Envelope<Record<string, unknown>>[]> {
    const rows = await this.#outbox();
    return rows.filter((each) => each.type === type && each.aggregate.id === id);
  }

  async #outbox(): Promise<Envelope<Record<string, unknown>>[]> {
    const { documents } = this.keeping as unknown as DocumentsMethods;
    const rows = await documents.collection<{ _id: string; envelope: string }>("outbox", { indexes: [] });
    const found = await rows.find({}, { sort: { _id: 1 } });
    return found.map(({ envelope }) => JSON.parse(envelope) as Envelope<Record<string, unknown>>);
  }
}

function neighbours(world: ForumWorld): ServiceSchema[] {
  const clubs = {
    get(id: string) {
      world.onClub();
      return world.clubs.get(id);
    },
  } as World["clubs"];
  return standIns({ ...world, clubs }, signer);
}

function beside(world: ForumWorld): ServiceSchema[] {
  return [
    {
      name: "files",
      actions: {
        claim(ctx): Answer<"files.claim"> {
          const asked = ctx.params as Params<"files.claim">;
          const refused = asked.fileIds.filter((id) => !world.files.has(id));
          if (refused.length === 0) world.claims.push(asked);
          return { refused };
        },
      },
    },
    {
      name: "search",
      actions: {
        posts(ctx): Answer<"search.posts"> {
          if (!world.hits) throw new AppError("UNAVAILABLE", { retryAfter: 2 });
          return world.hits(ctx.params as Params<"search.posts">);
        },
        onPostChanged(ctx) {
          world.posts.push(ctx.params as Envelope);
        },
      },
    },
  ];
}

/** @param world that of another forum, to be a second node of it */
export async function startForum(env: Record<string, string> = {}, world = newWorld()): Promise<Forum> {
  const place = await startPlace(["gateway", "posts"], env, [...neighbours(world), ...beside(world)]);
  await serves(place.broker);
  return new Forum(place, world);
}

function newWorld(): ForumWorld {
  return {
    clubs: new Map(),
    members: new Map(),
    people: new Map(),
    roles: new Map(),
    told: [],
    onRoles: async () => undefined,
    clubsAway: false,
    files: new Set(),
    claims: [],
    hits: null,
    posts: [],
    onClub: () => undefined,
  };
}
