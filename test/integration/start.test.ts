/** One process from the outside: how it starts, refuses to start, dies and comes back. */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { launch, ready } from "../support/node-process.ts";
import type { ClusterNode } from "../support/node-process.ts";
import { until } from "../support/balancer.ts";

let folder: string;
const running: ClusterNode[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "club-alliance-start-"));
});

afterEach(async () => {
  for (const node of running.splice(0)) {
    node.kill("SIGKILL");
    await node.exited;
  }
  rmSync(folder, { recursive: true, force: true });
});

function begin(own: Record<string, string> = {}, domain = "", before: string[] = []): ClusterNode {
  const env = {
    PATH: process.env["PATH"] ?? "",
    DATA_DIR: folder,
    PORT: "0",
    ADMIN_PORT: "0",
    HEALTH_PORT: "0",
    LOG_LEVEL: "warn",
    RATE_LIMIT_ANONYMOUS: "0",
    RATE_LIMIT_USER: "0",
    RATE_LIMIT_AUTH: "0",
    ADMIN_EMAIL: "admin@example.edu",
    ADMIN_PASSWORD: "an-admin-for-tests",
    ...own,
  };
  const node = launch("scripts/node.ts", domain, env, before);
  running.push(node);
  return node;
}

/** It ends with code 1 and one sentence that says this. */
async function refuses(node: ClusterNode, sentence: RegExp): Promise<void> {
  expect(await node.exited).toBe(1);
  expect(node.log.join("\n")).toMatch(sentence);
  expect(node.log.join("\n")).not.toMatch(/\n\s+at /);
}

async function call(
  node: ClusterNode,
  method: string,
  route: string,
  body?: object,
  token?: string,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(node.url + route, {
    method,
    headers: {
      ...(body && { "content-type": "application/json" }),
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: (text ? JSON.parse(text) : {}) as Record<string, unknown> };
}

async function register(node: ClusterNode, username: string): Promise<string> {
  const answer = await call(node, "POST", "/auth/register", {
    username,
    email: `${username}@example.edu`,
    password: `wooden ships ${username}`,
  });
  expect(answer.status).toBe(201);
  return String(answer.body["accessToken"]);
}

test.each([
  [{ PORT: "three" }, /PORT is "three" but takes a whole number/],
  [{ TRUSTED_PROXIES: "everyone" }, /TRUSTED_PROXIES is "everyone" but takes addresses or networks/],
  [{ ADMIN_PASSWORD: "short" }, /ADMIN_PASSWORD is too short/],
  [{ NATS_URL: "nats://127.0.0.1:1", JWT_KEYS: "{}", ADMIN_JWT_KEYS: "{}" }, /REDIS_URL, USERS_DB_URL/],
  [{ JWT_KEYS: "no keys" }, /JWT_KEYS/],
  [{ ADMIN_JWT_KEYS: "no keys" }, /ADMIN_JWT_KEYS is not JSON/],
  [{ JWT_KEYS_FILE: "/nowhere/keys" }, /JWT_KEYS_FILE is "\/nowhere\/keys", which cannot be read \(ENOENT\)/],
  [{ ADMIN_PORT: "many" }, /ADMIN_PORT is "many" but takes a whole number/],
])("%j is refused in a sentence", async (env: Record<string, string>, sentence) => {
  await refuses(begin(env), sentence);
});

test("a secret may be in a file that NAME_FILE names", async () => {
  writeFileSync(path.join(folder, "secret"), "no keys\n");
  await refuses(begin({ JWT_KEYS_FILE: path.join(folder, "secret") }), /JWT_KEYS is not JSON/);
});

test("an unknown domain is refused in a sentence", async () => {
  await refuses(begin({}, "kitchen"), /There is no domain "kitchen"/);
});

test("a port in use is refused in a sentence", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as AddressInfo;
  await refuses(begin({ PORT: String(port) }), new RegExp(`Port ${port} is in use`));
  other.close();
});

test("a corrupt store is refused in a sentence and left as it is", async () => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "clubs.sqlite"), "this was a database once".repeat(500));
  await refuses(begin(), /clubs\.sqlite/);
});

test("a folder that cannot be written is refused in a sentence", async () => {
  writeFileSync(path.join(folder, "file"), "");
  await refuses(begin({ DATA_DIR: path.join(folder, "file", "data") }), /DATA_DIR/);
});

test("a second process on the same folder is refused, and the first goes on", async () => {
  const first = begin();
  await ready(first);
  await refuses(begin(), /in use|another process/i);
  expect((await call(first, "GET", "/clubs")).status).toBe(200);
});

test("after kill -9 every acknowledged write is there, and sagas and messages go on", async () => {
  const acknowledged: string[] = [];
  let names = 0;
  for (let round = 0; round < 2; round++) {
    const node = begin();
    await ready(node);
    const token = await register(node, `founder-${round}`);
    let killed = false;
    const write = async (): Promise<void> => {
      while (!killed) {
        const name = `Club ${names++}`;
        const answer = await call(
          node,
          "POST",
          "/clubs",
          { name, summary: "Written in a storm", category: "academic" },
          token,
        ).catch(() => null);
        if (answer?.status === 201) acknowledged.push(String(answer.body["id"]));
      }
    };
    const writers = [write(), write(), write(), write()];
    await until("some clubs are founded", () => acknowledged.length >= 15 * (round + 1));
    node.kill("SIGKILL");
    killed = true;
    await Promise.all(writers);
    await node.exited;
  }
  const node = begin();
  await ready(node);
  const admin = String(
    (await call(node, "POST", "/auth/login", { login: "admin@example.edu", password: "an-admin-for-tests" }))
      .body["accessToken"],
  );
  for (const id of acknowledged)
    expect((await call(node, "GET", `/clubs/${id}`, undefined, admin)).status).toBe(200);
  // What was cut off is finished or gone: each pending club has its review task, and no task is without its club.
  const reviewer = await call(node, "GET", "/users/me", undefined, admin);
  await call(
    node,
    "PUT",
    `/users/${String(reviewer.body["id"])}/roles`,
    { roles: ["admin", "reviewer"] },
    admin,
  );
  await until("every club has its review task", async () => {
    const [clubs, tasks] = await Promise.all([pendingClubs(node), openTasks(node, admin)]);
    return clubs.length >= acknowledged.length && clubs.join() === tasks.join();
  });
}, 120_000);

