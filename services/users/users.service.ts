import { audited } from "../../lib/audit.ts";
import { AppError } from "../../lib/errors.ts";
import type { Statements } from "../../lib/database.ts";
import type { Answer, Params } from "../../lib/declare.ts";
import type { Ctx } from "../../lib/implement.ts";
import { expectVersion, implement, userOf } from "../../lib/implement.ts";
import { iso } from "../../lib/types.ts";
import { database } from "../../mixins/database.ts";
import { claimFiles } from "../../mixins/file-claims.ts";
import { patiently } from "../../mixins/patiently.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { sweeper } from "../../mixins/sweeper.ts";
import { aggregateOf, load, lock, presentOwn, searchKey } from "./accounts.ts";
import type { OwnUser, UserRow } from "./accounts.ts";
import { ensureFirstAdmin } from "./admins.ts";
import { announce } from "./announce.ts";
import { ADDRESSES, NAMES } from "./cross-shard.ts";
import { beginErasure, endErasure, erase, receiptsOf } from "./erasure.ts";
import { exportOthers, exportOwn } from "./export.ts";
import { sweepIdentities } from "./identities.ts";
import { givenRoles, holdersOf, permissionsOf } from "./roles.ts";
import { listPeople } from "./search-people.ts";
import { proveAgain } from "./sign-in.ts";
import { setRoles, setStatus } from "./standing.ts";
import { sweepDaily, sweepOften } from "./sweeps.ts";
import { users } from "./users.contract.ts";

const SECOND = 1_000;

export default implement(users, {
  mixins: [database("users"), sweeper()],
  actions: {
    async me(ctx) {
      const user = await load(this.db.primary, userOf(ctx));
      // Erased a moment ago: the token is about to be revoked.
      if (!user || user.status === "erased") throw new AppError("INVALID_TOKEN");
      return presentOwn(user, await givenRoles(this.db.primary, user.id));
    },

    async updateMe(ctx) {
      const id = userOf(ctx);
      await claimAvatar(ctx, this.db.primary, id);
      return this.change(ctx, async (tx) => {
        const user = await lock(tx, id);
        if (!user || user.status === "erased") throw new AppError("INVALID_TOKEN");
        expectVersion(ctx, user.version);
        const next = withProfile(user, ctx.params);
        const roles = await givenRoles(tx, id);
        if (JSON.stringify(next) === JSON.stringify(user)) return presentOwn(user, roles);
        Object.assign(next, { version: user.version + 1, updated_at: Date.now() });
        await tx.run(
          `UPDATE users SET display_name = :display_name, bio = :bio, avatar_file_id = :avatar_file_id,
           college = :college, major = :major, grade = :grade, locale = :locale, search_key = :search_key,
           version = :version, updated_at = :updated_at WHERE id = :id`,
          { ...next, search_key: searchKey(next) },
        );
        await tx.tell({ type: "users.updated", aggregate: aggregateOf(next), data: {} });
        return presentOwn(next, roles);
      });
    },

    async exportMe(ctx) {
      const id = userOf(ctx);
      const own = await exportOwn(this.db.primary, id);
      const others = await exportOthers(ctx, runtimeOf(this.broker).contracts, id);
      return { exportedAt: iso(Date.now()), domains: { users: own, ...others } };
    },

    async eraseMe(ctx) {
      const user = await proveAgain(this.db, userOf(ctx), ctx.params.password);
      const clubs = await ctx.call("clubs.presidedBy", { user: user.id });
      if (clubs.length > 0) throw new AppError("CLUB_NEEDS_PRESIDENT");
      await beginErasure(this.db, user);
      await this.change(ctx, async (tx) => announce(this.broker, tx, await erase(tx, user)));
      await endErasure(this.db, user);
    },

    async get(ctx) {
      const { id } = ctx.params;
      const user = await load(this.db.primary, id);
      if (!user || user.status === "erased") throw new AppError("NOT_FOUND");
      const reader = userOf(ctx);
      const whole =
        reader === id || (await givenRoles(this.db.primary, reader, { active: true })).includes("admin");
      return whole ? presentOwn(user, await givenRoles(this.db.primary, id)) : presentPublic(user);
    },

    async list(ctx) {
      return listPeople(this.db.primary, ctx.params, ctx.headers.lang);
    },

    async setRoles(ctx) {
      return this.change(ctx, async (tx) => {
        const { user, before } = await setRoles(tx, ctx, ctx.params);
        audited(ctx, { before: { roles: before }, after: { roles: user.roles.slice(1) } });
        return user;
      });
    },

    async setStatus(ctx) {
      return this.change(ctx, async (tx) => {
        const { user, before } = await setStatus(tx, ctx, this.broker, ctx.params);
        audited(ctx, { before: { status: before }, after: user });
        return user;
      });
    },

    async roles() {
      return permissionsOf(runtimeOf(this.broker).contracts);
    },

    async names(ctx) {
      const rows = await this.db.primary.all<UserRow>(NAMES, { ids: ctx.params.ids });
      return rows.map(presentName);
    },

    async files(ctx) {
      const rows = await this.db.primary.all<UserRow>(NAMES, { ids: ctx.params.ids });
      return rows.flatMap(({ id, avatar_file_id: avatar }) =>
        avatar === null ? [] : [{ id, fileIds: [avatar] }],
      );
    },

    async mailAddresses(ctx) {
      return this.db.primary.all<Answer<"users.mailAddresses">[number]>(ADDRESSES, { ids: ctx.params.ids });
    },

    async rolesOf(ctx) {
      return givenRoles(this.db.primary, ctx.params.id, { active: true });
    },

    async withRole(ctx) {
      return holdersOf(this.db.primary, ctx.params.role, { active: true });
    },

    async erasure(ctx) {
      const { contracts, queue } = runtimeOf(this.broker);
      return receiptsOf(this.db, contracts, ctx.params.id, queue !== null);
    },
  },
  async started() {
    const db = this.db.primary;
    await patiently(this, () =>
      ensureFirstAdmin(this.db, runtimeOf(this.broker).settings, (text) => process.stdout.write(text)),
    );
    this.every(15 * SECOND, () => sweepIdentities(db, Date.now()));
    this.every(60 * SECOND, () => sweepOften(db, Date.now()));
    this.every(3_600 * SECOND, () => sweepDaily(db, Date.now()));
  },
});

