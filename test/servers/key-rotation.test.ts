/** The signing key is replaced on two nodes of users behind a gateway, while people ask without a pause. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Sequelize } from "sequelize";
import { Database, mysqlOptions } from "../../lib/database.ts";
import { KNOWN_FOR, nextStep, RETIRED_FOR } from "../../lib/key-rotation.ts";
import { generateKeySet, parseKeySet } from "../../lib/keys.ts";
import { Migrations } from "../../lib/migrations.ts";
import { beginTotp } from "../../services/admin/totp-store.ts";
import { resealAll } from "../../services/admin/totp-sealing.ts";
import { Sealer } from "../../services/admin/totp.ts";
import { Client } from "../support/http.ts";
import { launch, ready } from "../support/node-process.ts";
import type { ClusterNode } from "../support/node-process.ts";
import { eventually } from "../support/eventually.ts";
import { describeWith, startMariadb, startNats } from "../support/servers/index.ts";
import type { MariadbServer, Server } from "../support/servers/index.ts";

const PASSWORD = "a long enough passphrase";

describeWith(["nats", "mariadb"], "rotation of the signing key", () => {
  let nats: Server;
  let mariadb: MariadbServer;
  let folder: string;
  let url: string;
  let gateway: ClusterNode;
  let client: Client;
  const users: ClusterNode[] = [];
  let keys = JSON.stringify(generateKeySet("ES256"));

  beforeAll(async () => {
    [nats, mariadb] = await Promise.all([startNats(), startMariadb()]);
    folder = await mkdtemp(path.join(tmpdir(), "club-alliance-rotation-"));
    url = await mariadb.database("users");
    await migrated("users", url, async () => undefined);
    users.push(...(await Promise.all([start("users"), start("users")])));
    gateway = await start("gateway");
    client = new Client(gateway.url);
  }, 120_000);
  afterAll(async () => {
    client.close();
    await Promise.all([gateway, ...users].map(end));
    await Promise.all([nats.stop(), mariadb.stop()]);
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  async function migrated<R>(domain: "users" | "admin", at: string, work: (db: Database) => Promise<R>) {
    const sequelize = new Sequelize(mysqlOptions(at));
    try {
      await new Migrations(sequelize, domain).up();
      return await work(new Database(sequelize));
    } finally {
      await sequelize.close();
    }
  }

  let made = 0;
  async function start(domain: "users" | "gateway"): Promise<ClusterNode> {
    const node = launch("scripts/node.ts", domain, {
      PATH: process.env["PATH"] ?? "",
      NATS_URL: nats.url,
      NAMESPACE: "rotation",
      ALLOW_EMBEDDED: "1",
      PORT: "0",
      HEALTH_PORT: "0",
      DATA_DIR: path.join(folder, `${made++}`),
      LOG_LEVEL: "error",
      LOG_FORMAT: "json",
      RATE_LIMIT_ANONYMOUS: "0",
      RATE_LIMIT_USER: "0",
      RATE_LIMIT_AUTH: "0",
      ...(domain === "users" && { USERS_DB_URL: url, JWT_KEYS: keys }),
    });
    if (domain === "users") await ready(node);
    // A gateway waits for domains that are not here, and serves meanwhile.
    else
      await eventually(
        async () => node.url || undefined,
        60_000,
        () => node.log.join("\n"),
      );
    return node;
  }

  async function end(node: ClusterNode): Promise<void> {
    node.kill("SIGTERM");
    await node.exited;
  }

  /** One after another; the new one is there before the old one goes. */
  async function restart(): Promise<void> {
    for (const at of [0, 1]) {
      const fresh = await start("users");
      // Its gateway has heard of it.
      await sleep(1_500);
      await end(users[at] as ClusterNode);
      users[at] = fresh;
    }
  }

  function step(now: number): void {
    const next = nextStep(keys, "JWT_KEYS", now);
    if (next.step === "wait") throw new Error("not yet");
    keys = JSON.stringify(next.set);
  }

  test("no token is refused, old or new", async () => {
    const username = `u${randomBytes(6).toString("hex")}`;
    const email = `${username}@example.edu`;
    type Tokens = { accessToken: string };
    const { status, body } = await client.send<Tokens>("POST", "/auth/register", {
      body: { username, email, password: PASSWORD },
    });
    expect(status).toBe(201);
    const tokens = [body.accessToken];
    const kids = new Set<string>();
    let asking = true;
    let asked = 0;
    const refused: number[] = [];
    const ask = async (): Promise<void> => {
      while (asking) {
        const token = tokens[asked++ % tokens.length] as string;
        const answer = await client.send("GET", "/users/me", { token });
        if (answer.status === 401) refused.push(answer.status);
        await sleep(5);
      }
    };
    const signIn = async (): Promise<void> => {
      while (asking) {
        const answer = await client.send<Tokens>("POST", "/auth/login", {
          body: { login: username, password: PASSWORD },
        });
        if (answer.status < 300) {
          tokens.push(answer.body.accessToken);
          kids.add(kidOf(answer.body.accessToken));
        } else if (answer.status === 401) refused.push(answer.status);
        await sleep(100);
      }
    };
    const work = [ask(), ask(), signIn()];
    let now = Date.now();
    step(now);
    await restart();
    step((now += KNOWN_FOR));
    await restart();
    await eventually(async () => kids.size === 2 || undefined, 20_000);
    asking = false;
    await Promise.all(work);
    expect(refused).toEqual([]);
    expect(asked).toBeGreaterThan(50);
    const first = tokens[0] as string;
    expect((await client.send("GET", "/users/me", { token: first })).status).toBe(200);

    // The control: with the old key gone a gateway that asks anew refuses what it has signed.
    step(now + RETIRED_FOR);
    await restart();
    const other = await start("gateway");
    const fresh = new Client(other.url);
    await eventually(async () => {
      const answer = await fresh.send("GET", "/users/me", { token: first });
      return answer.status === 401 || undefined;
    }, 30_000);
    fresh.close();
    await end(other);
  }, 180_000);

  test("second factors are under the new key before the old one goes", async () => {
    const old = parseKeySet(JSON.stringify(generateKeySet("ES256")), "ADMIN_JWT_KEYS");
    const fresh = parseKeySet(JSON.stringify(generateKeySet("ES256")), "ADMIN_JWT_KEYS");
    await migrated("admin", await mariadb.database("admin"), async (db) => {
      const people = Array.from({ length: 130 }, (_, n) => `person-${String(n).padStart(3, "0")}`);
      const secrets = new Map<string, string>();
      for (const person of people)
        secrets.set(person, await db.transaction((tx) => beginTotp(tx, new Sealer(old), person, Date.now())));
      const sealed = (): Promise<{ user_id: string; secret: string }[]> =>
        db.primary.all("SELECT user_id, secret FROM admin_totp");
      const alone = new Sealer(fresh);
      // The control: with the old key gone nobody's code is good any more.
      const [first] = await sealed();
      expect(() => alone.open(first?.user_id as string, first?.secret as string)).toThrow();
      const both = new Sealer([fresh[0], old[0]]);
      expect(await resealAll(db, both)).toBe(130);
      for (const { user_id: user, secret } of await sealed())
        expect(alone.open(user, secret)).toEqual({ secret: secrets.get(user), old: false });
      expect(await resealAll(db, both)).toBe(0);
    });
  }, 60_000);
});

function kidOf(token: string): string {
  const [header = ""] = token.split(".");
  return (JSON.parse(Buffer.from(header, "base64url").toString()) as { kid: string }).kid;
}
