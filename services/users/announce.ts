import type { ServiceBroker } from "moleculer";
import type { Tx } from "../../lib/database.ts";

/** Tells every gateway of ended sessions after the commit; what is lost on the way they find when they ask. */
export function announce(broker: ServiceBroker, tx: Tx, sids: readonly string[]): void {
  if (sids.length > 0) tx.afterCommit.push(() => broker.broadcast("sessions.revoked", { sids: [...sids] }));
}
