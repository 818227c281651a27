import { pageOf, readCursor, writeCursor } from "../../lib/cursor.ts";
import { AppError } from "../../lib/errors.ts";
import { isId } from "../../lib/ids.ts";
import { implement, userOf } from "../../lib/implement.ts";
import { iso } from "../../lib/types.ts";
import { database } from "../../mixins/database.ts";
import { loadByLogin, lock } from "./accounts.ts";
import { announce } from "./announce.ts";
import { sessions } from "./auth.contract.ts";
import { endSessions, findSession, openSessions, revokedSince } from "./session-store.ts";

/** More than anybody has open; an operator's list is not paged. */
const MANY = 1_000;

export default implement(sessions, {
  mixins: [database("users")],
  methods: {
    /** The id of a user whom an operator names. */
    async named(user: string): Promise<string> {
      const id = isId(user) ? user : (await loadByLogin(this.db.primary, user))?.id;
      if (!id) throw new AppError("NOT_FOUND");
      return id;
    },
  },
  actions: {
    async list(ctx) {
      const { limit = 20, cursor } = ctx.params;
      const [before] = readCursor(cursor, "sessions", ["string"]) ?? [];
      const rows = await openSessions(this.db.primary, userOf(ctx), {
        ...(before !== undefined && { before: String(before) }),
        limit: limit + 1,
        now: Date.now(),
      });
      const { items, nextCursor } = pageOf(rows, limit, ({ id }) => writeCursor("sessions", [id]));
      return {
        items: items.map((session) => ({
          id: session.id,
          device: session.device,
          address: session.address,
          createdAt: iso(session.created_at),
          lastUsedAt: iso(session.last_used_at),
          current: session.id === ctx.locals.sid,
        })),
        nextCursor,
      };
    },

    async end(ctx) {
      const only = { only: ctx.params.id };
      await this.change(ctx, async (tx) => {
        const sids = await endSessions(tx, userOf(ctx), only);
        if (sids.length === 0) throw new AppError("NOT_FOUND");
        announce(this.broker, tx, sids);
      });
    },

    async revokedSince(ctx) {
      return revokedSince(this.db.primary, ctx.params.since);
    },

    async signedInAt(ctx) {
      const session = await findSession(this.db.primary, ctx.params.user, ctx.params.sid);
      return session && session.ended_at === null ? session.created_at : null;
    },

    async ofUser(ctx) {
      const rows = await openSessions(this.db.primary, await this.named(ctx.params.user), {
        limit: MANY,
        now: Date.now(),
      });
      return rows.map(({ id, device, address, created_at: createdAt, last_used_at: lastUsedAt }) => ({
        id,
        device,
        address,
        createdAt,
        lastUsedAt,
      }));
    },

    async endOfUser(ctx) {
      const id = await this.named(ctx.params.user);
      return this.db.transaction(async (tx) => {
        await lock(tx, id);
        const sids = await endSessions(tx, id);
        announce(this.broker, tx, sids);
        return { id, ended: sids.length };
      });
    },
  },
});
