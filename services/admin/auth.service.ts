import { audited } from "../../lib/audit.ts";
import { AppError } from "../../lib/errors.ts";
import { implement, userOf } from "../../lib/implement.ts";
import type { Ctx, Mixin } from "../../lib/implement.ts";
import type { Tx } from "../../lib/database.ts";
import { Signer } from "../../lib/tokens.ts";
import { loadSigningKeys } from "../../lib/signing-keys.ts";
import { iso } from "../../lib/types.ts";
import { database } from "../../mixins/database.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { sweeper } from "../../mixins/sweeper.ts";
import { adminAuth } from "./auth.contract.ts";
import { forgetErased } from "./forgetting.ts";
import {
  endSessions,
  forgetSessions,
  openSession,
  openSessionOf,
  revokedSince,
  SESSION_LIFE,
} from "./session-store.ts";
import { beginTotp, codesLeft, confirmTotp, hasTotp, removeTotp, takeCode } from "./totp-store.ts";
import { invitationOf, Sealer } from "./totp.ts";

const SWEEP = 10 * 60_000;

interface Methods {
  signer: Signer;
  sealer: Sealer;
  /** Milliseconds. */
  now(): number;
  /** Tells the admin gateways of ended sessions after the commit; what is lost on the way they find when they ask. */
  announce(tx: Tx, sids: readonly string[]): void;
  /** Other nodes hear whose second factor is in force; where it fails they hear it within seconds. */
  tellOthers(ctx: Ctx): Promise<void>;
}

const own: Mixin<Methods> = {};

export default implement(adminAuth, {
  mixins: [database("admin"), sweeper(), own],
  methods: {
    now(): number {
      return Date.now();
    },
    announce(tx: Tx, sids: readonly string[]): void {
      if (sids.length > 0)
        tx.afterCommit.push(() => this.broker.broadcast("adminSessions.revoked", { sids: [...sids] }));
    },
    async tellOthers(ctx: Ctx): Promise<void> {
      await ctx.call("settings.tell").catch((error: unknown) =>
        this.logger.warn("A second factor is told later", {
          requestId: ctx.requestID,
          error: String(error),
        }),
      );
    },
  },
  actions: {
    async login(ctx) {
      const { login, password, code } = ctx.params;
      const { user, stamp } = await ctx.call("credentials.check", { login, password });
      // Whose code is missing or wrong is known, and recorded.
      audited(ctx, { subject: user.id, actor: user.id });
      if (await hasTotp(this.db.primary, user.id)) {
        if (code === undefined) throw new AppError("TOTP_REQUIRED");
        if (!(await takeCode(this.db, this.sealer, user.id, code, this.now())))
          throw new AppError("TOTP_INVALID");
      }
      // From here on it is known who calls.
      ctx.locals.user = user.id;
      const now = this.now();
      const sid = await this.change(ctx, (tx) => openSession(tx, user.id, stamp, ctx.headers.client, now));
      return {
        user,
        accessToken: this.signer.sign({ sub: user.id, sid }, SESSION_LIFE),
        tokenType: "Bearer" as const,
        expiresIn: SESSION_LIFE,
      };
    },

    async logout(ctx) {
      const only = { only: ctx.locals.sid as string };
      await this.change(ctx, async (tx) => this.announce(tx, await endSessions(tx, userOf(ctx), only)));
    },

    async session(ctx) {
      const id = userOf(ctx);
      const session = await openSessionOf(this.db.primary, id, ctx.locals.sid as string, this.now());
      const person = await ctx.call("credentials.standing", { id });
      if (!session || !person) throw new AppError("INVALID_TOKEN");
      return {
        user: person.user,
        expiresAt: iso(session.expires_at),
        totp: await hasTotp(this.db.primary, id),
        recoveryCodesLeft: await codesLeft(this.db.primary, id),
      };
    },

    async setUpTotp(ctx) {
      const id = userOf(ctx);
      const person = await ctx.call("credentials.standing", { id });
      if (!person) throw new AppError("INVALID_TOKEN");
      const secret = await this.change(ctx, (tx) => beginTotp(tx, this.sealer, id, this.now()));
      return invitationOf(secret, person.user.username ?? id);
    },

    async confirmTotp(ctx) {
      const id = userOf(ctx);
      const answer = await this.change(ctx, async (tx) => {
        const recoveryCodes = await confirmTotp(tx, this.sealer, id, ctx.params.code, this.now());
        // Those that were opened without the second factor.
        this.announce(tx, await endSessions(tx, id, { except: ctx.locals.sid as string }));
        return { recoveryCodes };
      });
      await this.tellOthers(ctx);
      return answer;
    },

    async removeTotp(ctx) {
      const id = userOf(ctx);
      if (!(await takeCode(this.db, this.sealer, id, ctx.params.code, this.now())))
        throw new AppError("TOTP_CODE_WRONG");
      await this.change(ctx, async (tx) => {
        if (!(await removeTotp(tx, id))) throw new AppError("TOTP_NOT_SET");
      });
      await this.tellOthers(ctx);
    },

    async keys() {
      return { ...this.signer.publicJwks() };
    },

    async revokedSince(ctx) {
      return revokedSince(this.db.primary, ctx.params.since);
    },

    async standing(ctx) {
      const { user, sid } = ctx.params;
      const session = await openSessionOf(this.db.primary, user, sid, this.now());
      if (!session) return "ended";
      const person = await ctx.call("credentials.standing", { id: user });
      if (!person?.admin || person.stamp !== session.stamp) {
        // For good, also when the role is given back.
        await this.db.transaction(async (tx) =>
          this.announce(tx, await endSessions(tx, user, { only: sid })),
        );
        return "ended";
      }
      const { live } = runtimeOf(this.broker);
      const lacking = live.get("admin.requireTotp") && !(await hasTotp(this.db.primary, user));
      return lacking ? "settingUp" : "open";
    },

    async endSessionsOf(ctx) {
      const { user } = ctx.params;
      return this.db.transaction(async (tx) => {
        const sids = await endSessions(tx, user);
        this.announce(tx, sids);
        return { ended: sids.length };
      });
    },
  },
  created() {
    const keys = loadSigningKeys(runtimeOf(this.broker).settings, "admin");
    this.signer = new Signer(keys, "admin", () => this.now());
    this.sealer = new Sealer(keys);
  },
  async started() {
    this.every(SWEEP, async () => {
      await forgetSessions(this.db.primary, this.now());
      await forgetErased(this.broker, this.db);
    });
  },
});
