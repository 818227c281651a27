import { audited } from "../../lib/audit.ts";
import { implement, userOf } from "../../lib/implement.ts";
import type { CallOptions, Ctx } from "../../lib/implement.ts";
import { readJson } from "../../lib/json-body.ts";
import { readCategories } from "./category-list.ts";
import { management } from "./management.contract.ts";

/** No database of its own: what it changes is in other domains, and recorded before and after it. */
export default implement(management, {
  actions: {
    async users(ctx) {
      return ctx.call("office.list", ctx.params);
    },
    async user(ctx) {
      return ctx.call("office.get", ctx.params);
    },
    async setRoles(ctx) {
      const params = { ...ctx.params, by: userOf(ctx) };
      const { user, before } = await ctx.call("office.setRoles", params, sameVersion(ctx));
      audited(ctx, { before: { roles: before }, after: { roles: user.roles.slice(1) } });
      return user;
    },
    async setStatus(ctx) {
      const params = { ...ctx.params, by: userOf(ctx) };
      const { user, before } = await ctx.call("office.setStatus", params, sameVersion(ctx));
      audited(ctx, { before: { status: before } });
      return user;
    },
    async clubs(ctx) {
      return ctx.call("clubOffice.list", ctx.params);
    },
    async setClubStatus(ctx) {
      const params = { ...ctx.params, by: userOf(ctx) };
      const { club, before } = await ctx.call("clubOffice.setStatus", params, sameVersion(ctx));
      audited(ctx, { before: { status: before } });
      return club;
    },
    async setCategories(ctx) {
      const { limit } = management.actions.setCategories.body;
      const wanted = readCategories(await readJson(ctx.stream, limit));
      const params = { categories: wanted, by: userOf(ctx) };
      const { categories, before } = await ctx.call("clubOffice.setCategories", params);
      audited(ctx, { subject: "all", before: { categories: before }, after: { categories } });
      return categories;
    },
  },
});

/** What the request says of the version goes with the change. */
function sameVersion({ headers: { ifMatch } }: Ctx): CallOptions {
  return ifMatch === undefined ? {} : { headers: { ifMatch } };
}
