import { Type as T } from "typebox";
import { declare } from "../../lib/declare.ts";
import { Id } from "../../lib/types.ts";
import { CategoryNames, clubs } from "../clubs/clubs.contract.ts";
import { clubOffice } from "../clubs/office.contract.ts";
import { OwnUser, users } from "../users/users.contract.ts";

const access = "administrator";
export const MAX_CATEGORIES = 100;

/** People and clubs on the admin gateway: what an administrator may do with them on the public one too. */
export const management = declare("management", {
  users: {
    rest: "GET /admin/users",
    summary: { en: "Search people, newest first", "zh-CN": "搜索用户" },
    params: users.actions.list.params,
    returns: users.actions.list.returns,
    access,
  },
  user: {
    rest: "GET /admin/users/:id",
    summary: { en: "A person", "zh-CN": "用户资料" },
    params: T.Object({ id: Id }),
    returns: OwnUser,
    access,
  },
  setRoles: {
    rest: "PUT /admin/users/:id/roles",
    summary: { en: "Set someone's roles", "zh-CN": "设置用户角色" },
    params: users.actions.setRoles.params,
    returns: OwnUser,
    access,
    errors: ["LAST_ADMIN"],
    audit: { subject: "user", fields: ["roles"] },
  },
  setStatus: {
    rest: "PUT /admin/users/:id/status",
    summary: { en: "Suspend someone, or lift it", "zh-CN": "停用或恢复用户" },
    params: users.actions.setStatus.params,
    returns: OwnUser,
    moderate: ["reason"],
    access,
    errors: ["LAST_ADMIN"],
    audit: { subject: "user", fields: ["status"] },
  },
  clubs: {
    rest: "GET /admin/clubs",
    summary: { en: "Clubs in any status, newest first", "zh-CN": "全部社团（含各状态）" },
    params: clubOffice.actions.list.params,
    returns: clubOffice.actions.list.returns,
    access,
  },
  setClubStatus: {
    rest: "PUT /admin/clubs/:id/status",
    summary: { en: "Suspend a club, or lift it", "zh-CN": "停用或恢复社团" },
    params: clubs.actions.setStatus.params,
    returns: clubs.actions.setStatus.returns,
    moderate: ["reason"],
    access,
    errors: ["CLUB_NOT_ACTIVE"],
    audit: { subject: "club", fields: ["status"] },
  },
  setCategories: {
    rest: "PUT /admin/categories",
    summary: {
      en: "Replace the categories of clubs (a JSON array of `{ slug, name: { en, zh-CN } }`)",
      "zh-CN": "替换社团分类（{ slug, name: { en, zh-CN } } 的 JSON 数组）",
    },
    returns: T.Array(CategoryNames),
    access,
    errors: ["CATEGORY_IN_USE"],
    body: { type: "application/json", limit: 1_048_576 },
    audit: { subject: "categories", fields: ["categories"] },
  },
});
