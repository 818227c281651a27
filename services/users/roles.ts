/** Global roles. Those of who is suspended are kept but count for nothing. */
import type { Statements, Tx } from "../../lib/database.ts";
import type { ActionContract } from "../../lib/declare.ts";
import { isResourceRule } from "../../lib/declare.ts";
import { AppError } from "../../lib/errors.ts";
import type { Runtime } from "../../mixins/runtime.ts";
import type { Role } from "./accounts.ts";
import { ROLES } from "./users.contract.ts";

/** The roles given to a user, in the order of the list of roles. */
export async function givenRoles(db: Statements, user: string, { active = false } = {}): Promise<Role[]> {
  const rows = await db.all<{ role: Role }>(
    `SELECT role FROM user_roles WHERE user_id = :user${active ? " AND active = 1" : ""}`,
    { user },
  );
  return sorted(rows.map(({ role }) => role));
}

/** The roles given to each of some users. */
export async function givenRolesOf(db: Statements, users: readonly string[]): Promise<Map<string, Role[]>> {
  const rows = await db.all<{ user_id: string; role: Role }>(
    "SELECT user_id, role FROM user_roles WHERE user_id IN (:users)",
    { users },
  );
  return new Map(
    users.map((id) => [id, sorted(rows.filter(({ user_id: user }) => user === id).map(({ role }) => role))]),
  );
}

const sorted = (roles: readonly Role[]): Role[] => ROLES.filter((role) => roles.includes(role));

/** Everyone with a role. */
export async function holdersOf(db: Statements, role: Role, { active = false } = {}): Promise<string[]> {
  const rows = await db.all<{ user_id: string }>(
    `SELECT user_id FROM user_roles WHERE role = :role${active ? " AND active = 1" : ""}`,
    { role },
  );
  return rows.map(({ user_id: user }) => user);
}

/** Gives a user the roles wanted and no others. */
export async function writeRoles(
  tx: Tx,
  user: string,
  wanted: readonly Role[],
  active: boolean,
): Promise<void> {
  const has = await givenRoles(tx, user);
  for (const role of has.filter((each) => !wanted.includes(each)))
    await tx.run("DELETE FROM user_roles WHERE user_id = :user AND role = :role", { user, role });
  for (const role of wanted.filter((each) => !has.includes(each)))
    await tx.insertNew("user_roles", { user_id: user, role, active: active ? 1 : 0, changes: 0 });
}

/** Roles count, or count no longer, without being lost. */
export async function switchRoles(tx: Tx, user: string, active: boolean): Promise<void> {
  await tx.run("UPDATE user_roles SET active = :active WHERE user_id = :user", {
    user,
    active: active ? 1 : 0,
  });
}

/**
 * Locks the rows of all administrators until the transaction ends, so that of two who take each other away one comes
 * second and sees it. Before anything else is locked, so that all lock in one order.
 */
export async function lockAdmins(tx: Tx): Promise<void> {
  await tx.run("UPDATE user_roles SET changes = changes + 1 WHERE role = 'admin'");
}

/** Refuses to take the last administrator away; the administrators are locked. @throws LAST_ADMIN */
export async function refuseLastAdmin(tx: Tx, user: string): Promise<void> {
  const admins = await holdersOf(tx, "admin", { active: true });
  if (admins.length === 1 && admins[0] === user) throw new AppError("LAST_ADMIN");
}

/** What each role may do: the names of the actions that the contracts open to it. */
export function permissionsOf(contracts: Runtime["contracts"]): { role: Role; permissions: string[] }[] {
  const published = [...contracts].filter(([, action]) => action.rest);
  return ROLES.map((role) => ({
    role,
    permissions: published.filter(([, action]) => opens(action, role)).map(([name]) => name),
  }));
}

/** Whoever is signed in is a student; who may do what in a club is a matter of the club. */
function opens({ access }: ActionContract, role: Role): boolean {
  if (isResourceRule(access)) return role === "student" || [access.or ?? []].flat().includes(role);
  return (
    [access].flat().some((each) => each === role) ||
    (role === "student" && (access === "user" || access === "any"))
  );
}
