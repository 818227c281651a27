/** What the domain's services have in common: its collections, and how posts and comments are changed. */
import type { Logger, ServiceBroker } from "moleculer";
import type { Acted } from "../../lib/audit.ts";
import type { Envelope } from "../../lib/declare.ts";
import type { Collection, Query, Update } from "../../lib/documents.ts";
import { Fresh } from "../../lib/fresh.ts";
import { newId } from "../../lib/ids.ts";
import type { Ctx, Mixin } from "../../lib/implement.ts";
import { actedEnvelope, tellingOf } from "../../mixins/acting.ts";
import type { RefusalMethods } from "../../mixins/acting.ts";
import type { DocumentsMethods } from "../../mixins/documents.ts";
import type { Ranked } from "./ranking.ts";
import { openStore, scoreOf } from "./records.ts";
import { acquireShowing, releaseShowing } from "./showing.ts";
import type { Showing } from "./showing.ts";
import type { Told } from "../../lib/queue-documents.ts";
import type { CommentDocument, ContentType, PostDocument, Store } from "./records.ts";

/** What a change tells others. */
export type Telling = Pick<Told, "type" | "data">;
/** Fields that a change removes. */
type Removed<D> = { [K in Exclude<keyof D, "_id">]?: true };
/** Tries of a count that others change at the same time. */
const TRIES = 20;

export interface KeepingMethods extends RefusalMethods {
  store: Store;
  /** How posts are shown to everyone; what is changed by these methods it knows. */
  showing: Showing;
  /** The post as it is after this was asked for; hundreds at once are one reading. */
  post(id: string): Promise<PostDocument | null>;
  /**
   * Changes a post that is still at this version; null when it is not. It has the next version then, and what it tells is
   * kept with it and passed on.
   */
  changePost(
    ctx: Ctx,
    post: PostDocument,
    change: Partial<PostDocument>,
    told: Telling[],
    removed?: Removed<PostDocument>,
  ): Promise<PostDocument | null>;
  /** Adds a post with its messages in it; false when it is there already. */
  addPost(post: PostDocument): Promise<boolean>;
  /** The same of a comment. */
  changeComment(
    ctx: Ctx,
    comment: CommentDocument,
    change: Partial<CommentDocument>,
    told: Telling[],
    removed?: Removed<CommentDocument>,
  ): Promise<CommentDocument | null>;
  /** The messages of a change, or of a new post or comment, for its `outbox`; what the audit log is told is among them. */
  messagesOf(ctx: Ctx, version: number, told: Telling[]): Told[];
  /** Puts the messages of a post or a comment into the outbox. */
  passOn(type: ContentType, id: string): Promise<void>;
  /** Says that likes or comments of a post are about to change; `recount` follows. */
  touch(postId: string): Promise<void>;
  /** Brings the counts of a post up to what was there when this was asked for; hundreds at once are one counting. */
  recount(postId: string): Promise<void>;
  /** Finishes what nodes that died have left. */
  takeUp(): Promise<void>;
}

type Self = KeepingMethods &
  DocumentsMethods & {
    broker: ServiceBroker;
    logger: Logger;
    reading: Fresh<string, PostDocument | null>;
    touching: Fresh<string, void>;
    counting: Fresh<string, void>;
  };

/** Milliseconds after which what a node has left is finished by another. */
const LEFT = 10_000;
const AT_ONCE = 100;
const COUNTED = ["stamp", "createdAt", "clubId", "shown", "pinned"] as const;

