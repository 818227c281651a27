/** What administrators see of the running federation, and what they can do about it. */
import { setTimeout as sleep } from "node:timers/promises";
import { newId } from "../../lib/ids.ts";
import type { Answer } from "../../lib/declare.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { COMMANDS, runCommand } from "../../scripts/repl-commands.ts";
import type { Administrator, Office } from "../support/admin.ts";
import { eventually } from "../support/eventually.ts";
import { setup } from "../support/place.ts";
import { neighbourhood, outboxOf, startSystem } from "../support/system.ts";

type System = Answer<"system.overview">;
type Letters = Answer<"system.deadLetters">;
type Saga = Answer<"system.finishSaga">;

const world = neighbourhood();
const SQL = setup === "servers" ? "mysql" : "sqlite";

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

const as = (body?: unknown) => ({ token: admin.token, ...(body !== undefined && { body }) });

async function command(name: string, args: Record<string, string> = {}): Promise<string> {
  const found = COMMANDS.find(({ command: text }) => text.split(" ")[0] === name);
  let printed = "";
  await runCommand(office.broker, found as (typeof COMMANDS)[number], args, (text) => (printed = text));
  return printed;
}

function found(): Promise<{ status: number; body: { id: string; code?: string } }> {
  const body = { name: `Club ${++clubs}`, summary: "A club.", category: "academic" };
  return office.public.call("POST", "/clubs", { token: president.token, body });
}

const tell = (name: string, id: string) =>
  office.public.ok("PATCH", `/clubs/${id}`, { token: president.token, body: { summary: name } });

const ID = "019390aa-0000-7000-8000-000000000000";
const ROUTES: [method: string, path: string, body: object | undefined][] = [
  ["GET", "/admin/system", undefined],
  ["GET", "/admin/system/dead-letters?domain=clubs", undefined],
  ["GET", `/admin/system/dead-letters/clubs/${ID}:search.onClubChanged`, undefined],
  ["POST", "/admin/system/dead-letters/replay", { domain: "clubs" }],
  ["POST", "/admin/system/dead-letters/drop", { domain: "clubs", id: "x", reason: "no" }],
  ["GET", "/admin/system/sagas", undefined],
  ["POST", `/admin/system/sagas/${ID}/finish`, undefined],
  ["POST", `/admin/system/sagas/${ID}/undo`, undefined],
  ["POST", "/admin/system/search/rebuild", undefined],
  ["GET", "/admin/system/search/rebuild", undefined],
  ["DELETE", `/admin/users/${ID}/sessions`, undefined],
  ["POST", "/admin/system/nodes/users.host~1/drain", {}],
];

test.each(ROUTES)("%s %s is for administrators of the admin gateway alone", async (method, path, body) => {
  const { token } = await office.public.admin();
  expect(await office.outcome(method, path, { body })).toBe("401 UNAUTHENTICATED");
  expect(await office.outcome(method, path, { token, body })).toBe("401 INVALID_TOKEN");
  expect((await office.public.call(method, path, { token, body })).status).toBe(404);
});

