import { audited } from "../../lib/audit.ts";
import type { Answer } from "../../lib/declare.ts";
import { AppError } from "../../lib/errors.ts";
import { expectVersion, idFor, implement, respond, userOf } from "../../lib/implement.ts";
import type { Ctx, Mixin } from "../../lib/implement.ts";
import { documents } from "../../mixins/documents.ts";
import { claimFiles } from "../../mixins/file-claims.ts";
import { sweeper } from "../../mixins/sweeper.ts";
import { clubReader, demandActive, demandMember, followClub, isOfficer } from "./clubs.ts";
import type { ClubReader } from "./clubs.ts";
import { keeping } from "./keeping.ts";
import { listPage, rankedCursor, rankedPage } from "./listing.ts";
import { eraseLikes, eraseRevisions, exportPosts } from "./persons.ts";
import { posts } from "./posts.contract.ts";
import { fitting, LISTED, recordOf, Snapshot, withLikes } from "./present.ts";
import { ALL } from "./ranking.ts";
import type { PostDocument } from "./records.ts";
import { likeId } from "./records.ts";
import { searchPage } from "./searching.ts";
import { Views } from "./views.ts";
import type { Change } from "./writing.ts";
import {
  actedMessage,
  edited,
  newPost,
  removalOf,
  removed,
  rendered,
  revisionOf,
  shownWith,
  toldOfNew,
} from "./writing.ts";

/** Tries of a change that others change at the same time. */
const TRIES = 5;
/** Milliseconds. */
const SWEEP = 3_000;
const HOUR = 3_600_000;
const REVISIONS_KEPT = 180 * 24 * HOUR;

interface Methods {
  isActive: ClubReader;
  views: Views;
  need(id: string): Promise<PostDocument>;
  /** Reads, changes and writes a post, again where somebody else was faster. */
  edit(ctx: Ctx<{ id: string }>, edit: Edit): Promise<PostDocument>;
  /** Pins, locks, and takes it back. */
  flag(ctx: Ctx<{ id: string }>, field: "pinned" | "locked", value: boolean): Promise<void>;
  /** @throws 422 for files that the caller cannot use */
  claim(ctx: Ctx, post: string, fileIds: readonly string[], known: readonly string[]): Promise<void>;
  /** The post as its author sees it. */
  show(ctx: Ctx, post: PostDocument): Promise<Answer<"posts.get">>;
  hottest(scope: string, limit: number, cursor: string | undefined): Promise<Snapshot>;
  page(ctx: Ctx, snapshot: Snapshot): Promise<Answer<"posts.list">>;
}
/** What becomes of the post; null: it is like that already. */
type Edit = (post: PostDocument) => Promise<Made | null> | Made | null;
type Made = Change & { unheld?: true };

const own: Mixin<Methods> = {};

