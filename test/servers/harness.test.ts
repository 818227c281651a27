import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import * as nats from "nats";
import { folder, serve } from "../support/servers/child.ts";
import {
  describeWith,
  type Server,
  type ServerName,
  startMariadb,
  startNats,
  startRedis,
} from "../support/servers/index.ts";

// These tests kill servers, which they may not do to those that the environment gives.
for (const name of ["TEST_NATS_URL", "TEST_MARIADB_URL", "TEST_REDIS_URL"]) delete process.env[name];

/** Whether anything listens: a port is free only once the process that held it is gone. */
function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
  for (let left = 500; !(await condition()); left--) {
    if (left === 0) throw new Error(`not in time: ${what}`);
    await sleep(20);
  }
}

async function gone(ports: number[]): Promise<void> {
  for (const port of ports) await until(async () => !(await listens(port)), `port ${port} is free`);
}

/** Writes a value through a new connection, or reads it. */
interface Store {
  write(url: string, value: string): Promise<void>;
  read(url: string): Promise<string>;
}

interface Kind {
  name: ServerName;
  start: (options?: { args?: string[] }) => Promise<Server>;
  store: Store;
  /** Arguments with which it does not start. */
  wrong: string[];
}

async function withRedis<T>(url: string, use: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url);
  client.on("error", () => {});
  try {
    return await use(client);
  } finally {
    client.disconnect();
  }
}

const redisStore: Store = {
  write: (url, value) => withRedis(url, async (client) => void (await client.set("key", value))),
  read: (url) => withRedis(url, async (client) => (await client.get("key")) ?? ""),
};

async function withSql<T extends RowDataPacket[]>(url: string, sql: string, values: string[] = []) {
  const connection = await createConnection(url);
  try {
    return (await connection.query<T>(sql, values))[0];
  } finally {
    connection.destroy();
  }
}

const mariadbStore: Store = {
  async write(url, value) {
    await withSql(url, "CREATE TABLE test.kept (value TEXT)");
    await withSql(url, "INSERT INTO test.kept VALUES (?)", [value]);
  },
  read: async (url) => String((await withSql(url, "SELECT value FROM test.kept"))[0]?.value),
};

async function withNats<T>(url: string, use: (connection: nats.NatsConnection) => Promise<T>): Promise<T> {
  const connection = await nats.connect({ servers: url });
  try {
    return await use(connection);
  } finally {
    await connection.close();
  }
}

const natsStore: Store = {
  write: (url, value) =>
    withNats(url, async (connection) => {
      await (await connection.jetstreamManager()).streams.add({ name: "kept", subjects: ["kept"] });
      await connection.jetstream().publish("kept", nats.StringCodec().encode(value));
    }),
  read: (url) =>
    withNats(url, async (connection) => {
      const manager = await connection.jetstreamManager();
      return (await manager.streams.getMessage("kept", { seq: 1 })).string();
    }),
};

const kinds: Kind[] = [
  { name: "nats", start: startNats, store: natsStore, wrong: ["-c", "no-such-thing"] },
  {
    name: "mariadb",
    async start(options) {
      const server = await startMariadb(options);
      await server.database("test");
      return server;
    },
    store: mariadbStore,
    wrong: ["--no-such-thing"],
  },
  { name: "redis", start: startRedis, store: redisStore, wrong: ["--no-such-thing"] },
];

for (const { name, start, store, wrong } of kinds) {
  describeWith([name], `a real ${name}`, () => {
    let server: Server;
    beforeAll(async () => {
      server = await start();
      await store.write(server.url, "社团 🎓");
    });
    afterAll(() => server.stop());

    test("answers on 127.0.0.1 and keeps what it is given", async () => {
      expect(server.url).toContain(`127.0.0.1:${server.port}`);
      expect(await store.read(server.url)).toBe("社团 🎓");
    });

    test("killed, is gone; restarted, has the same port and data and another pid", async () => {
      const { pid, port } = server;
      await server.kill();
      expect(await listens(port)).toBe(false);
      await server.restart();
      expect(server.port).toBe(port);
      expect(server.pid).not.toBe(pid);
      expect(await store.read(server.url)).toBe("社团 🎓");
    });

    test("restarted while it runs, keeps its port and data", async () => {
      const { pid, url } = server;
      await server.restart();
      expect(server.url).toBe(url);
      expect(server.pid).not.toBe(pid);
      expect(await store.read(server.url)).toBe("社团 🎓");
    });

    test("paused, answers nothing until it is resumed", async () => {
      server.pause();
      let answered = false;
      const reading = store.read(server.url).then((value) => {
        answered = true;
        return value;
      });
      await sleep(300);
      expect(answered).toBe(false);
      server.resume();
      expect(await reading).toBe("社团 🎓");
    });

    test("stops even while paused, twice without harm, and not to be restarted", async () => {
      const other = await start();
      other.pause();
      await other.stop();
      await other.stop();
      expect(await listens(other.port)).toBe(false);
      await expect(other.restart()).rejects.toThrow("stopped for good");
      expect(() => other.pause()).toThrow("does not run");
    });

    test("that does not start says why, with the end of its log", async () => {
      await expect(start({ args: wrong })).rejects.toThrow(/exited with \d+.*no-such-thing/s);
    });
  });
}

