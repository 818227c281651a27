/**
 * What the audit log costs: CPU of writes over REST with and without their rule, delivery to the log included, in rounds
 * that take turns; and how long it takes to verify 100,000 entries. One process, so that the client's share is in both.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { ActionContract } from "../../lib/declare.ts";
import type { DatabaseMethods } from "../../mixins/database.ts";
import { actionContracts } from "../../services/contracts.ts";
import { verifyLog } from "../../services/admin/audit-verify.ts";
import { startOffice } from "../../test/support/admin.ts";
import type { Office } from "../../test/support/admin.ts";
import { entry, openLog } from "../../test/support/audit-log.ts";
import { spread } from "../support/rounds.ts";

const ROUNDS = 6;
const WRITES = 100;
const AT_ONCE = 4;
const ENTRIES = 100_000;

interface Write {
  name: string;
  action: string;
  /** Of the service whose outbox tells of it. */
  service: string;
  send: (n: number) => Promise<unknown>;
}

export async function measure(): Promise<void> {
  const office = await startOffice({
    domains: ["clubs", "applications", "activities", "posts", "notifications", "files", "search"],
  });
  try {
    console.log("| write | without | with | more |\n| --- | --- | --- | --- |");
    for (const write of await writesOf(office)) await compare(office, write);
  } finally {
    await office.stop();
  }
  await verifying();
}

async function writesOf(office: Office): Promise<Write[]> {
  const all = office.public;
  const [president, reviewer] = [await all.register(), await all.register()];
  const { token } = await all.admin();
  await all.ok("PUT", `/users/${reviewer.id}/roles`, { token, body: { roles: ["reviewer"] } });
  const club = await all.foundClub(president, reviewer);
  const body = (n: number) => ({ name: `Club of the benchmark ${n}` });
  const roles = (n: number) => ({ roles: n % 2 ? ["reviewer"] : ["reviewer", "moderator"] });
  return [
    {
      name: "PATCH /clubs/:id",
      action: "clubs.update",
      service: "clubs",
      send: (n) => all.ok("PATCH", `/clubs/${club}`, { token: president.token, body: body(n) }),
    },
    {
      name: "PUT /users/:id/roles",
      action: "users.setRoles",
      service: "users",
      send: (n) => all.ok("PUT", `/users/${reviewer.id}/roles`, { token, body: roles(n) }),
    },
  ];
}

async function compare(office: Office, write: Write): Promise<void> {
  const contract = actionContracts.get(write.action) as ActionContract;
  const rule = contract.audit;
  const costs: Record<"without" | "with", number[]> = { without: [], with: [] };
  for (let round = -1; round < ROUNDS; round++)
    for (const way of round % 2 ? (["without", "with"] as const) : (["with", "without"] as const)) {
      contract.audit = way === "with" ? rule : undefined;
      const cost = await cpuOf(office, write);
      // The first one is for the compiler.
      if (round >= 0) costs[way].push(cost);
    }
  contract.audit = rule;
  const ratios = costs.with.map((cost, i) => cost / (costs.without[i] as number) - 1);
  const show = (values: number[], unit: string, factor = 1): string => {
    const { median, min, max } = spread(values.map((value) => value * factor));
    return `${median.toFixed(0)} (${min.toFixed(0)}–${max.toFixed(0)}) ${unit}`;
  };
  console.log(
    `| ${write.name} | ${show(costs.without, "µs")} | ${show(costs.with, "µs")} | ${show(ratios, "%", 100)} |`,
  );
}

let sent = 0;

/** CPU microseconds of a write, until what it tells is delivered. */
async function cpuOf(office: Office, { service, send }: Write): Promise<number> {
  const { db } = office.broker.getLocalService(service) as unknown as DatabaseMethods;
  const before = process.cpuUsage();
  for (let n = 0; n < WRITES; n += AT_ONCE)
    await Promise.all(Array.from({ length: AT_ONCE }, () => send(sent++)));
  const waiting = "SELECT COUNT(*) AS n FROM outbox WHERE published_at IS NULL";
  while ((await db.primary.number(waiting)) > 0) await sleep(5);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / WRITES;
}

async function verifying(): Promise<void> {
  const log = await openLog();
  try {
    for (let n = 0; n < ENTRIES; n += 1_000)
      await Promise.all(Array.from({ length: 1_000 }, () => log.writer.add(entry())));
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const began = performance.now();
    const verdict = await verifyLog(log.db.primary, [], Date.now());
    const took = performance.now() - began;
    delay.disable();
    console.log(
      `\nVerifying ${verdict.checked} entries: ${(took / 1000).toFixed(2)} s, the loop held for ${(delay.max / 1e6).toFixed(0)} ms at most`,
    );
  } finally {
    await log.close();
  }
}