/** Needs the mixin of the domain's documents behind it: what stands last in a list starts first. */
export function keeping(): Mixin<KeepingMethods> {
  const mixin = {
    async started(this: Self) {
      this.store = await openStore(this.documents);
      this.showing = acquireShowing(this.broker, this.store, this.logger);
      this.reading = new Fresh((id) => this.store.posts.findOne({ _id: id }));
      this.touching = new Fresh(async (id) => {
        await this.store.posts.updateOne({ _id: id }, { $set: { touchedAt: Date.now() } });
      });
      this.counting = new Fresh(async (id) => {
        const counted = await count(this.store, id);
        if (counted) await this.showing.recounted(counted);
      });
    },
    async stopped(this: Self) {
      if (this.showing) releaseShowing(this.broker);
    },
    methods: {
      post(this: Self, id: string) {
        return this.reading.get(id);
      },
      async changePost(
        this: Self,
        ctx: Ctx,
        post: PostDocument,
        change: Partial<PostDocument>,
        told: Telling[],
        removed?: Removed<PostDocument>,
      ) {
        const after = await changed(this, this.store.posts, "post", ctx, post, change, told, removed);
        if (after) await this.showing.changed(after);
        return after;
      },
      async addPost(this: Self, post: PostDocument) {
        if (!(await this.store.posts.insertOne(post))) return false;
        if (post.pending) await this.passOn("post", post._id).catch(() => undefined);
        await this.showing.changed(post);
        return true;
      },
      changeComment(
        this: Self,
        ctx: Ctx,
        comment: CommentDocument,
        change: Partial<CommentDocument>,
        told: Telling[],
        removed?: Removed<CommentDocument>,
      ) {
        return changed(this, this.store.comments, "comment", ctx, comment, change, told, removed);
      },
      messagesOf(this: Self, ctx: Ctx, version: number, told: Telling[]): Told[] {
        const { user: actor } = ctx.locals;
        const requestId = ctx.requestID ?? null;
        return [...told, ...tellingOf(ctx, "posts")].map((each) => ({
          ...each,
          id: newId(),
          at: Date.now(),
          version,
          actor,
          requestId,
        }));
      },
      async tellRefused(this: Self, ctx: Ctx, acted: Acted) {
        await this.outbox.tell([actedEnvelope(ctx, "posts", acted)]);
        this.relay.nudge();
      },
      passOn(this: Self, type: ContentType, id: string) {
        return type === "post"
          ? passedOn(this, this.store.posts, type, id)
          : passedOn(this, this.store.comments, type, id);
      },
      touch(this: Self, postId: string) {
        return this.touching.get(postId);
      },
      recount(this: Self, postId: string) {
        return this.counting.get(postId);
      },
      async takeUp(this: Self): Promise<void> {
        const { posts, comments } = this.store;
        const untold = { limit: AT_ONCE, projection: ["authorId"] } as const;
        for (const { _id } of await posts.find({ pending: true }, untold)) await this.passOn("post", _id);
        for (const { _id } of await comments.find({ pending: true }, untold))
          await this.passOn("comment", _id);
        await this.showing.ranking.catchUp();
        const before = Date.now() - LEFT;
        const uncounted = await posts.find(
          { touchedAt: { $lt: before } },
          { limit: AT_ONCE, projection: ["touchedAt"] },
        );
        for (const { _id, touchedAt } of uncounted) {
          await this.recount(_id);
          await posts.updateOne({ _id, touchedAt }, { $unset: { touchedAt: true } });
        }
      },
    },
  };
  return mixin as unknown as Mixin<KeepingMethods>;
}

/** The counts are those of the collections, and the one that was read last is kept. */
async function count(store: Store, id: string): Promise<Ranked | null> {
  for (let tries = 0; tries < TRIES; tries++) {
    const [post] = await store.posts.find({ _id: id }, { projection: COUNTED });
    if (!post) return null;
    const [likeCount, commentCount] = await Promise.all([
      store.likes.count({ post: id }),
      store.comments.count({ postId: id, status: "published" }),
    ]);
    const counts = { likeCount, commentCount };
    const { stamp, createdAt } = post;
    const score = scoreOf({ ...counts, createdAt });
    const { matched } = await store.posts.updateOne(
      { _id: id, stamp },
      { $set: { ...counts, score, stamp: stamp + 1 } },
    );
    if (matched > 0) return { ...post, score };
  }
  // Others are counting without end: a sweep counts what is left.
  return null;
}

interface Content {
  _id: string;
  version: number;
  updatedAt: number;
  outbox: Told[];
  pending: boolean;
}

async function changed<D extends Content>(
  service: Self,
  collection: Collection<D>,
  type: ContentType,
  ctx: Ctx,
  before: D,
  change: Partial<D>,
  told: Telling[],
  removed: Removed<D> = {},
): Promise<D | null> {
  const version = before.version + 1;
  const messages = service.messagesOf(ctx, version, told);
  const written = { ...change, version, updatedAt: Date.now() };
  // The compiler cannot see what every content has behind the type parameter.
  const query = { _id: before._id, version: before.version } as unknown as Query<D>;
  const update = {
    $set: { ...written, ...(messages.length > 0 && { pending: true }) },
    ...(Object.keys(removed).length > 0 && { $unset: removed }),
    ...(messages.length > 0 && { $push: { outbox: { $each: messages } } }),
  } as unknown as Update<D>;
  const { matched } = await collection.updateOne(query, update);
  if (matched === 0) return null;
  ctx.locals.recorded = true;
  if (messages.length > 0) await service.passOn(type, before._id).catch(() => undefined);
  const after: D = { ...before, ...written };
  for (const field of Object.keys(removed)) delete after[field as keyof D];
  return after;
}

async function passedOn<D extends Content>(
  service: Self,
  collection: Collection<D>,
  type: ContentType,
  id: string,
): Promise<void> {
  const byId = { _id: id } as unknown as Query<D>;
  const [content] = await collection.find(byId, { projection: ["outbox", "pending", "version"] });
  if (!content?.pending) return;
  await service.outbox.tell(content.outbox.map((told) => envelopeOf(type, id, told)));
  service.relay.nudge();
  await collection.updateOne({ _id: id, version: content.version }, {
    $set: { outbox: [], pending: false },
  } as unknown as Update<D>);
}

function envelopeOf(type: ContentType, id: string, { version, ...told }: Told): Envelope {
  return { ...told, aggregate: { type, id, version } };
}
