/** Administrators in a cluster: users, admin, the public gateway and two admin gateways, each a node of its own. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ServiceBroker } from "moleculer";
import { newId } from "../../lib/ids.ts";
import { generateKeySet } from "../../lib/keys.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { ADMIN, Office } from "../support/admin.ts";
import { eventually, Federation } from "../support/federation.ts";
import { Client } from "../support/http.ts";
import { launch } from "../support/node-process.ts";
import type { ClusterNode } from "../support/node-process.ts";
import { startPlace } from "../support/place.ts";
import type { Place } from "../support/place.ts";
import { describeWith, startNats } from "../support/servers/index.ts";

describeWith(["nats"], "administrators on several nodes", () => {
  let nats: Awaited<ReturnType<typeof startNats>>;
  let folder: string;
  let second: ClusterNode;
  const places: Partial<Record<"users" | "admin" | "gateway" | "admin-gateway", Place>> = {};
  let office: Office;
  /** Of the second admin gateway. */
  let other: Client;

  beforeAll(async () => {
    nats = await startNats();
    folder = await mkdtemp(path.join(tmpdir(), "club-alliance-nodes-"));
    const common = { NATS_URL: nats.url, NAMESPACE: newId(), ALLOW_EMBEDDED: "1" };
    const [keys, adminKeys] = [generateKeySet("ES256"), generateKeySet("ES256")].map((set) =>
      JSON.stringify(set),
    );
    places.users = await startPlace(["users"], {
      ...common,
      JWT_KEYS: keys as string,
      ADMIN_EMAIL: ADMIN.email,
      ADMIN_PASSWORD: ADMIN.password,
    });
    places.admin = await startPlace(["admin"], { ...common, ADMIN_JWT_KEYS: adminKeys as string });
    places.gateway = await startPlace(["gateway"], common);
    places["admin-gateway"] = await startPlace(["admin-gateway"], common);
    second = launch("scripts/node.ts", "admin-gateway", {
      PATH: process.env["PATH"] ?? "",
      ...common,
      DATA_DIR: folder,
      ADMIN_PORT: "0",
      HEALTH_PORT: "0",
      RATE_LIMIT_AUTH: "0",
      LOG_LEVEL: "fatal",
    });
    await eventually(async () => second.adminUrl || undefined, 40_000);
    other = new Client(second.adminUrl);
    office = new Office(new Federation(places.gateway), places["admin-gateway"].adminUrl);
    await eventually(async () => {
      const here = await office.call("GET", "/admin/auth/session").catch(() => null);
      const there = await other.send("GET", "/admin/auth/session").catch(() => null);
      return (here?.status === 401 && there?.status === 401) || undefined;
    }, 40_000);
    // The public gateway learns the services that are there.
    await eventually(async () => (await office.public.admin().catch(() => null)) ?? undefined, 40_000);
  }, 150_000);

  afterAll(async () => {
    other?.close();
    second?.kill("SIGKILL");
    await second?.exited;
    for (const each of Object.values(places)) await each.stop();
    await nats?.stop();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  const brokerOf = (name: keyof typeof places): ServiceBroker => (places[name] as Place).broker;

  /** What comes of a call that a node sends with a token. */
  const callFrom = (
    name: keyof typeof places,
    action: string,
    params: object,
    passport?: string,
  ): Promise<string> =>
    brokerOf(name)
      .call(action, params, { headers: { ...(passport !== undefined && { passport }) } })
      .then(
        () => "let in",
        (error: { type?: string }) => String(error.type),
      );

  const seenThere = async (token: string): Promise<number> =>
    (await other.send("GET", "/admin/auth/session", { token })).status;

  test("a session is good at every admin gateway, and ends at all of them within a second", async () => {
    const { token } = await office.admin();
    expect(await seenThere(token)).toBe(200);
    await office.ok("POST", "/admin/auth/logout", { token });
    await eventually(async () => (await seenThere(token)) === 401 || undefined, 1_000);
  });

  test("a role that is taken away ends it at all of them within a second", async () => {
    const admin = await office.another();
    const { token } = await office.admin(admin.username, admin.password);
    expect(await seenThere(token)).toBe(200);
    await office.give(admin.id, []);
    await eventually(async () => (await seenThere(token)) === 401 || undefined, 1_000);
  });

  test("a token of one gateway is of no use for the actions of the other, from any node", async () => {
    const [admin, same] = [await office.admin(), await office.public.admin()];
    for (const node of ["users", "gateway", "admin-gateway"] as const) {
      expect(await callFrom(node, "adminAuth.session", {}, same.token)).toBe("INVALID_TOKEN");
      expect(await callFrom(node, "adminAuth.session", {}, admin.token)).toBe("let in");
      expect(await callFrom(node, "users.me", {}, admin.token)).toBe("INVALID_TOKEN");
      expect(await callFrom(node, "users.me", {}, same.token)).toBe("let in");
    }
  });

  test("what services do among themselves is refused to nodes that are gateways, whatever they call themselves", async () => {
    const standing = { user: newId(), sid: newId() };
    for (const node of ["gateway", "admin-gateway"] as const) {
      expect(await callFrom(node, "adminAuth.standing", standing)).toBe("FORBIDDEN");
      expect(await callFrom(node, "credentials.check", { login: "x", password: "y" })).toBe("FORBIDDEN");
    }
    // A gateway's service is one also on a node that runs other things.
    const asGateway = brokerOf("users").call("adminAuth.standing", standing, { caller: "admin-api" });
    await expect(asGateway).rejects.toMatchObject({ type: "FORBIDDEN" });
    // And a node of another domain is let in.
    expect(await callFrom("users", "adminAuth.standing", standing)).toBe("let in");
  });

  test("what is set holds at every gateway within five seconds", async () => {
    const { token } = await office.admin();
    const set = (value: string[] | null) =>
      office.ok("PUT", "/admin/settings/admin.allowedNetworks", { token, body: { value } });
    const publicly = await office.public.admin();
    const usersAs = async () => (await office.public.call("GET", "/users", { token: publicly.token })).status;
    await set(["127.0.0.1"]);
    await eventually(async () => (await usersAs()) === 403 || undefined, 5_000);
    expect(await seenThere(token)).toBe(200);
    await set(null);
    await eventually(async () => (await usersAs()) === 200 || undefined, 5_000);
  });

  test("the keys of administrators' tokens are on nodes of admin alone", async () => {
    const refused = launch("scripts/node.ts", "admin-gateway", {
      PATH: process.env["PATH"] ?? "",
      NATS_URL: nats.url,
      ALLOW_EMBEDDED: "1",
      DATA_DIR: folder,
      ADMIN_PORT: "0",
      HEALTH_PORT: "0",
      ADMIN_JWT_KEYS: JSON.stringify(generateKeySet("ES256")),
    });
    expect(await refused.exited).toBe(1);
    expect(refused.log.join("\n")).toMatch(/ADMIN_JWT_KEYS belongs on nodes of admin and nowhere else/);
    expect(runtimeOf(brokerOf("admin-gateway")).settings.adminJwtKeys).toBeNull();
  });
});
