/** Outboxes of every kind, embedded, for tests. */
import path from "node:path";
import { Database } from "../../lib/database.ts";
import type { Envelope } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import { Migrations } from "../../lib/migrations.ts";
import { readSettings } from "../../lib/settings.ts";
import { connect } from "../../mixins/database.ts";
import type { Outbox } from "../../mixins/outbox.ts";
import { documentOutbox } from "../../mixins/outbox-documents.ts";
import { sqlOutbox } from "../../mixins/outbox-sql.ts";
import { engine } from "./document-engine.ts";

export interface Kind {
  outbox: Outbox;
  tell(messages: Envelope[]): Promise<void>;
  close(): Promise<void>;
}

export const KINDS: Record<string, (folder: string) => Promise<Kind>> = {
  async documents(folder) {
    const store = await engine.current.open(path.join(folder, "activities.documents.sqlite"));
    const outbox = await documentOutbox(store);
    return { outbox, tell: (messages) => outbox.tell(messages), close: () => store.close() };
  },
  async SQL(folder) {
    const db = await clubsDatabase(folder);
    return {
      outbox: sqlOutbox(db),
      tell: (messages) =>
        db.transaction(async (tx) => {
          for (const message of messages) await tx.requeue(message);
        }),
      close: () => db.sequelize.close(),
    };
  },
};

/** SQL has tests of its own on servers. */
export const kinds = engine.current.embedded ? ["documents", "SQL"] : ["documents"];

/** A new database with all tables of clubs. */
export async function clubsDatabase(folder: string): Promise<Database> {
  const sequelize = connect(readSettings({ DATA_DIR: folder }), "clubs");
  await new Migrations(sequelize, "clubs").up();
  return new Database(sequelize);
}

export function envelope(type = "clubs.updated"): Envelope {
  const aggregate = { type: "club", id: newId(), version: 1 };
  return {
    id: newId(),
    type,
    at: Date.now(),
    aggregate,
    actor: null,
    requestId: null,
    data: { name: "Chess" },
  };
}