/** A new avatar is a picture of the person's own. */
async function claimAvatar(ctx: Ctx<Params<"users.updateMe">>, db: Statements, id: string): Promise<void> {
  const { avatarFileId } = ctx.params;
  if (!avatarFileId) return;
  const user = await load(db, id);
  await claimFiles(ctx, {
    subject: { type: "user", id },
    purpose: "avatar",
    before: [user?.avatar_file_id ?? null],
    after: [avatarFileId],
    field: () => "avatarFileId",
  });
}

type Profile = Partial<
  Pick<OwnUser, "displayName" | "bio" | "avatarFileId" | "college" | "major" | "grade" | "locale">
>;

function withProfile(user: UserRow, profile: Profile): UserRow {
  const { displayName, bio, avatarFileId, college, major, grade, locale } = profile;
  return {
    ...user,
    ...(displayName !== undefined && { display_name: displayName }),
    ...(bio !== undefined && { bio }),
    ...(avatarFileId !== undefined && { avatar_file_id: avatarFileId }),
    ...(college !== undefined && { college }),
    ...(major !== undefined && { major }),
    ...(grade !== undefined && { grade }),
    ...(locale !== undefined && { locale }),
  };
}

function presentPublic({
  id,
  username,
  display_name: displayName,
  avatar_file_id: avatarFileId,
  bio,
  college,
}: UserRow) {
  return { id, username, displayName, avatarFileId, bio, college };
}

function presentName(user: UserRow): Answer<"users.names">[number] {
  const { id, username, college, major, grade, locale, status } = user;
  return {
    id,
    username,
    displayName: user.display_name,
    avatarFileId: user.avatar_file_id,
    college,
    major,
    grade,
    locale,
    status,
  };
}
