import type { Answer } from "../../lib/declare.ts";
import { AppError, invalid } from "../../lib/errors.ts";
import { newId } from "../../lib/ids.ts";
import { implement, userOf } from "../../lib/implement.ts";
import type { Mixin } from "../../lib/implement.ts";
import { Signer } from "../../lib/tokens.ts";
import { hashPassword } from "../../lib/passwords.ts";
import { loadSigningKeys } from "../../lib/signing-keys.ts";
import { recordAs } from "../../mixins/acting.ts";
import { database } from "../../mixins/database.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { refuseSwitchedOff } from "../../mixins/switches.ts";
import { composeMail, findToken, issueToken, spendToken, tellMailDue, voidTokens } from "./account-mails.ts";
import { createAccount, load, loadByLogin, lock, presentOwn, refuseTaken } from "./accounts.ts";
import type { UserRow } from "./accounts.ts";
import { announce } from "./announce.ts";
import { auth } from "./auth.contract.ts";
import { askForEmail, confirmEmail } from "./change-email.ts";
import { normalize } from "./identities.ts";
import { forgetAllFailures } from "./login-failures.ts";
import { givenRoles } from "./roles.ts";
import { mailKeysOf } from "./secrets.ts";
import { endSessions, openSession, rotate } from "./session-store.ts";
import { proveAgain, refuseDomain, refusePassword, signIn } from "./sign-in.ts";

/** Seconds that an access token is good for. */
const ACCESS_LIFE = 600;
/** Normalized, an address may become longer than what is stored of it. */
const EMAIL_KEY_LENGTH = 300;

const own: Mixin<{ signer: Signer; mailKeys: readonly Buffer[] }> = {};

