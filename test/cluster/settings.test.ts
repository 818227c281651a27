/** Settings over several nodes on NATS: two gateways hear what is set, whenever they start and whatever is lost. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ServiceBroker } from "moleculer";
import type { Database } from "../../lib/database.ts";
import { generateKeySet } from "../../lib/keys.ts";
import { readSettings } from "../../lib/settings.ts";
import type { DatabaseMethods } from "../../mixins/database.ts";
import { createNode } from "../../moleculer.config.ts";
import { ADMIN } from "../support/admin.ts";
import { eventually } from "../support/eventually.ts";
import { launch, ready } from "../support/node-process.ts";
import type { ClusterNode } from "../support/node-process.ts";
import { describeWith, startNats } from "../support/servers/index.ts";
import type { Server } from "../support/servers/index.ts";

const WAIT_MS = 60_000;

function databaseOf(admin: ServiceBroker | null): Database {
  if (!admin) throw new Error("There is no node of the admin domain.");
  return (admin.getLocalService("settings") as unknown as DatabaseMethods).db;
}
const ADMIN_KEYS = JSON.stringify(generateKeySet());

describeWith(["nats"], "settings on several nodes", () => {
  let folder: string;
  let nats: Server;
  let env: Record<string, string>;
  let admin: ServiceBroker | null = null;
  let office: ClusterNode;
  let token: string;
  const started: ClusterNode[] = [];
  const gateways: ClusterNode[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "club-alliance-settings-"));
    nats = await startNats();
    env = {
      NAMESPACE: `t${randomBytes(4).toString("hex")}`,
      NATS_URL: nats.url,
      ALLOW_EMBEDDED: "1",
      PORT: "0",
      ADMIN_PORT: "0",
      HEALTH_PORT: "0",
      LOG_FORMAT: "json",
      LOG_LEVEL: "fatal",
      RATE_LIMIT_ANONYMOUS: "700",
      RATE_LIMIT_USER: "0",
      RATE_LIMIT_AUTH: "0",
    };
    const first = { ADMIN_EMAIL: ADMIN.email, ADMIN_PASSWORD: ADMIN.password };
    await ready(start("users", { JWT_KEYS: JSON.stringify(generateKeySet()), ...first }));
    gateways.push(await serving(start("gateway")));
  }, 120_000);

  afterAll(async () => {
    for (const node of started) node.kill("SIGKILL");
    await admin?.stop();
    await nats?.stop();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  function start(domain: string, own: Record<string, string> = {}): ClusterNode {
    const data = path.join(folder, `${domain}-${started.length}`);
    const base = { PATH: process.env["PATH"] ?? "", ...env, DATA_DIR: data, ...own };
    const node = launch("scripts/node.ts", domain, base);
    started.push(node);
    return node;
  }

  /** Other domains are not there, so a gateway that waits for them serves all the same. */
  async function serving(node: ClusterNode): Promise<ClusterNode> {
    const why = () => node.log.slice(-20).join("\n");
    await eventually(async () => ((await limitAt(node)) === null ? undefined : true), WAIT_MS, why);
    return node;
  }

  async function startAdmin(): Promise<void> {
    const own = { ...env, DATA_DIR: path.join(folder, "admin"), ADMIN_JWT_KEYS: ADMIN_KEYS };
    admin = await createNode(readSettings(own), ["admin"]);
    await admin.start();
  }

  /** The limit for requests without a token, as the gateway tells it; null while it does not serve. */
  async function limitAt({ url }: ClusterNode): Promise<string | null> {
    if (!url) return null;
    const answer = await fetch(`${url}/roles`).catch(() => null);
    return answer?.headers.get("ratelimit-limit") ?? null;
  }

  async function everywhere(limit: string): Promise<void> {
    const seen = async () => Promise.all(gateways.map(limitAt));
    let last: unknown;
    await eventually(
      async () => (last = await seen()) && ((last as string[]).every((each) => each === limit) || undefined),
      WAIT_MS,
      () => `${JSON.stringify(last)} where ${limit} was set`,
    );
  }

  async function ask(method: string, target: string, body?: object): Promise<Response> {
    return fetch(`${office.adminUrl}${target}`, {
      method,
      headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
      ...(body && { body: JSON.stringify(body) }),
    });
  }

  async function set(key: string, value: unknown): Promise<void> {
    const answer = await ask("PUT", `/admin/settings/${key}`, { value });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  }

  test("a node that starts while the admin domain is away has the defaults, and serves", async () => {
    const [gateway] = gateways as [ClusterNode];
    expect(await limitAt(gateway)).toBe("700");
    expect((await register(gateway)).status).toBe(201);
  });

  test(
    "what is set holds on every node",
    async () => {
      await startAdmin();
      office = start("admin-gateway");
      gateways.push(await serving(start("gateway")));
      token = await eventually(async () => {
        if (!office.adminUrl) return undefined;
        const signed = await ask("POST", "/admin/auth/login", {
          login: ADMIN.email,
          password: ADMIN.password,
        });
        return signed.ok ? ((await signed.json()) as { accessToken: string }).accessToken : undefined;
      }, WAIT_MS);
      await set("limits.anonymousPerMinute", 900);
      await set("registration.open", false);
      await everywhere("900");
      for (const gateway of gateways)
        await eventually(async () => (await register(gateway)).status === 403 || undefined, WAIT_MS);
    },
    3 * WAIT_MS,
  );

  test("and does so where the telling after the change was lost", async () => {
    // As if every node had missed it: nobody tells this change but by telling what holds again and again.
    await databaseOf(admin).transaction(async (tx) => {
      await tx.run("UPDATE settings_revision SET revision = revision + 1");
      await tx.run("UPDATE settings SET value = '901' WHERE name = 'limits.anonymousPerMinute'");
    });
    await everywhere("901");
  });

  test(
    "while the admin domain is away it goes on to hold; a new node hears of it when it is back",
    async () => {
      await admin?.stop();
      admin = null;
      const late = await serving(start("gateway"));
      expect(await limitAt(late)).toBe("700");
      expect(await Promise.all(gateways.map(limitAt))).toEqual(["901", "901"]);
      gateways.push(late);
      await startAdmin();
      await everywhere("901");
    },
    3 * WAIT_MS,
  );

  test("what a restored database says holds again, though it is older", async () => {
    await databaseOf(admin).transaction(async (tx) => {
      await tx.run("UPDATE settings_revision SET revision = 1");
      await tx.run("UPDATE settings SET value = '902' WHERE name = 'limits.anonymousPerMinute'");
    });
    await everywhere("902");
  });

  function register({ url }: ClusterNode): Promise<Response> {
    const username = `person-${randomBytes(6).toString("hex")}`;
    const body = { username, email: `${username}@example.edu`, password: "a long enough passphrase" };
    const headers = { "content-type": "application/json" };
    return fetch(`${url}/auth/register`, { method: "POST", headers, body: JSON.stringify(body) });
  }
});
