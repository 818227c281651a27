/** Several nodes write the audit log on MariaDB at once: every entry is in it once, and no chain forks. */
import { Sequelize } from "sequelize";
import type { EntryRow } from "../../lib/audit-chain.ts";
import { Database, mysqlOptions } from "../../lib/database.ts";
import { Migrations } from "../../lib/migrations.ts";
import { pageOfLog } from "../../services/admin/audit-reading.ts";
import { verifyLog } from "../../services/admin/audit-verify.ts";
import { AuditWriter } from "../../services/admin/audit-writer.ts";
import { entry } from "../support/audit-log.ts";
import { describeWith, startMariadb } from "../support/servers/index.ts";
import type { MariadbServer } from "../support/servers/index.ts";

const NODES = 3;
describeWith(["mariadb"], "the audit log on MariaDB", () => {
  let server: MariadbServer;
  let nodes: { db: Database; writer: AuditWriter }[] = [];

  beforeAll(async () => {
    server = await startMariadb();
    const url = await server.database("admin");
    nodes = Array.from({ length: NODES }, () => {
      const db = new Database(new Sequelize(mysqlOptions(url)));
      return { db, writer: new AuditWriter(db) };
    });
    await new Migrations(nodes[0]?.db.sequelize as Sequelize, "admin").up();
  }, 60_000);
  afterAll(async () => {
    await Promise.all(nodes.map(({ db }) => db.sequelize.close()));
    await server.stop();
  });

  const first = (): Database => nodes[0]?.db as Database;

  test("at once, some of the same entries on several nodes", async () => {
    const all = Array.from({ length: 600 }, () => entry());
    const rounds = Array.from({ length: 30 }, (_, round) => all.slice(round * 20, round * 20 + 20));
    for (const some of rounds)
      await Promise.all(
        nodes.flatMap(({ writer }, node) =>
          // Half of each round comes to all of them, the rest to one.
          some.filter((_, i) => i < 10 || i % NODES === node).map((each) => eventuallyTaken(writer, each)),
        ),
      );
    expect(await verifyLog(first().primary, [], Date.now())).toEqual({
      ok: true,
      checked: 600,
      firstBroken: null,
    });
    const chains = await first().primary.all<{ chain: number }>("SELECT DISTINCT chain FROM audit_entries");
    // The control: they did get into one another's way, and took other chains.
    expect(chains.length).toBeGreaterThan(1);
  });

  test("what was changed in the database is found there too", async () => {
    const [row] = await first().primary.all<EntryRow>(
      "SELECT * FROM audit_entries ORDER BY chain, seq LIMIT 1 OFFSET 5",
    );
    const id = row?.id as string;
    await first().primary.run("UPDATE audit_entries SET actor = NULL WHERE id = :id", { id });
    expect(await verifyLog(first().primary, [], Date.now())).toMatchObject({ ok: false, firstBroken: id });
    await first().primary.run("UPDATE audit_entries SET actor = :actor WHERE id = :id", {
      id,
      actor: row?.actor ?? null,
    });
    expect(await verifyLog(first().primary, [], Date.now())).toMatchObject({ ok: true });
  });

  test("the list is read by each of its filters", async () => {
    const [newest] = await pageOfLog(first().primary, {}, null, 1);
    const row = newest as EntryRow;
    const filters = [
      { actor: row.actor as string },
      { action: row.action },
      { subject: `club:${row.subject_id}` },
      { subject: row.subject_id as string },
      { result: "ok", from: new Date(row.at).toISOString() },
    ];
    for (const filter of filters) expect((await pageOfLog(first().primary, filter, null, 1))[0]).toEqual(row);
    expect(await pageOfLog(first().primary, {}, [row.at, row.id], 1)).not.toEqual([row]);
  });
});

/** As the relay does: who is told to come again does so. */
async function eventuallyTaken(writer: AuditWriter, each: ReturnType<typeof entry>): Promise<void> {
  for (let tries = 0; ; tries++)
    try {
      return await writer.add(each);
    } catch (error) {
      if (tries === 20) throw error;
    }
}
