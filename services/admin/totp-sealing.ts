/** Secrets of second factors under a new key, before the old one goes. */
import type { Database } from "../../lib/database.ts";
import type { Sealer } from "./totp.ts";

const AT_ONCE = 100;

interface Row {
  user_id: string;
  secret: string;
}

/**
 * Encrypts with the first key what an older one had encrypted. Nodes may use the codes meanwhile. Returns how many; throws
 * when a secret is of none of the keys.
 */
export async function resealAll(db: Database, sealer: Sealer): Promise<number> {
  let changed = 0;
  for (let after = ""; ;) {
    const rows = await db.primary.all<Row>(
      `SELECT user_id, secret FROM admin_totp WHERE user_id > :after ORDER BY user_id LIMIT ${AT_ONCE}`,
      { after },
    );
    for (const { user_id: user, secret: seen } of rows) {
      const { secret, old } = sealer.open(user, seen);
      if (!old) continue;
      // One that was set anew meanwhile is under the first key already.
      changed += await db.primary.run(
        "UPDATE admin_totp SET secret = :sealed WHERE user_id = :user AND secret = :seen",
        { user, seen, sealed: sealer.seal(user, secret) },
      );
    }
    const last = rows.at(-1);
    if (!last) return changed;
    after = last.user_id;
  }
}
