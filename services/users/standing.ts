/** What administrators change of a person: roles and status. */
import type { ServiceBroker } from "moleculer";
import type { Tx } from "../../lib/database.ts";
import type { Params } from "../../lib/declare.ts";
import { AppError } from "../../lib/errors.ts";
import { expectVersion } from "../../lib/implement.ts";
import type { Headers } from "../../lib/implement.ts";
import { aggregateOf, lock, presentOwn } from "./accounts.ts";
import type { OwnUser, Role, UserRow } from "./accounts.ts";
import { announce } from "./announce.ts";
import { givenRoles, lockAdmins, refuseLastAdmin, switchRoles, writeRoles } from "./roles.ts";
import { endSessions } from "./session-store.ts";

/** Of what asks for the change. */
type Request = { headers: Headers };

/**
 * Gives a person these roles and no others.
 * @throws NOT_FOUND, PRECONDITION_FAILED, LAST_ADMIN
 */
export async function setRoles(
  tx: Tx,
  request: Request,
  { id, roles }: Params<"users.setRoles">,
): Promise<{ user: OwnUser; before: Role[] }> {
  const wanted = roles.filter((role) => role !== "student");
  await lockAdmins(tx);
  const user = refuseMissing(await lock(tx, id));
  expectVersion(request, user.version);
  if (!wanted.includes("admin")) await refuseLastAdmin(tx, id);
  const before = await givenRoles(tx, id);
  if (wanted.length === before.length && wanted.every((role) => before.includes(role)))
    return { user: presentOwn(user, before), before };
  await writeRoles(tx, id, wanted, user.status === "active");
  const next = { ...user, version: user.version + 1, updated_at: Date.now() };
  await tx.run("UPDATE users SET version = :version, updated_at = :updated_at WHERE id = :id", next);
  await tx.tell({ type: "users.updated", aggregate: aggregateOf(next), data: {} });
  return { user: presentOwn(next, await givenRoles(tx, id)), before };
}

/**
 * Suspends a person, which ends their sessions, or lifts it.
 * @throws NOT_FOUND, PRECONDITION_FAILED, LAST_ADMIN
 */
export async function setStatus(
  tx: Tx,
  request: Request,
  broker: ServiceBroker,
  { id, status, reason }: Params<"users.setStatus">,
): Promise<{ user: OwnUser; before: UserRow["status"] }> {
  await lockAdmins(tx);
  const user = refuseMissing(await lock(tx, id));
  expectVersion(request, user.version);
  if (status === "suspended") await refuseLastAdmin(tx, id);
  const roles = await givenRoles(tx, id);
  if (user.status === status) return { user: presentOwn(user, roles), before: status };
  const next: UserRow = {
    ...user,
    status,
    status_reason: reason,
    version: user.version + 1,
    updated_at: Date.now(),
  };
  await tx.run(
    "UPDATE users SET status = :status, status_reason = :status_reason, version = :version, updated_at = :updated_at WHERE id = :id",
    { ...next },
  );
  await switchRoles(tx, id, status === "active");
  if (status === "suspended") announce(broker, tx, await endSessions(tx, id));
  await tx.tell({ type: "users.suspended", aggregate: aggregateOf(next), data: { status } });
  return { user: presentOwn(next, roles), before: user.status };
}

function refuseMissing(user: UserRow | null): UserRow {
  if (!user || user.status === "erased") throw new AppError("NOT_FOUND");
  return user;
}
