/** People, for the admin domain: its administrators have no tokens that other domains take. */
import { Type as T } from "typebox";
import { declare } from "../../lib/declare.ts";
import { Id, OneOf } from "../../lib/types.ts";
import { OwnUser, ROLES, users } from "./users.contract.ts";

const by = { by: Id };
const { list, setRoles, setStatus } = users.actions;

export const office = declare("office", {
  list: { params: list.params, returns: list.returns, access: "service", safe: true },
  get: { params: T.Object({ id: Id }), returns: OwnUser, access: "service", safe: true },
  setRoles: {
    params: T.Object({ ...setRoles.params.properties, ...by }),
    returns: T.Object({ user: OwnUser, before: T.Array(OneOf(ROLES)) }),
    access: "service",
  },
  setStatus: {
    params: T.Object({ ...setStatus.params.properties, ...by }),
    returns: T.Object({ user: OwnUser, before: OneOf(["active", "suspended", "erased"]) }),
    access: "service",
  },
});