describe("the view", () => {
  test("has the node with all that it leans on, the services, and what is missing", async () => {
    const system = await office.ok<System>("GET", "/admin/system", as());
    const [node] = system.nodes;
    expect(node).toMatchObject({ id: office.broker.nodeID, answers: "yes" });
    expect(node?.status).toMatchObject({ state: "running", version: "0.1.0", circuits: [] });
    expect(node?.status?.domains).toEqual(expect.arrayContaining(["users", "clubs", "admin"]));
    expect(node?.status?.memory.rss).toBeGreaterThan(1_000_000);
    expect(system.databases).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: "clubs", kind: SQL, reachable: true, error: null }),
        expect.objectContaining({ name: "admin", kind: SQL, reachable: true }),
      ]),
    );
    expect(system.services).toContainEqual({ name: "clubs", nodes: [office.broker.nodeID], available: true });
    expect(system.services).toContainEqual({ name: "participations", nodes: [], available: false });
    expect(system.missing).toContain("activitiesQueue");
    expect(system.missing).not.toContain("clubsQueue");
    expect(system.sagas).toEqual([]);
    expect(system.reminders).toBeNull();
  });

  test("says of each domain whose queue can be asked how long it is, and of the others that they are away", async () => {
    const { queues } = await office.ok<System>("GET", "/admin/system", as());
    const of = (domain: string) => queues.find((each) => each.domain === domain);
    expect(of("clubs")).toMatchObject({ available: true, dead: 0 });
    expect(of("posts")).toEqual({
      domain: "posts",
      available: false,
      waiting: null,
      oldest: null,
      oldestSeconds: null,
      dead: null,
    });
  });

  test("shows a store that stands still, asks it once, and answers all the same", async () => {
    const { probes } = runtimeOf(office.broker);
    let asked = 0;
    probes.set("frozen", {
      kind: "mysql",
      look: () => {
        asked++;
        return new Promise(() => undefined);
      },
    });
    probes.set("broken", { kind: "redis", look: () => Promise.reject(new Error("refused")) });
    try {
      for (let i = 0; i < 2; i++) {
        const { databases } = await office.ok<System>("GET", "/admin/system", as());
        const of = (name: string) => databases.find((each) => each.name === name);
        expect(of("frozen")).toMatchObject({ reachable: false, error: expect.stringMatching(/no answer/) });
        expect(of("broken")).toMatchObject({ reachable: false, error: "refused" });
        expect(of("clubs")).toMatchObject({ reachable: true });
      }
      expect(asked).toBe(1);
    } finally {
      probes.delete("frozen");
      probes.delete("broken");
    }
  });

  test("shows circuits that are open", async () => {
    office.broker.createService({
      name: "reminders",
      actions: {
        depth: () => {
          throw new Error("It fails.");
        },
      },
    });
    await office.broker.waitForServices("reminders");
    for (let i = 0; i < 12; i++) await office.broker.call("reminders.depth").catch(() => undefined);
    const { circuits } = await office.ok<System>("GET", "/admin/system", as());
    expect(circuits).toContainEqual({
      by: office.broker.nodeID,
      action: "reminders.depth",
      node: office.broker.nodeID,
      state: "open",
    });
  });

  test("is what operators see at the prompt", async () => {
    const printed = await command("system");
    expect(printed).toContain(`${office.broker.nodeID}  running`);
    expect(printed).toMatch(new RegExp(`clubs \\(${SQL}\\) \\d+ ms`));
    expect(await command("queues")).toMatch(/posts +away/);
    expect(await command("node", { id: office.broker.nodeID })).toContain('"state": "running"');
  });
});