export default implement(auth, {
  mixins: [database("users"), own],
  methods: {
    async tokens(
      user: UserRow,
      { sid, refreshToken }: { sid: string; refreshToken: string },
    ): Promise<Answer<"auth.login">> {
      return {
        user: presentOwn(user, await givenRoles(this.db.primary, user.id)),
        accessToken: this.signer.sign({ sub: user.id, sid }, ACCESS_LIFE),
        refreshToken,
        tokenType: "Bearer",
        expiresIn: ACCESS_LIFE,
      };
    },

    checkEmail(email: string): void {
      if (normalize(email).length > EMAIL_KEY_LENGTH)
        throw invalid({ field: "email", code: "INVALID_FORMAT" });
      refuseDomain(email, runtimeOf(this.broker).settings.emailDomains);
    },
  },
  actions: {
    async register(ctx) {
      refuseSwitchedOff(this.broker, "registration.open");
      const { username, email, password, displayName, locale, acceptedTerms } = ctx.params;
      refusePassword("password", password);
      this.checkEmail(email);
      await refuseTaken(this.db.primary, username, email);
      const account = {
        id: newId(),
        username,
        email,
        passwordHash: await hashPassword(password),
        passwordOnce: 0 as const,
        displayName: displayName ?? null,
        locale: locale ?? ctx.headers.lang ?? "en",
        acceptedTerms: acceptedTerms ?? false,
      };
      const { user, result } = await createAccount(
        this.db,
        account,
        async (tx, { id, created_at: now }) => {
          await recordAs(tx, ctx, "users", id);
          return openSession(tx, id, ctx.headers.client, now);
        },
        ctx.requestID,
      );
      this.relay.nudge();
      return this.tokens(user, result);
    },

    async login(ctx) {
      const { user, session } = await signIn(this.db, ctx.params, ctx.headers.client, (tx, id) =>
        recordAs(tx, ctx, "users", id),
      );
      this.relay.nudge();
      return this.tokens(user, session);
    },

    async refresh(ctx) {
      const rotation = await rotate(this.db, ctx.params.refreshToken, ctx.headers.client, Date.now());
      if (rotation.outcome === "invalid") throw new AppError("INVALID_TOKEN");
      if (rotation.outcome === "reused") {
        const only = { only: rotation.sid };
        await this.db.transaction(async (tx) =>
          announce(this.broker, tx, await endSessions(tx, rotation.user, only)),
        );
        throw new AppError("REFRESH_REUSED");
      }
      const user = await load(this.db.primary, rotation.user);
      if (user?.status === "suspended") throw new AppError("ACCOUNT_SUSPENDED");
      if (rotation.outcome !== "rotated" || user?.status !== "active") throw new AppError("INVALID_TOKEN");
      return this.tokens(user, rotation);
    },

    async logout(ctx) {
      const only = { only: ctx.locals.sid as string };
      await this.change(ctx, async (tx) =>
        announce(this.broker, tx, await endSessions(tx, userOf(ctx), only)),
      );
    },

    async changePassword(ctx) {
      const { currentPassword, newPassword } = ctx.params;
      refusePassword("newPassword", newPassword);
      const { id, password_hash: checked } = await proveAgain(this.db, userOf(ctx), currentPassword);
      const hash = await hashPassword(newPassword);
      await this.change(ctx, async (tx) => {
        const user = await lock(tx, id);
        if (user?.password_hash !== checked) throw new AppError("WRONG_PASSWORD");
        await tx.run("UPDATE users SET password_hash = :hash, password_once = 0 WHERE id = :id", {
          id,
          hash,
        });
        await voidTokens(tx, id, Date.now());
        const others = { except: ctx.locals.sid as string };
        announce(this.broker, tx, await endSessions(tx, id, others));
      });
    },

    /** The same writes for an address that nobody has, in the name of nobody, so that it takes the same time. */
    async forgotPassword(ctx) {
      const user = await loadByLogin(this.db.primary, ctx.params.email);
      const id = user?.id ?? newId();
      await this.db.transaction(async (tx) => {
        const token = await issueToken(tx, this.mailKeys, { user: id, kind: "reset" }, Date.now());
        await tellMailDue(tx, id, "passwordReset", token);
      });
      this.relay.nudge();
    },

    async resetPassword(ctx) {
      const { token, newPassword } = ctx.params;
      refusePassword("newPassword", newPassword);
      const row = await findToken(this.db.primary, token, "reset", Date.now());
      if (!row) throw new AppError("INVALID_RESET_TOKEN");
      const id = row.user_id;
      const hash = await hashPassword(newPassword);
      await this.db.transaction(async (tx) => {
        const now = Date.now();
        const user = await lock(tx, id);
        if (!user || user.status === "erased" || row.expires_at <= now || !(await spendToken(tx, row, now)))
          throw new AppError("INVALID_RESET_TOKEN");
        await tx.run("UPDATE users SET password_hash = :hash, password_once = 0 WHERE id = :id", {
          id,
          hash,
        });
        await voidTokens(tx, id, now);
        await forgetAllFailures(tx, id);
        announce(this.broker, tx, await endSessions(tx, id));
        await recordAs(tx, ctx, "users", id);
      });
      this.relay.nudge();
    },

    async changeEmail(ctx) {
      const { password, email } = ctx.params;
      this.checkEmail(email);
      const { id, password_hash: checked } = await proveAgain(this.db, userOf(ctx), password);
      await this.change(ctx, async (tx) => {
        const user = await lock(tx, id);
        if (user?.password_hash !== checked) throw new AppError("WRONG_PASSWORD");
        await askForEmail(tx, this.mailKeys, user, email);
      });
    },

    async confirmEmail(ctx) {
      await confirmEmail(this.db, ctx.params.token, (tx, id) => recordAs(tx, ctx, "users", id));
      this.relay.nudge();
    },

    async keys() {
      return { ...this.signer.publicJwks() };
    },

    async onMailDue(ctx) {
      const mail = await composeMail(this.db.primary, this.mailKeys, ctx.params, Date.now());
      if (mail) await ctx.call("mail.send", mail);
    },
  },
  created() {
    const keys = loadSigningKeys(runtimeOf(this.broker).settings, "public");
    this.signer = new Signer(keys, "public");
    this.mailKeys = mailKeysOf(keys);
  },
});
