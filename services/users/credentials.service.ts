import { implement } from "../../lib/implement.ts";
import { database } from "../../mixins/database.ts";
import { load, presentOwn } from "./accounts.ts";
import { credentials } from "./credentials.contract.ts";
import { givenRoles } from "./roles.ts";
import { sha256 } from "./secrets.ts";
import { proveAdmin } from "./sign-in.ts";

export default implement(credentials, {
  mixins: [database("users")],
  actions: {
    async check(ctx) {
      const user = await proveAdmin(this.db, ctx.params);
      const roles = await givenRoles(this.db.primary, user.id);
      return { user: presentOwn(user, roles, ctx.headers.lang), stamp: stampOf(user) };
    },

    async standing(ctx) {
      const user = await load(this.db.primary, ctx.params.id);
      if (!user) return null;
      const roles = await givenRoles(this.db.primary, user.id);
      const counting = await givenRoles(this.db.primary, user.id, { active: true });
      return {
        user: presentOwn(user, roles, ctx.headers.lang),
        admin: user.status === "active" && counting.includes("admin"),
        stamp: stampOf(user),
      };
    },
  },
});

/** What is stored of a password is salted, so that this says nothing of it. */
function stampOf({ id, password_hash: stored }: { id: string; password_hash: string | null }): string {
  return sha256(`${id} ${stored}`);
}
