/** Notifications whose MongoDB dies, freezes, is slow or cut off: clients are told so, and every notice comes, once. */
import { newId } from "../../lib/ids.ts";
import { openMongo } from "../../lib/documents/mongo.ts";
import { DocumentMigrations } from "../../lib/documents/migrations.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { eventually } from "../support/eventually.ts";
import { startFederation } from "../support/federation.ts";
import type { Caller, Federation } from "../support/federation.ts";
import { describeWith, type Server } from "../support/servers/index.ts";
import { startMongodb } from "../support/servers/mongodb.ts";
import { startToxiproxy } from "../support/servers/toxiproxy.ts";
import type { Proxy, Toxiproxy } from "../support/servers/toxiproxy.ts";

const MIGRATIONS = ["0001-notifications", "0002-stream", "0003-announcements"];

describeWith(["mongodb", "toxiproxy"], "MongoDB in trouble", () => {
  let server: Server;
  let toxiproxy: Toxiproxy;
  let proxy: Proxy;
  let federation: Federation;
  let reviewer: Caller;

  const reasons = (): Record<string, string> => runtimeOf(federation.broker).readiness.reasons;
  const migrate = async (): Promise<string[]> => {
    const store = openMongo(`${server.url}/notifications`);
    const names = await new DocumentMigrations(store.db, "notifications").up();
    await store.close();
    return names;
  };

  beforeAll(async () => {
    [server, toxiproxy] = await Promise.all([startMongodb({ kept: true }), startToxiproxy()]);
    proxy = await toxiproxy.proxy(`127.0.0.1:${server.port}`);
    await migrate();
    const url = `mongodb://127.0.0.1:${proxy.port}/notifications`;
    federation = await startFederation({ env: { NOTIFICATIONS_DB_URL: url } });
    const admin = await federation.admin();
    reviewer = await federation.register();
    await federation.ok("PUT", `/users/${reviewer.id}/roles`, {
      token: admin.token,
      body: { roles: ["reviewer"] },
    });
  }, 90_000);
  afterAll(async () => {
    await federation?.stop();
    await Promise.all([server?.stop(), toxiproxy?.stop()]);
  });

  interface Notices {
    items: { kind: string; subject: { id: string } }[];
    unreadCount: number;
  }

  /** Killed is gentle here: the imitation keeps its data over a clean stop alone. */
  const faults = [
    {
      name: "gone",
      cause: () => proxy.down(),
      async mend() {
        await server.restart();
        await proxy.up();
      },
    },
    { name: "frozen", cause: async () => server.pause(), mend: async () => server.resume() },
    { name: "cut off", cause: () => proxy.cut(), mend: () => proxy.mend() },
  ];

  test.each(faults)(
    "$name: 503 that says when to come again; what happens meanwhile is told afterwards, once",
    async (fault) => {
      const person = await federation.register();
      const inbox = () => federation.call<Notices>("GET", "/notifications", { token: person.token });
      expect((await inbox()).status).toBe(200);
      await fault.cause();
      try {
        const refused = await inbox();
        expect(refused.status).toBe(503);
        expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0);
        const club = await federation.foundClub(person, reviewer);
        expect(club).toBeTruthy();
      } finally {
        await fault.mend();
      }
      const told = await eventually(async () => {
        const { status, body } = await inbox();
        return (status === 200 && body.items.length > 0 && body) || undefined;
      }, 30_000);
      expect(new Set(told.items.map(({ kind, subject }) => `${kind} ${subject.id}`)).size).toBe(
        told.items.length,
      );
    },
    90_000,
  );

  test("slow: slower answers, and no errors", async () => {
    const person = await federation.register();
    await proxy.slow(300);
    try {
      expect((await federation.call("GET", "/notifications", { token: person.token })).status).toBe(200);
    } finally {
      await proxy.mend();
    }
  });

  test("a node waits for its migrations, and says so, and is ready by itself", async () => {
    const url = `${server.url}/${newId()}`;
    const starting = startFederation({ domains: ["notifications"], env: { NOTIFICATIONS_DB_URL: url } });
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const store = openMongo(url);
    const migrations = new DocumentMigrations(store.db, "notifications");
    expect(await migrations.pending()).toEqual(MIGRATIONS);
    expect(await migrations.up()).toEqual(MIGRATIONS);
    expect(await migrations.up()).toEqual([]);
    await store.close();
    const node = await starting;
    expect(runtimeOf(node.broker).readiness.ready).toBe(true);
    await node.stop();
    expect(reasons()).toEqual({});
  }, 30_000);

  test("migrations go back and there again, and two at once run one after the other", async () => {
    const store = openMongo(`${server.url}/${newId()}`);
    const migrations = [1, 2].map(() => new DocumentMigrations(store.db, "notifications"));
    const both = await Promise.all(migrations.map((each) => each.up()));
    expect(both.flat()).toEqual(MIGRATIONS);
    const last = MIGRATIONS.slice(-1);
    expect(await migrations[0]?.down()).toEqual(last);
    expect(await migrations[1]?.up()).toEqual(last);
    const indexes = await store.db.collection("notifications").indexes();
    expect(new Set(indexes.map(({ name }) => name))).toEqual(
      new Set(["_id_", "batch_readAt", "createdAt", "user_createdAt", "user_seq"]),
    );
    await store.close();
  });
});
