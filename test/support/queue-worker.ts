/**
 * A node of clubs with a consumer whose effects can be counted: each message writes a row, in the transaction of its
 * inbox. REFUSING: the first word of a message's name that it always refuses.
 */
import type { Envelope } from "../../lib/declare.ts";
import { AppError } from "../../lib/errors.ts";
import { readEnvironment, readSettings } from "../../lib/settings.ts";
import type { DatabaseMethods } from "../../mixins/database.ts";
import { createNode } from "../../moleculer.config.ts";

const broker = await createNode(readSettings(readEnvironment()), ["clubs"]);
broker.createService({
  name: "reviews",
  actions: {
    async onClubChanged({ params }: { params: Envelope<{ name: string }> }) {
      if (params.data.name.startsWith("refused")) throw new AppError("NOT_FOUND");
      const { db } = broker.getLocalService("clubs") as unknown as DatabaseMethods;
      await db.transaction(async (tx) => {
        const inbox = { id: params.id, consumer: "test", received_at: Date.now() };
        if (!(await tx.insertNew("inbox", inbox))) return;
        const { id, version } = params.aggregate;
        await tx.insert("effects", { message: params.id, aggregate: id, version });
      });
    },
  },
});
await broker.start();
process.stdout.write("  Health     started\n");
process.on("SIGTERM", () => void broker.stop().then(() => process.exit(0)));
