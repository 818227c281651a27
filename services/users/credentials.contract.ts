import { Type as T } from "typebox";
import { declare } from "../../lib/declare.ts";
import { Id, Nullable } from "../../lib/types.ts";
import { OwnUser } from "./users.contract.ts";

/** What the admin domain asks about those who sign in there. */
export const credentials = declare("credentials", {
  /**
   * Checks login and password of an administrator, counted and refused like a sign-in; who is none has a wrong password.
   * `stamp` changes with the password.
   */
  check: {
    params: T.Object({ login: T.String(), password: T.String() }),
    returns: T.Object({ user: OwnUser, stamp: T.String() }),
    access: "service",
  },
  /** Whether somebody is an administrator who may act now, and what the stamp of the password is; null: nobody. */
  standing: {
    params: T.Object({ id: Id }),
    returns: Nullable(T.Object({ user: OwnUser, admin: T.Boolean(), stamp: T.String() })),
    access: "service",
    safe: true,
  },
});
