/** What desks have to do with outside of their rosters. */
import type { ServiceBroker } from "moleculer";
import type { Answer } from "../../lib/declare.ts";
import { Fresh } from "../../lib/fresh.ts";
import type { DocumentOutbox } from "../../mixins/outbox-documents.ts";
import type { Relay } from "../../mixins/relay.ts";
import { runtimeOf } from "../../mixins/runtime.ts";

/** Whether a club is active by now; all who ask at once are one question. */
export function clubReader(broker: ServiceBroker): (clubId: string) => Promise<boolean> {
  const reading = new Fresh(async (id: string) => {
    const [club] = await broker.call<Answer<"clubs.records">, { ids: string[] }>("clubs.records", {
      ids: [id],
    });
    return club?.status === "active";
  });
  return (clubId) => reading.get(clubId);
}

/** Tells what anybody consumes: in a rush every write counts, and some kinds of decisions nobody waits for. */
export function teller(
  broker: ServiceBroker,
  outbox: DocumentOutbox,
  relay: Relay,
): Pick<DocumentOutbox, "tell"> {
  const { contracts } = runtimeOf(broker);
  const consumed = new Set([...contracts.values()].flatMap(({ consumes = [] }) => consumes));
  return {
    async tell(messages) {
      const wanted = messages.filter(({ type }) => consumed.has(type));
      if (wanted.length === 0) return;
      await outbox.tell(wanted);
      relay.nudge();
    },
  };
}
