/** What a node tells of its work, of what it leans on and of its domains' messages and sagas: after work that is known. */
import { newId } from "../../lib/ids.ts";
import { VERSION } from "../../lib/version.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import type { Administrator, Office } from "../support/admin.ts";
import { eventually } from "../support/eventually.ts";
import { scrape } from "../support/metrics.ts";
import type { Samples } from "../support/metrics.ts";
import { neighbourhood, outboxOf, startSystem } from "../support/system.ts";

const world = neighbourhood();
const SAGA = { saga: "createClub" };
const LIMIT = 30_000;

let office: Office;
let admin: Administrator;
let president: { id: string; token: string };
let clubs = 0;

beforeAll(async () => {
  office = await startSystem(world);
  admin = await office.admin();
  president = await office.public.register();
}, 60_000);
afterAll(async () => office?.stop());
afterEach(() => {
  world.refusing.clear();
  world.reviewsAway = false;
  world.onOpen = async () => undefined;
});

const metrics = () => scrape(office.broker);

/** Waits until the metrics say so: what is asked of stores is kept for some seconds. */
function until(holds: (seen: Samples) => boolean): Promise<Samples> {
  return eventually(async () => {
    const seen = await metrics();
    return holds(seen) ? seen : undefined;
  }, LIMIT);
}

function found(): Promise<{ status: number; body: { id: string } }> {
  const body = { name: `Club ${++clubs}`, summary: "A club.", category: "academic" };
  return office.public.call("POST", "/clubs", { token: president.token, body });
}

test("the node, and whom it knows", async () => {
  const seen = await metrics();
  expect(seen.of("club_alliance_build_info")).toMatchObject([
    { value: 1, labels: { version: VERSION, node: office.broker.nodeID } },
  ]);
  const domains = seen.of("club_alliance_build_info")[0]?.labels["domains"]?.split(",");
  expect(domains).toEqual(expect.arrayContaining(["admin", "admin-gateway", "clubs", "gateway", "users"]));
  expect(seen.value("club_alliance_ready")).toBe(Number(runtimeOf(office.broker).readiness.ready));
  expect(seen.value("club_alliance_draining")).toBe(0);
  expect(seen.value("club_alliance_cluster_nodes")).toBe(1);
});

test("both gateways count, each its own", async () => {
  await office.public.call("GET", "/clubs");
  await office.call("GET", "/admin/system");
  const seen = await metrics();
  const requests = (gateway: string, route: string, status: string) =>
    seen.value("club_alliance_http_requests_total", { gateway, route, status });
  expect(requests("public", "GET /clubs", "2xx")).toBeGreaterThanOrEqual(1);
  expect(requests("admin", "GET /admin/system", "4xx")).toBe(1);
  expect(requests("admin", "GET /clubs", "2xx")).toBeUndefined();
  expect(seen.value("club_alliance_http_in_flight", { gateway: "admin" })).toBe(0);
});

test("calls that were refused are no failures", async () => {
  const of = (seen: Samples, result: string) =>
    seen.value("club_alliance_action_calls_total", { action: "clubs.get", result }) ?? 0;
  const before = await metrics();
  expect((await office.public.call("GET", `/clubs/${newId()}`)).status).toBe(404);
  const after = await metrics();
  expect(of(after, "refused") - of(before, "refused")).toBe(1);
  expect(of(after, "failed")).toBe(of(before, "failed"));
});

test("messages that wait, and dead letters", async () => {
  const { body: club } = await found();
  const idle = await until((seen) => seen.value("club_alliance_outbox_waiting", { domain: "clubs" }) === 0);
  expect(idle.value("club_alliance_outbox_oldest_seconds", { domain: "clubs" })).toBe(0);
  expect(idle.value("club_alliance_dead_letters", { domain: "clubs" })).toBe(0);
  world.refusing.add("reviews.onClubChanged");
  const { token } = president;
  await office.public.ok("PATCH", `/clubs/${club.id}`, { token, body: { summary: "Told." } });
  // It waits for the one who has refused it, and makes nothing late.
  await until(
    (seen) =>
      seen.value("club_alliance_outbox_waiting", { domain: "clubs" }) === 1 &&
      seen.value("club_alliance_outbox_oldest_seconds", { domain: "clubs" }) === 0,
  );
  await outboxOf(office, "clubsQueue").dead(1);
  const dead = await until((seen) => seen.value("club_alliance_dead_letters", { domain: "clubs" }) === 1);
  expect(dead.value("club_alliance_outbox_waiting", { domain: "clubs" })).toBe(0);
  expect(dead.value("club_alliance_dead_letters", { domain: "users" })).toBe(0);
});

test("a saga that is open", async () => {
  const gate = Promise.withResolvers<void>();
  world.onOpen = () => gate.promise;
  const answer = found();
  const open = await until(
    (seen) => seen.value("club_alliance_sagas_open", { ...SAGA, state: "running" }) === 1,
  );
  expect(open.value("club_alliance_sagas_open", { ...SAGA, state: "undoing" })).toBe(0);
  expect(open.value("club_alliance_sagas_oldest_seconds", SAGA)).toBeGreaterThan(0);
  gate.resolve();
  expect((await answer).status).toBe(201);
  const ended = await until(
    (seen) => seen.value("club_alliance_sagas_open", { ...SAGA, state: "running" }) === 0,
  );
  expect(ended.value("club_alliance_sagas_oldest_seconds", SAGA)).toBe(0);
});