export default implement(posts, {
  mixins: [keeping(), documents("posts", { tells: true }), sweeper(), own],
  methods: {
    async need(id: string): Promise<PostDocument> {
      const post = await this.post(id);
      if (!post) throw new AppError("NOT_FOUND");
      return post;
    },
    async edit(ctx: Ctx<{ id: string }>, edit: Edit): Promise<PostDocument> {
      for (let tries = 0; tries < TRIES; tries++) {
        const post = await this.need(ctx.params.id);
        const made = await edit(post);
        if (!made) return post;
        const gone = made.unheld ? ({ waitingSince: true } as const) : undefined;
        audited(ctx, { before: post, after: { ...post, ...made.change } });
        const after = await this.changePost(ctx, post, made.change, made.told, gone);
        if (after) return after;
      }
      throw new AppError("OVERLOADED", { retryAfter: 1 });
    },
    async flag(ctx: Ctx<{ id: string }>, field: "pinned" | "locked", value: boolean): Promise<void> {
      const byModerator = ctx.locals.grant["byRole"] === true;
      await this.edit(ctx, async (post) => {
        expectVersion(ctx, post.version);
        if (!byModerator) await demandActive(post, this.isActive);
        if (field === "pinned" && value && post.status !== "published") throw new AppError("NOT_PUBLISHED");
        if (post[field] === value) return null;
        const action = ({ pinned: ["unpin", "pin"], locked: ["unlock", "lock"] } as const)[field][+value];
        return {
          change: { [field]: value },
          told: byModerator && action ? [actedMessage(action, post)] : [],
        };
      });
    },
    async claim(ctx: Ctx, id: string, fileIds: readonly string[], known: readonly string[]): Promise<void> {
      await claimFiles(ctx, {
        subject: { type: "post", id },
        purpose: "post",
        before: known,
        after: fileIds,
        field: (index) => `fileIds[${index}]`,
      });
    },
    async show(ctx: Ctx, post: PostDocument): Promise<Answer<"posts.get">> {
      const looks = await new Snapshot([post]).looks(ctx);
      const [shown] = await withLikes(this.store, looks, ctx.locals.user);
      return shown as Answer<"posts.get">;
    },
    async hottest(scope: string, limit: number, cursor: string | undefined): Promise<Snapshot> {
      const after = rankedCursor("hot", scope, cursor);
      if (!after) return this.showing.hottest(scope, limit);
      return rankedPage(this.store, this.showing.ranking, "hot", scope, after, limit);
    },
    async page(ctx: Ctx, snapshot: Snapshot): Promise<Answer<"posts.list">> {
      const items = await withLikes(this.store, await snapshot.looks(ctx), ctx.locals.user);
      return { items, nextCursor: snapshot.nextCursor };
    },
  },
  actions: {
    async create(ctx) {
      const { clubId = null, title, body, tags = [], fileIds = [] } = ctx.params;
      const active = clubId === null || (await demandMember(ctx, clubId)) === "active";
      const html = rendered(body);
      const id = idFor(ctx);
      await this.claim(ctx, id, fileIds, []);
      if (!active) throw new AppError("CLUB_NOT_ACTIVE");
      const written = { title, body, html, tags, fileIds };
      const made = newPost(id, userOf(ctx), clubId, written, ctx.locals.held, Date.now());
      audited(ctx, { subject: id, after: made });
      const told = { outbox: this.messagesOf(ctx, made.version, toldOfNew(made)), pending: true };
      ctx.locals.recorded = true;
      // A repeat whose first try was made but not answered finds its own.
      const post = (await this.addPost({ ...made, ...told })) ? made : await this.need(id);
      if (clubId !== null && !(await this.isActive(clubId).catch(() => true))) {
        // It has been suspended while this was written, and its other posts may have followed already.
        const { change, told: changed } = shownWith(post, false);
        await this.changePost(ctx, post, change, changed);
      }
      if (post.status === "held") respond(ctx, { status: 202 });
      return this.show(ctx, post);
    },
    async list(ctx) {
      const { clubId: scope = ALL, tag, authorId, sort, limit = 20, cursor } = ctx.params;
      const { newest } = this.showing;
      const all = tag === undefined && authorId === undefined;
      if (all && sort === "hot") return this.page(ctx, await this.hottest(scope, limit, cursor));
      const after = () => rankedCursor("new", scope, cursor);
      const snapshot =
        all && newest
          ? await rankedPage(this.store, newest, "new", scope, after(), limit)
          : await listPage(this.store, ctx.params, ctx.locals.user, { limit, cursor });
      return this.page(ctx, snapshot);
    },
    async hot(ctx) {
      const { limit = 20, cursor } = ctx.params;
      return this.page(ctx, await this.hottest(ALL, limit, cursor));
    },
    async search(ctx) {
      return searchPage(ctx, this.store);
    },
    async get(ctx) {
      const { id } = ctx.params;
      const { user, grant } = ctx.locals;
      const snapshot = await this.showing.post(id);
      const [post] = snapshot.posts;
      const seen = post && (post.shown || post.authorId === user || grant["byRole"] === true);
      if (!seen) throw new AppError("NOT_FOUND");
      if (post.shown && post.authorId !== user) this.views.count(id);
      const [shown] = await withLikes(this.store, await snapshot.looks(ctx), user);
      return shown as Answer<"posts.get">;
    },
    async update(ctx) {
      const { id, ...written } = ctx.params;
      const after = await this.edit(ctx, async (post) => {
        const now = Date.now();
        const made = edited(post, written, ctx.locals.held, now);
        await this.claim(ctx, id, written.fileIds ?? [], post.fileIds);
        expectVersion(ctx, post.version);
        if (post.status === "removed") throw new AppError("NOT_PUBLISHED");
        await demandActive(post, this.isActive);
        if (made) await this.store.revisions.insertOne(revisionOf(post, now));
        return made;
      });
      return this.show(ctx, after);
    },
    async remove(ctx) {
      const byModerator = ctx.locals.grant["byRole"] === true;
      await this.edit(ctx, (post) => {
        if (post.status === "removed") return null;
        expectVersion(ctx, post.version);
        const { change, told } = removed(post, byModerator, Date.now());
        return {
          change: { ...change, shown: false },
          told: [removalOf(post, byModerator), ...told],
          unheld: true,
        };
      });
    },
    async like(ctx) {
      const { id } = ctx.params;
      const user = userOf(ctx);
      const post = await this.need(id);
      if (post.status !== "published") throw new AppError("NOT_PUBLISHED");
      await demandActive(post, this.isActive);
      await this.touch(id);
      await this.store.likes.insertOne({ _id: likeId(id, user), post: id, user, at: Date.now() });
      await this.recount(id);
    },
    async unlike(ctx) {
      const { id } = ctx.params;
      await this.touch(id);
      await this.store.likes.deleteMany({ _id: likeId(id, userOf(ctx)) });
      await this.recount(id);
    },
    async pin(ctx) {
      await this.flag(ctx, "pinned", true);
    },
    async unpin(ctx) {
      await this.flag(ctx, "pinned", false);
    },
    async lock(ctx) {
      await this.flag(ctx, "locked", true);
    },
    async unlock(ctx) {
      await this.flag(ctx, "locked", false);
    },
    async allows(ctx): Promise<Answer<"posts.allows">> {
      const { id, relation, user, write } = ctx.params;
      // A reading may be as old as what it shows.
      const post = write ? await this.post(id) : (await this.showing.post(id)).posts[0];
      if (!post) return { verdict: "missing", grant: {} };
      const { authorId, clubId, shown } = post;
      const seen = shown || authorId === user;
      const yes =
        relation === "visible"
          ? seen
          : relation === "author"
            ? authorId === user
            : (seen || post.status === "published") && (await isOfficer(ctx, clubId, user));
      return { verdict: yes ? "yes" : seen ? "forbidden" : "hidden", grant: {} };
    },
    async records(ctx) {
      const { ids } = ctx.params;
      return fitting(await this.store.posts.find({ _id: { $in: ids } }, { projection: LISTED })).map(
        recordOf,
      );
    },
    async page(ctx) {
      const { after, limit } = ctx.params;
      const found = await this.store.posts.find(
        { shown: true, ...(after !== null && { _id: { $gt: after } }) },
        { sort: { _id: 1 }, limit: limit + 1, projection: LISTED },
      );
      const page = fitting(found.slice(0, limit));
      const more = page.length < found.length;
      return { posts: page.map(recordOf), next: (more && page.at(-1)?._id) || null };
    },
    async files(ctx) {
      const found = await this.store.posts.find(
        { _id: { $in: ctx.params.ids }, status: { $ne: "removed" } },
        { projection: ["fileIds"] },
      );
      return found.map(({ _id: id, fileIds }) => ({ id, fileIds }));
    },
    async exportUser(ctx) {
      return exportPosts(this.store, ctx.params.user, ctx.params.cursor);
    },
    async onClubChanged(ctx) {
      await followClub(ctx, this, ctx.params.aggregate.id, this.isActive);
    },
    async onUserErased(ctx) {
      const user = ctx.params.aggregate.id;
      await eraseLikes(this, user);
      await eraseRevisions(this.store, user);
      await this.idempotencyKeys.forget(user);
    },
  },
  async started() {
    this.isActive = clubReader(this.broker);
    this.views = new Views(this.store, this.logger);
    this.views.start();
    this.every(SWEEP, () => this.takeUp());
    this.every(HOUR, async () => {
      await this.store.revisions.deleteMany({ at: { $lt: Date.now() - REVISIONS_KEPT } });
      await this.idempotencyKeys.sweep(Date.now());
    });
  },
  async stopped() {
    await this.views?.stop();
  },
});
