/** Administrators that are made from outside the API: the first one at boot, and those of `npm run admin`. */
import { randomBytes } from "node:crypto";
import type { Database } from "../../lib/database.ts";
import { isRefusal } from "../../lib/errors.ts";
import { newId } from "../../lib/ids.ts";
import { hashPassword, passwordProblem } from "../../lib/passwords.ts";
import { SettingsError } from "../../lib/settings.ts";
import type { Settings } from "../../lib/settings.ts";
import { voidTokens } from "./account-mails.ts";
import { aggregateOf, createAccount, load, loadByLogin, lock } from "./accounts.ts";
import type { UserRow } from "./accounts.ts";
import { holderOf, normalize, usernameValue } from "./identities.ts";
import { forgetAllFailures } from "./login-failures.ts";
import { givenRoles, holdersOf, writeRoles } from "./roles.ts";
import { endSessions } from "./session-store.ts";

/** A password that nobody guesses: 120 bits. */
export function randomPassword(): string {
  return randomBytes(15).toString("base64url");
}

/** Makes an administrator with a password; an account that has the e-mail becomes one, and its sessions end. */
export async function makeAdmin(
  db: Database,
  email: string,
  password: string,
  once: boolean,
): Promise<UserRow> {
  const known = await loadByLogin(db.primary, email);
  if (known) return setPassword(db, known.id, password, { once, admin: true });
  return createAdmin(db, email, await freeUsername(db, email), password, once);
}

async function createAdmin(
  db: Database,
  email: string | null,
  username: string,
  password: string,
  once: boolean,
): Promise<UserRow> {
  const { user } = await createAccount(
    db,
    {
      id: newId(),
      username,
      email,
      passwordHash: await hashPassword(password),
      passwordOnce: once ? 1 : 0,
      displayName: null,
      locale: "en",
      acceptedTerms: false,
    },
    (tx, { id }) => writeRoles(tx, id, ["admin"], true),
  );
  return user;
}

/** The part of the e-mail before the `@` as far as it makes a user name, with an addition where it is taken. */
async function freeUsername(db: Database, email: string): Promise<string> {
  const local = normalize(email).split("@")[0] as string;
  const plain = local.replaceAll(/[^a-z0-9_.\-\p{Script=Han}]/gu, "").slice(0, 24);
  const base = plain.length >= 3 ? plain : `admin-${plain}`.replace(/-$/, "");
  const taken = (await holderOf(db.primary, usernameValue(base))) !== null;
  return taken ? `${base}-${randomBytes(3).toString("hex")}` : base;
}

/** Sets a password, ends all sessions and any lock; `once`: it is good for one sign-in. */
export async function setPassword(
  db: Database,
  id: string,
  password: string,
  { once, admin = false }: { once: boolean; admin?: boolean },
): Promise<UserRow> {
  const hash = await hashPassword(password);
  return db.transaction(async (tx) => {
    const now = Date.now();
    const user = await lock(tx, id);
    if (!user || user.status === "erased") throw new Error("The account was erased meanwhile.");
    await tx.run(
      "UPDATE users SET password_hash = :hash, password_once = :once, version = version + 1, updated_at = :now WHERE id = :id",
      { id, hash, once: once ? 1 : 0, now },
    );
    if (admin)
      await writeRoles(
        tx,
        id,
        [...new Set([...(await givenRoles(tx, id)), "admin" as const])],
        user.status === "active",
      );
    await voidTokens(tx, id, now);
    await forgetAllFailures(tx, id);
    await endSessions(tx, id);
    const changed = (await load(tx, id)) as UserRow;
    await tx.tell({ type: "users.updated", aggregate: aggregateOf(changed), data: {} });
    return changed;
  });
}

/**
 * Sees to it that there is an administrator: by ADMIN_EMAIL, or, where one process is the whole federation, one whose
 * password `print` shows once. Harmless on several nodes at once.
 */
export async function ensureFirstAdmin(
  db: Database,
  settings: Settings,
  print: (text: string) => void,
): Promise<void> {
  const { adminEmail, adminPassword, natsUrl } = settings;
  if (adminPassword && passwordProblem(adminPassword))
    throw new SettingsError("ADMIN_PASSWORD is too long or among the most common passwords: choose another.");
  if (!adminEmail && natsUrl) return;
  if ((await holdersOf(db.primary, "admin")).length > 0) return;
  try {
    if (adminEmail) {
      await makeAdmin(db, adminEmail, adminPassword as string, false);
    } else {
      const password = randomPassword();
      const { username } = await createAdmin(
        db,
        null,
        await freeUsername(db, "admin@localhost"),
        password,
        false,
      );
      print(
        `The first administrator was made. It is shown this once:\n  User name  ${username}\n  Password   ${password}\n`,
      );
    }
  } catch (error) {
    // Another node makes the same one at this moment.
    if (!isRefusal(error, "USERNAME_TAKEN") && !isRefusal(error, "EMAIL_TAKEN")) throw error;
  }
}
