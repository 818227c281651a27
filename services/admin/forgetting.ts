/** What the admin domain keeps about administrators' sign-in goes when their account is erased. */
import type { ServiceBroker } from "moleculer";
import type { Database } from "../../lib/database.ts";
import type { Answer, Params } from "../../lib/declare.ts";
import { removeTotp } from "./totp-store.ts";

const AT_ONCE = 100;

/** Deletes second factors and sessions of those who are erased by now; there are as many rows as administrators. */
export async function forgetErased(broker: ServiceBroker, db: Database): Promise<void> {
  const rows = await db.primary.all<{ user_id: string }>(
    "SELECT user_id FROM admin_totp UNION SELECT user_id FROM admin_sessions",
  );
  const known = rows.map(({ user_id: user }) => user);
  for (let from = 0; from < known.length; from += AT_ONCE) {
    const ids = known.slice(from, from + AT_ONCE);
    const people = await broker.call<Answer<"users.names">, Params<"users.names">>("users.names", { ids });
    for (const { id } of people.filter(({ status }) => status === "erased"))
      await db.transaction(async (tx) => {
        await removeTotp(tx, id);
        await tx.run("DELETE FROM admin_sessions WHERE user_id = :id", { id });
      });
  }
}