describe("dead letters", () => {
  test("are listed in pages, looked at, replayed and dropped", async () => {
    const { body: club } = await found();
    world.refusing.add("reviews.onClubChanged");
    for (const name of ["One.", "Two.", "Three."]) await tell(name, club.id);
    const ids = await outboxOf(office, "clubsQueue").dead(3);
    const first = await office.ok<Letters>("GET", "/admin/system/dead-letters?domain=clubs&limit=2", as());
    expect(first.items.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    expect(first.items[0]).toMatchObject({
      domain: "clubs",
      type: "clubs.updated",
      consumer: "reviews.onClubChanged",
      attempts: 12,
    });
    const next = `/admin/system/dead-letters?domain=clubs&limit=2&cursor=${first.nextCursor}`;
    const second = await office.ok<Letters>("GET", next, as());
    expect([second.items.map(({ id }) => id), second.nextCursor]).toEqual([ids.slice(2), null]);
    const [one, two, three] = ids as [string, string, string];
    const path = (id: string) => `/admin/system/dead-letters/clubs/${id}`;
    expect(await office.ok("GET", path(one), as())).toMatchObject({
      id: one,
      envelope: { type: "clubs.updated", aggregate: { id: club.id } },
    });
    expect(await office.outcome("GET", path(`${ID}:a.b`), as())).toBe("404 NOT_FOUND");

    const drop = { domain: "clubs", id: two, reason: "The club knows." };
    const dropped = async () => {
      const headers = { "idempotency-key": "drop it" };
      const { status, headers: told } = await office.call("POST", "/admin/system/dead-letters/drop", {
        ...as(drop),
        headers,
      });
      return [status, told["idempotency-replayed"]];
    };
    expect([await dropped(), await dropped()]).toEqual([
      [204, undefined],
      [204, "true"],
    ]);
    expect(await office.outcome("POST", "/admin/system/dead-letters/drop", as(drop))).toBe("404 NOT_FOUND");
    world.refusing.clear();
    const replay = "/admin/system/dead-letters/replay";
    expect(await office.outcome("POST", replay, as({ domain: "clubs", id: two }))).toBe("404 NOT_FOUND");
    expect(await office.ok("POST", replay, as({ domain: "clubs", id: one }))).toEqual({
      replayed: 1,
      more: false,
    });
    expect(await office.ok("POST", replay, as({ domain: "clubs" }))).toEqual({ replayed: 1, more: false });
    await eventually(async () => world.taken.length >= 2 || undefined);
    const message = (id: string) => id.split(":")[0] as string;
    expect(world.taken.toSorted()).toEqual([message(one), message(three)]);
    const { queues } = await office.ok<System>("GET", "/admin/system", as());
    expect(queues.find(({ domain }) => domain === "clubs")).toMatchObject({ dead: 0 });
  });

  test("of a replay and a drop at once one wins, and it is what happens", async () => {
    const { body: club } = await found();
    world.refusing.add("reviews.onClubChanged");
    await tell("Both.", club.id);
    const [id] = (await outboxOf(office, "clubsQueue").dead(1)) as [string];
    world.refusing.clear();
    world.taken.length = 0;
    const outcomes = await Promise.all([
      office.outcome("POST", "/admin/system/dead-letters/drop", as({ domain: "clubs", id, reason: "?" })),
      office.broker
        .call<{ replayed: number }, object>("clubsQueue.replay", { id })
        .then(({ replayed }) => replayed),
    ]);
    await outboxOf(office, "clubsQueue").tryAgain();
    await sleep(200);
    expect(world.taken).toHaveLength(outcomes[0] === "204" ? 0 : 1);
  });

  test("an erasure is owed: it cannot be dropped, and its receipt is there only when it was done", async () => {
    const person = await office.public.register();
    world.refusing.add("applications.onUserErased");
    const body = { password: person.password };
    expect((await office.public.call("DELETE", "/users/me", { token: person.token, body })).status).toBe(204);
    const [id] = (await outboxOf(office, "usersQueue").dead(1)) as [string];
    const receipt = async () =>
      (
        await office.broker.call<{ receipts: { consumer: string; done: boolean }[] }, object>(
          "users.erasure",
          {
            id: person.id,
          },
        )
      ).receipts.find(({ consumer }) => consumer === "applications.onUserErased");
    const drop = { domain: "users", id, reason: "It will not go away." };
    expect(await office.outcome("POST", "/admin/system/dead-letters/drop", as(drop))).toBe(
      "409 ERASURE_OWED",
    );
    expect(await command("drop", { domain: "users", id })).toMatch(/drop failed: .*ERASURE_OWED/);
    expect(await receipt()).toMatchObject({ done: false });
    world.refusing.clear();
    expect(
      await office.outcome("POST", "/admin/system/dead-letters/replay", as({ domain: "users", id })),
    ).toBe("200");
    await eventually(async () => (await receipt())?.done || undefined);
  });

  test("wrong ones are refused", async () => {
    const list = "/admin/system/dead-letters";
    expect(await office.outcome("GET", list, as())).toBe("422 VALIDATION_FAILED domain=REQUIRED");
    expect(await office.outcome("GET", `${list}?domain=kitchen`, as())).toMatch(/^422 .*domain=/);
    expect(await office.outcome("GET", `${list}?domain=clubs&cursor=x`, as())).toBe("422 INVALID_CURSOR");
    expect(await office.outcome("POST", `${list}/drop`, as({ domain: "clubs", id: "x" }))).toBe(
      "422 VALIDATION_FAILED reason=REQUIRED",
    );
    const away = { domain: "posts", id: "x", reason: "?" };
    expect(await office.outcome("POST", `${list}/drop`, as(away))).toBe("503 UNAVAILABLE");
  });

  test("what was done is in the audit log, also what was refused", async () => {
    const entries = await office.ok<{ items: { action: string; result: string; changes: object }[] }>(
      "GET",
      "/admin/audit?action=system.drop&limit=100",
      as(),
    );
    const results = entries.items.map(({ result }) => result);
    expect(results).toEqual(expect.arrayContaining(["started", "ok", "NOT_FOUND", "ERASURE_OWED"]));
    expect(entries.items.find(({ result }) => result === "ok")?.changes).toMatchObject({
      reason: [null, "The club knows."],
    });
  });
});

describe("sagas", () => {
  const database = () => outboxOf(office, "clubsQueue").db.primary;
  const list = async () => (await office.ok<{ items: Saga[] }>("GET", "/admin/system/sagas", as())).items;
  /** As if the node that works at it had died, and no other would take it up. */
  const abandon = (id: string) =>
    database().run("UPDATE sagas SET lease_owner = NULL, lease_until = :later WHERE id = :id", {
      id,
      later: Date.now() + 600_000,
    });
  const end = (id: string, way: string) =>
    office.call<Saga & { code: string }>("POST", `/admin/system/sagas/${id}/${way}`, as());

  /** A founding that stands still at its review task; `go` lets the first try fail. */
  async function held() {
    const open = Promise.withResolvers<void>();
    world.onOpen = () => open.promise;
    const answer = found();
    const saga = await eventually(async () => (await list())[0]);
    world.onOpen = async () => undefined;
    return {
      answer,
      saga,
      fail: () => open.reject(new Error("It was not to be.")),
      go: () => open.resolve(),
    };
  }

  test("one that a node works at is left to it", async () => {
    const { answer, saga, go } = await held();
    expect(saga).toMatchObject({ type: "createClub", state: "running", step: 0, stepName: "review" });
    for (const way of ["finish", "undo"]) {
      const { status, body, headers } = await end(saga.id, way);
      expect([status, body.code, headers["retry-after"]]).toEqual([409, "SAGA_HELD", "5"]);
    }
    go();
    expect((await answer).status).toBe(201);
    expect((await end(saga.id, "finish")).body.code).toBe("SAGA_ENDED");
    expect((await end(newId(), "finish")).body.code).toBe("NOT_FOUND");
  });

  test("one that stands still is finished by hand, by one of two administrators", async () => {
    const { answer, saga, fail } = await held();
    await abandon(saga.id);
    fail();
    const both = await Promise.all([end(saga.id, "finish"), end(saga.id, "finish")]);
    const [done, refused] = both.toSorted((a, b) => a.status - b.status);
    expect(done?.body).toMatchObject({ id: saga.id, state: "done", stepName: null });
    expect(refused?.status).toBe(409);
    expect(["SAGA_HELD", "SAGA_ENDED"]).toContain(refused?.body.code);
    const { status, body } = await answer;
    expect(status).toBe(201);
    expect(await office.public.ok("GET", `/clubs/${body.id}`, { token: president.token })).toMatchObject({
      status: "pending",
    });
  });

  test("or undone, and never both", async () => {
    const { answer, saga, fail } = await held();
    await abandon(saga.id);
    fail();
    const ways = ["finish", "undo", "finish", "undo"];
    const all = await Promise.all(ways.map((way) => end(saga.id, way)));
    const done = all.filter(({ status }) => status === 200).map(({ body }) => body.state);
    expect(done).toHaveLength(1);
    const { status } = await answer;
    expect([done[0], status]).toEqual(done[0] === "done" ? ["done", 201] : ["undone", 503]);
    expect(world.opened.has(`${saga.id}:review`)).toBe(done[0] === "done");
  });

  test("a step that fails by hand leaves it as it is", async () => {
    const { answer, saga, fail } = await held();
    await abandon(saga.id);
    fail();
    world.reviewsAway = true;
    const { status, body } = await end(saga.id, "finish");
    expect([status, body.code]).toEqual([503, "SAGA_STUCK"]);
    await abandon(saga.id);
    expect(await list()).toMatchObject([{ id: saga.id, state: "running", step: 0, tries: 0 }]);
    world.reviewsAway = false;
    expect((await end(saga.id, "undo")).body).toMatchObject({ state: "undone" });
    expect((await answer).status).toBe(503);
  });

  test("while its domain is away it cannot be finished any more, and is undone when that is back", async () => {
    world.reviewsAway = true;
    expect((await found()).status).toBe(503);
    const saga = await eventually(async () => (await list())[0]);
    expect(saga).toMatchObject({ state: "undoing", undone: ["first"] });
    await abandon(saga.id);
    const refused = await end(saga.id, "finish");
    expect([refused.status, refused.body.code]).toEqual([409, "SAGA_UNDOING"]);
    await abandon(saga.id);
    expect((await end(saga.id, "undo")).body).toMatchObject({ state: "undoing", undone: ["first"] });
    await abandon(saga.id);
    world.reviewsAway = false;
    expect(await command("saga-finish", { id: saga.id })).toMatch(/saga-finish failed: .*SAGA_UNDOING/);
    await abandon(saga.id);
    expect(await command("saga-undo", { id: saga.id })).toMatch(/createClub, undone/);
    expect(await list()).toEqual([]);
  });
});

test("the search indices are built anew, and it is told how far that is", async () => {
  type Rebuild = Answer<"system.searchRebuild">;
  const begun = await office.call<Rebuild>("POST", "/admin/system/search/rebuild", as());
  expect(begun.status).toBe(202);
  const done = await eventually(async () => {
    const state = await office.ok<Rebuild>("GET", "/admin/system/search/rebuild", as());
    return state.running ? undefined : state;
  });
  expect(done.nodes).toMatchObject([
    { node: office.broker.nodeID, shared: setup === "servers", clubs: 0, posts: 0, error: null },
  ]);
  expect(done.nodes[0]?.endedAt).not.toBeNull();
});

describe("sessions", () => {
  const signedIn = async (token: string) =>
    (await office.public.call("GET", "/users/me", { token })).status === 200;

  test("of a person end on both gateways", async () => {
    const person = await office.another();
    const own = await office.admin(person.username, person.password);
    const other = await office.public.register();
    const token = (
      await office.public.ok<{ accessToken: string }>("POST", "/auth/login", {
        body: { login: person.username, password: person.password },
      })
    ).accessToken;
    expect(await signedIn(token)).toBe(true);
    expect(await office.ok("DELETE", `/admin/users/${person.id}/sessions`, as())).toEqual({
      ended: 2,
      admin: 1,
    });
    await eventually(async () => !(await signedIn(token)) || undefined);
    await eventually(
      async () =>
        (await office.call("GET", "/admin/system/sagas", { token: own.token })).status === 401 || undefined,
    );
    expect(await signedIn(other.token)).toBe(true);
    expect(await office.outcome("GET", "/admin/system/sagas", as())).toBe("200");
  });

  test("of nobody: 404, of a wrong id: 422", async () => {
    expect(await office.outcome("DELETE", `/admin/users/${newId()}/sessions`, as())).toBe("404 NOT_FOUND");
    expect(await office.outcome("DELETE", "/admin/users/x/sessions", as())).toMatch(/^422 .*id=/);
  });
});

describe("a node", () => {
  const drain = (id: string, body: object = {}) =>
    office.call<{ code: string; detail: string; state: string }>(
      "POST",
      `/admin/system/nodes/${encodeURIComponent(id)}/drain`,
      as(body),
    );

  test("that nobody knows: 404; the last one of a domain: 409, and it goes on", async () => {
    expect((await drain("users.elsewhere~1")).status).toBe(404);
    const { status, body } = await drain(office.broker.nodeID);
    expect([status, body.code]).toEqual([409, "LAST_NODE"]);
    expect(body.detail).toMatch(/clubs.*admin|admin.*clubs/);
    expect(await command("drain", { node: office.broker.nodeID })).toMatch(/drain failed: .*LAST_NODE/);
    const { nodes } = await office.ok<System>("GET", "/admin/system", as());
    expect(nodes[0]?.status?.state).toBe("running");
  });

  test("is drained by force: it answers first, takes no more, and waits to be ended", async () => {
    const health = `http://127.0.0.1:${runtimeOf(office.broker).ports.get("health")}/health/ready`;
    expect(await drain(office.broker.nodeID, { force: true })).toMatchObject({
      status: 202,
      body: { state: "draining" },
    });
    const ready = await fetch(health);
    expect([ready.status, JSON.stringify(await ready.json())]).toEqual([
      503,
      expect.stringContaining("drained by an operator"),
    ]);
    await eventually(async () => {
      const { state } = await office.broker.call<{ state: string }>("node.status");
      return state === "drained" || undefined;
    });
    await expect(fetch(office.adminUrl)).rejects.toThrow("fetch failed");
    expect(office.broker.services.map(({ name }) => name)).toEqual(["node"]);
    expect((await fetch(health.replace("ready", "live"))).status).toBe(200);
  });
});
