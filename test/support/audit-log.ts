/** An audit log of its own, to write and to tamper with. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { hashOf } from "../../lib/audit-chain.ts";
import type { EntryRow, LogEntry } from "../../lib/audit-chain.ts";
import { Database } from "../../lib/database.ts";
import { newId } from "../../lib/ids.ts";
import { Migrations } from "../../lib/migrations.ts";
import { readSettings } from "../../lib/settings.ts";
import { connect } from "../../mixins/database.ts";
import { AuditWriter } from "../../services/admin/audit-writer.ts";

export interface Log {
  db: Database;
  writer: AuditWriter;
  /** In the order of the chains. */
  rows(): Promise<EntryRow[]>;
  /** Takes everything out, heads too. */
  empty(): Promise<void>;
  /** As somebody who knows how it is made: the rows as they are given, with hashes that fit. */
  forge(rows: readonly EntryRow[]): Promise<void>;
  close(): Promise<void>;
}

export async function openLog(): Promise<Log> {
  const folder = await mkdtemp(path.join(tmpdir(), "club-alliance-audit-"));
  const sequelize = connect(readSettings({ DATA_DIR: folder }), "admin");
  await new Migrations(sequelize, "admin").up();
  const db = new Database(sequelize);
  const run = (sql: string, values = {}): Promise<number> => db.primary.run(sql, values);
  const empty = async (): Promise<void> => {
    await run("DELETE FROM audit_entries");
    await run("UPDATE audit_heads SET seq = 0, hash = '', id = ''");
  };
  return {
    db,
    writer: new AuditWriter(db),
    rows: () => db.primary.all<EntryRow>("SELECT * FROM audit_entries ORDER BY chain, seq"),
    empty,
    async forge(rows) {
      await empty();
      for (const [chain, own] of Map.groupBy(rows, (row) => row.chain)) {
        let last = { seq: 0, hash: "", id: "" };
        const made = own.map((row) => {
          const linked = { ...row, seq: last.seq + 1, previous: last.hash };
          last = { seq: linked.seq, hash: hashOf(linked), id: row.id };
          return { ...linked, hash: last.hash };
        });
        await db.primary.insertAll("audit_entries", made);
        await run("UPDATE audit_heads SET seq = :seq, hash = :hash, id = :id WHERE chain = :chain", {
          ...last,
          chain,
        });
      }
    },
    async close() {
      await sequelize.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export function entry(more: Partial<LogEntry> = {}, address: string | null = "192.0.2.1"): LogEntry {
  return {
    id: newId(),
    at: Date.now(),
    actor: newId(),
    requestId: newId(),
    acted: {
      action: "clubs.update",
      subject: { type: "club", id: newId() },
      changes: { name: ["棋社", "围棋社"] },
      result: "ok",
      address,
    },
    ...more,
  };
}