async function all(node: ClusterNode, route: string, token: string): Promise<Record<string, unknown>[]> {
  const items: Record<string, unknown>[] = [];
  let cursor: string | null = null;
  do {
    const page = await call(
      node,
      "GET",
      `${route}limit=100${cursor ? `&cursor=${cursor}` : ""}`,
      undefined,
      token,
    );
    items.push(...(page.body["items"] as Record<string, unknown>[]));
    cursor = page.body["nextCursor"] as string | null;
  } while (cursor);
  return items;
}

async function openTasks(node: ClusterNode, token: string): Promise<string[]> {
  return (await all(node, "/reviews?status=open&", token)).map(({ clubId }) => String(clubId)).toSorted();
}

async function pendingClubs(node: ClusterNode): Promise<string[]> {
  const ids: string[] = [];
  for (const round of [0, 1]) {
    const { body } = await call(node, "POST", "/auth/login", {
      login: `founder-${round}`,
      password: `wooden ships founder-${round}`,
    });
    ids.push(
      ...(await all(node, "/clubs?mine=true&", String(body["accessToken"]))).map(({ id }) => String(id)),
    );
  }
  return ids.toSorted();
}

test("a disk that fills up loses nothing acknowledged and damages nothing", async () => {
  // A limit on the size of files stands for the full disk: writes fail, reads go on.
  const full = begin({}, "", ["prlimit", `--fsize=${1500 * 1024}`]);
  await ready(full);
  const token = await register(full, "founder");
  const acknowledged: string[] = [];
  let refused = 0;
  for (let i = 0; i < 400 && refused < 3; i++) {
    const body = { name: `Club ${i}`, summary: "Big", category: "academic", description: "x".repeat(15_000) };
    const answer = await call(full, "POST", "/clubs", body, token).catch(() => ({
      status: 0,
      body: {} as Record<string, unknown>,
    }));
    if (answer.status === 201) acknowledged.push(String(answer.body["id"]));
    else refused++;
  }
  expect(refused).toBe(3);
  expect(acknowledged.length).toBeGreaterThan(5);
  full.kill("SIGKILL");
  await full.exited;
  const node = begin();
  await ready(node);
  const again = await call(node, "POST", "/auth/login", {
    login: "founder",
    password: "wooden ships founder",
  });
  for (const id of acknowledged)
    expect(
      (await call(node, "GET", `/clubs/${id}`, undefined, String(again.body["accessToken"]))).status,
    ).toBe(200);
  expect(
    (
      await call(
        node,
        "POST",
        "/clubs",
        { name: "After", summary: "Works again", category: "academic" },
        String(again.body["accessToken"]),
      )
    ).status,
  ).toBe(201);
}, 120_000);

test("a torn write-ahead log at the end of a store is cut and the rest is served", async () => {
  const first = begin();
  await ready(first);
  const token = await register(first, "founder");
  const { body } = await call(
    first,
    "POST",
    "/clubs",
    { name: "Before", summary: "Kept", category: "academic" },
    token,
  );
  first.kill("SIGKILL");
  await first.exited;
  appendFileSync(path.join(folder, "clubs.sqlite-wal"), "torn");
  const second = begin();
  await ready(second);
  expect((await call(second, "GET", `/clubs/${String(body["id"])}`, undefined, token)).status).toBe(200);
}, 60_000);

test("SIGTERM ends it with code 0", async () => {
  const node = begin();
  await ready(node);
  node.kill("SIGTERM");
  expect(await node.exited).toBe(0);
});

test("SIGTERM while it waits for a store ends it with code 0", async () => {
  const node = begin({ USERS_DB_URL: "mysql://root:secret@127.0.0.1:1/users" }, "users");
  await until("it waits", () => node.log.some((line) => line.includes("not reachable")));
  node.kill("SIGTERM");
  expect(await node.exited).toBe(0);
});

/** A node in which something goes wrong. */
const unlucky = (kind: string): ClusterNode =>
  begin({ UNLUCKY: kind, NODE_OPTIONS: "--import ./test/support/unlucky-node.ts" }, "gateway");

test("a start that fails because it was told to stop is no failure", async () => {
  const node = unlucky("start");
  await until("it starts", () => node.log.includes("It still starts"));
  node.kill("SIGTERM");
  expect(await node.exited).toBe(0);
  expect(node.log.join("\n")).not.toMatch(/did not start|nobody expected|is ready/);
});

test.each(["exception", "rejection"])(
  "of what ends it (%s) is told what it was, without values",
  async (kind) => {
    const node = unlucky(kind);
    expect(await node.exited).toBe(1);
    const log = node.log.join("\n");
    expect(log).toMatch(
      /is ready[^]*ended by an error nobody expected: Error: Duplicate entry '…' for key '…'\n\s+at /,
    );
    expect(log).not.toContain("Bob");
  },
);