test("a process that is not the one that answers on its port is no server", async () => {
  const dir = await folder("other");
  const stranger = { dir, command: "sleep", args: ["60"], url: "tcp://127.0.0.1:9", port: 9 };
  await expect(serve({ ...stranger, probe: () => Promise.resolve(false) })).rejects.toThrow(
    "sleep is not what answers on port 9",
  );
  expect(existsSync(dir)).toBe(false);
});

describeWith(["nats"], "nats' monitoring", () => {
  test("answers", async () => {
    const server = await startNats();
    const answer = await fetch(`${server.httpUrl}/varz`);
    expect(await answer.json()).toMatchObject({ port: server.port });
    await server.stop();
  });
});

describeWith(["mariadb"], "mariadb's databases", () => {
  test("are utf8mb4, and apart from each other", async () => {
    const server = await startMariadb();
    const [one, two] = [await server.database("one"), await server.database("two")];
    const [row] = await withSql(one, "SELECT DATABASE() AS name, @@collation_database AS collation");
    expect(row).toMatchObject({ name: "one", collation: "utf8mb4_unicode_520_ci" });
    await withSql(one, "CREATE TABLE here (id INT)");
    expect(await withSql(two, "SHOW TABLES")).toHaveLength(0);
    await server.stop();
  });

  test("in a server that the environment gives are nobody else's, and are dropped in the end", async () => {
    const server = await startMariadb();
    process.env.TEST_MARIADB_URL = server.url;
    try {
      const [one, two] = [await startMariadb(), await startMariadb()];
      await withSql(await one.database("same"), "CREATE TABLE here (id INT)");
      expect(await withSql(await two.database("same"), "SHOW TABLES")).toHaveLength(0);
      expect(await withSql(server.url, "SHOW DATABASES LIKE 'same%'")).toHaveLength(2);
      await Promise.all([one.stop(), two.stop()]);
      expect(await withSql(server.url, "SHOW DATABASES LIKE 'same%'")).toHaveLength(0);
    } finally {
      delete process.env.TEST_MARIADB_URL;
      await server.stop();
    }
  });
});

describeWith(["nats", "mariadb", "redis"], "servers whose process ends without stopping them", () => {
  let temporary: string;
  const started: ChildProcess[] = [];
  beforeEach(async () => void (temporary = await mkdtemp(join(tmpdir(), "club-alliance-test-"))));
  afterEach(async () => {
    for (const child of started.splice(0)) child.kill("SIGKILL");
    await rm(temporary, { recursive: true, force: true });
  });

  /** Starts parent.ts with a temporary folder of its own, and returns once its servers are up. */
  async function parent(...args: string[]) {
    const child = spawn(process.execPath, [join(import.meta.dirname, "parent.ts"), ...args], {
      env: { ...process.env, TMPDIR: temporary },
      stdio: ["ignore", "pipe", "inherit"],
    });
    started.push(child);
    const over = once(child, "exit");
    const [line] = await Promise.race([
      once(child.stdout, "data"),
      over.then(([code]) => Promise.reject(new Error(`it exited with ${code} before its servers were up`))),
    ]);
    const ports = String(line).trim().split(",").map(Number);
    return { child, over, ports };
  }

  const left = async () => (await readdir(temporary)).filter((name) => !name.includes("template"));

  test.each(["SIGKILL", "SIGTERM", "SIGINT"] as const)(
    "die with it when it is ended by %s",
    async (signal) => {
      const { child, over, ports } = await parent("wait", "nats", "redis");
      expect(await Promise.all(ports.map(listens))).toEqual([true, true]);
      child.kill(signal);
      await over;
      await gone(ports);
      await until(async () => (await left()).length === 0, "their folders are removed");
    },
  );

  test("do not keep it alive, and die with it when it has nothing left to do", async () => {
    const { over, ports } = await parent("end", "nats", "redis");
    expect(await over).toEqual([0, null]);
    await gone(ports);
    await until(async () => (await left()).length === 0, "their folders are removed");
  });

  test("two processes at once make MariaDB's first data folder, all servers die with them", async () => {
    const both = await Promise.all([1, 2].map(() => parent("wait", "nats", "mariadb", "redis")));
    const ports = both.flatMap((each) => each.ports);
    expect(new Set(ports).size).toBe(6);
    expect(await Promise.all(ports.map(listens))).toEqual(ports.map(() => true));
    for (const { child, over } of both) {
      child.kill("SIGKILL");
      await over;
    }
    await gone(ports);
    await until(async () => (await left()).length === 0, "their folders are removed");
    expect(await readdir(temporary)).toHaveLength(1);
  }, 60_000);
});