test("the checkpoints of the audit log, and an import at work", async () => {
  const seen = await metrics();
  expect(seen.value("club_alliance_audit_checkpoint_age_seconds")).toBeGreaterThan(0);
  expect(seen.value("club_alliance_import_running")).toBe(0);
  // It waits for whoever takes its rows.
  await office.broker.destroyService("userImports");
  await office.ok("POST", "/admin/imports?kind=users", {
    token: admin.token,
    raw: "username,email\nsomebody,somebody@example.edu\n",
    headers: { "content-type": "text/csv" },
  });
  await until((later) => later.value("club_alliance_import_running") === 1);
});

test("services that nobody runs, and a circuit that is open", async () => {
  const before = (await metrics()).value("club_alliance_services_missing") as number;
  expect(before).toBeGreaterThan(1);
  office.broker.createService({
    name: "reminders",
    actions: {
      depth: () => {
        throw new Error("It fails.");
      },
    },
  });
  await office.broker.waitForServices("reminders");
  const here = await metrics();
  expect(here.value("club_alliance_services_missing")).toBe(before - 1);
  expect(here.value("club_alliance_circuits", { state: "open" })).toBe(0);
  for (let i = 0; i < 12; i++) await office.broker.call("reminders.depth").catch(() => undefined);
  expect((await metrics()).value("club_alliance_circuits", { state: "open" })).toBe(1);
  await until((seen) => seen.value("club_alliance_circuits", { state: "half-open" }) === 1);
  expect((await metrics()).value("club_alliance_circuits", { state: "open" })).toBe(0);
});

describe("what the node leans on", () => {
  test("answers, with how busy it is", async () => {
    const seen = await metrics();
    for (const store of ["users", "clubs", "admin"]) {
      expect(seen.value("club_alliance_store_up", { store, kind: "sqlite" })).toBe(1);
      expect(seen.value("club_alliance_store_response_seconds", { store })).toBeGreaterThanOrEqual(0);
      expect(seen.value("club_alliance_pool_limit", { store })).toBe(1);
    }
    const { db } = outboxOf(office, "clubsQueue");
    const gate = Promise.withResolvers<void>();
    const holds = db.transaction(async (tx) => {
      await tx.run("UPDATE relay_lease SET owner = owner");
      await gate.promise;
    });
    const waits = db.transaction((tx) => tx.run("UPDATE relay_lease SET owner = owner"));
    const pool = { store: "clubs" };
    const busy = await until((now) => (now.value("club_alliance_pool_waiting", pool) ?? 0) >= 1);
    expect(busy.value("club_alliance_pool_connections", { ...pool, state: "used" })).toBe(1);
    expect(busy.value("club_alliance_pool_connections", { ...pool, state: "idle" })).toBe(0);
    gate.resolve();
    await Promise.all([holds, waits]);
    await until((now) => now.value("club_alliance_pool_connections", { ...pool, state: "used" }) === 0);
  });

  test("or stands still: the metrics come all the same, and it is asked once", async () => {
    const { probes } = runtimeOf(office.broker);
    let asked = 0;
    probes.set("frozen", {
      kind: "mysql",
      look: () => {
        asked++;
        return new Promise(() => undefined);
      },
    });
    try {
      await until((seen) => seen.value("club_alliance_store_up", { store: "frozen", kind: "mysql" }) === 0);
      const seen = await metrics();
      expect(seen.value("club_alliance_store_response_seconds", { store: "frozen" })).toBeUndefined();
      expect(seen.value("club_alliance_store_up", { store: "clubs" })).toBe(1);
      expect(asked).toBe(1);
    } finally {
      probes.delete("frozen");
    }
  });
});

// Nobody brings the consumer back: those below can do without.
test("a message whose consumer is away grows old", async () => {
  const { body: club } = await found();
  await until((seen) => seen.value("club_alliance_outbox_waiting", { domain: "clubs" }) === 0);
  await office.broker.destroyService("reviews");
  const { token } = president;
  await office.public.ok("PATCH", `/clubs/${club.id}`, { token, body: { summary: "Told late." } });
  const old = await until(
    (seen) => (seen.value("club_alliance_outbox_oldest_seconds", { domain: "clubs" }) ?? 0) > 1,
  );
  expect(old.value("club_alliance_outbox_waiting", { domain: "clubs" })).toBe(1);
});

test("last, the node is drained: it tells so, and no more of what it does not run", async () => {
  expect(await office.broker.call("node.drain", { force: true })).toEqual({ state: "draining" });
  const first = await metrics();
  expect([first.value("club_alliance_draining"), first.value("club_alliance_ready")]).toEqual([1, 0]);
  const drained = await until((seen) => seen.value("club_alliance_cluster_nodes") === 0);
  expect(drained.value("club_alliance_draining")).toBe(1);
  const gone = await until((seen) => seen.of("club_alliance_outbox_waiting").length === 0);
  for (const name of ["club_alliance_sagas_open", "club_alliance_import_running"])
    expect([name, gone.of(name)]).toEqual([name, []]);
}, 60_000);
