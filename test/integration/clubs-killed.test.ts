/** A node is killed while it founds a club: the next one finishes or undoes it. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { newId } from "../../lib/ids.ts";
import { Neighbours, startCampus } from "../support/clubs.ts";
import type { Campus } from "../support/clubs.ts";
import { eventually } from "../support/federation.ts";

const VICTIM = path.join(import.meta.dirname, "..", "support", "clubs-victim.ts");
const WITHIN = 10_000;

const ended = async (campus: Campus) =>
  eventually(async () => {
    const open: unknown = await campus.broker.call("clubs.sagas");
    return JSON.stringify(open) === "[]" || undefined;
  }, WITHIN);

/** Spares the test the wait for the leases of who died. */
const endLeases = (campus: Campus) => campus.db.primary.run("UPDATE sagas SET lease_until = 0");

async function killedAt(moment: number, founder: string): Promise<string> {
  const dataDir = await mkdtemp(path.join(tmpdir(), "clubs-killed-"));
  const env = { ...process.env, DATA_DIR: dataDir, FOUNDER: founder, MOMENT: String(moment) };
  const child = spawn(process.execPath, [VICTIM], { env, stdio: ["ignore", "ignore", "inherit"] });
  const signal = await new Promise((resolve) => child.once("exit", (_code, by) => resolve(by)));
  expect(signal).toBe("SIGKILL");
  return dataDir;
}

describe.each([-1, 0, 5])("killed at %i ms", (moment) => {
  test("the club stands within ten seconds, once, and the repeat finds it", async () => {
    const founder = newId();
    const dataDir = await killedAt(moment, founder);
    const campus = await startCampus({ DATA_DIR: dataDir });
    try {
      await ended(campus);
      const [club] = (
        await campus.ok<{ items: { id: string }[] }>("GET", "/clubs?mine=true", { as: founder })
      ).items;
      expect(club).toMatchObject({ name: "Phoenix", status: "pending", myRole: "president", memberCount: 1 });
      expect(await campus.told(club?.id ?? "")).toMatchObject([{ type: "clubs.created" }]);
      // The key of a request that died is free after its lease.
      await campus.db.primary.run("UPDATE idempotency_keys SET lease_until = 0 WHERE status IS NULL");
      const body = { name: "Phoenix", summary: "It rises.", category: "academic", tags: ["fire"] };
      const repeat = await campus.call("POST", "/clubs", { as: founder, body, key: "phoenix" });
      expect([repeat.status, repeat.body.id]).toEqual([201, club?.id]);
    } finally {
      await campus.stop();
      await rm(dataDir, { recursive: true, force: true });
    }
  });
});

test("killed, and reviews is gone: nothing is left", async () => {
  const founder = newId();
  const dataDir = await killedAt(-1, founder);
  const world = new Neighbours();
  world.away.add("reviews");
  const campus = await startCampus({ DATA_DIR: dataDir }, world);
  try {
    await endLeases(campus);
    await eventually(async () => {
      const left = await campus.db.primary.number("SELECT COUNT(*) FROM clubs");
      return left === 0 || undefined;
    }, WITHIN);
    for (const table of ["members", "club_tags", "outbox"])
      expect(await campus.db.primary.number(`SELECT COUNT(*) FROM ${table}`)).toBe(0);
    world.away.clear();
    await endLeases(campus);
    await ended(campus);
    expect([...world.undone]).toHaveLength(1);
  } finally {
    await campus.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
});
