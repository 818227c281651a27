/** The admin gateway itself: its paths, its networks, what it shares with the public one and what it keeps apart. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Validator } from "@seriousme/openapi-schema-validator";
import { readSettings } from "../../lib/settings.ts";
import type { DatabaseMethods } from "../../mixins/database.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { createNode } from "../../moleculer.config.ts";
import { actionContracts } from "../../services/contracts.ts";
import { ADMIN, startOffice } from "../support/admin.ts";
import type { Office } from "../support/admin.ts";
import { eventually } from "../support/eventually.ts";
import { Client } from "../support/http.ts";
import type { RequestOptions } from "../support/http.ts";
import { setup } from "../support/place.ts";

const OUTSIDE = "203.0.113.9";
const INSIDE = "10.1.2.3";
const LIMIT = 40;

let office: Office;
let client: Client;

beforeAll(async () => {
  office = await startOffice({ env: { TRUSTED_PROXIES: "127.0.0.1", RATE_LIMIT_AUTH: String(LIMIT) } });
  client = new Client(office.adminUrl);
}, 60_000);
afterAll(async () => {
  client?.close();
  await office?.stop();
});

const from = (address: string, more: Record<string, string> = {}): RequestOptions => ({
  headers: { "x-forwarded-for": address, ...more },
});

async function outcome(method: string, target: string, options: RequestOptions = {}): Promise<string> {
  const { status, body } = await client.send<{ code?: string } | undefined>(method, target, options);
  return status < 400 ? String(status) : `${status} ${body?.code}`;
}

async function publicStatus(method: string, target: string, options: RequestOptions = {}): Promise<string> {
  const { status, body } = await office.public.call<{ code?: string } | undefined>(method, target, options);
  return status < 400 ? String(status) : `${status} ${body?.code}`;
}

describe("paths", () => {
  test("each gateway has its own and no others", async () => {
    expect(await outcome("GET", "/clubs")).toBe("404 NOT_FOUND");
    expect(await outcome("POST", "/auth/login", { body: {} })).toBe("404 NOT_FOUND");
    expect(await outcome("GET", "/health/ready")).toBe("404 NOT_FOUND");
    expect(await publicStatus("POST", "/admin/auth/login", { body: {} })).toBe("404 NOT_FOUND");
    expect(await publicStatus("GET", "/admin/settings")).toBe("404 NOT_FOUND");
    expect(await outcome("PATCH", "/admin/settings")).toBe("405 METHOD_NOT_ALLOWED");
    expect(await outcome("GET", "/notifications/stream")).toBe("404 NOT_FOUND");
    expect(await outcome("GET", "/blobs/x")).toBe("404 NOT_FOUND");
  });

  test("each document has the routes of its own gateway, all of them", async () => {
    const admin = await client.send<{ paths: Record<string, object> }>("GET", "/openapi.json");
    const open = await office.public.ok<{ paths: Record<string, object> }>("GET", "/openapi.json");
    expect((await new Validator().validate(structuredClone(admin.body))).valid).toBe(true);
    const paths = Object.keys(admin.body.paths);
    expect(paths.filter((each) => !each.startsWith("/admin/"))).toEqual([]);
    expect(Object.keys(open.paths).filter((each) => each.startsWith("/admin"))).toEqual([]);
    const routes = [...actionContracts.values()].flatMap(({ rest = "" }) =>
      rest.includes(" /admin/") ? rest : [],
    );
    const documented = Object.entries(admin.body.paths).flatMap(([route, methods]) =>
      Object.keys(methods).map(
        (method) => `${method.toUpperCase()} ${route.replaceAll(/\{(\w+)\}/g, ":$1")}`,
      ),
    );
    expect(documented.toSorted()).toEqual(routes.toSorted());
  });

  test("the reference is served, with the headers of every answer", async () => {
    const { status, headers } = await client.send("GET", "/docs");
    expect(status).toBe(200);
    expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'");
    expect(headers["x-request-id"]).toBeTruthy();
  });
});

describe("networks", () => {
  const KEY = "/admin/settings/admin.allowedNetworks";

  async function allow(value: string[] | null): Promise<void> {
    const { token } = await office.admin();
    await office.ok("PUT", KEY, { token, body: { value } });
  }

  beforeAll(() => allow(["127.0.0.0/8", "10.0.0.0/8", "2001:db8::/32"]));
  afterAll(() => allow(null));

  test.each([
    ["POST", "/admin/auth/login"],
    ["GET", "/admin/settings"],
    ["GET", "/docs"],
    ["GET", "/openapi.json"],
    ["GET", "/nothing/here"],
    ["PATCH", "/admin/settings"],
    ["OPTIONS", "/admin/settings"],
  ])("from elsewhere %s %s is refused before anything else", async (method, target) => {
    expect(await outcome(method, target, from(OUTSIDE))).toBe("403 NETWORK_NOT_ALLOWED");
    expect(await outcome(method, target, from(INSIDE))).not.toContain("NETWORK_NOT_ALLOWED");
  });

  test("also with a session, in the reader's language", async () => {
    const { token } = await office.admin();
    const refused = await office.call("GET", "/admin/auth/session", {
      token,
      headers: { "x-forwarded-for": OUTSIDE, "accept-language": "zh-CN" },
    });
    expect(refused.status).toBe(403);
    expect(refused.body).toMatchObject({ code: "NETWORK_NOT_ALLOWED", title: "当前网络不可访问" });
    expect(await office.outcome("GET", "/admin/auth/session", { token, ...from(INSIDE) })).toBe("200");
  });

  test("it is the address that the nearest trusted proxy saw, however it is written", async () => {
    const settings = (forwarded: string) => outcome("GET", "/admin/settings", from(forwarded));
    expect(await settings(`${INSIDE}, ${OUTSIDE}`)).toBe("403 NETWORK_NOT_ALLOWED");
    expect(await settings(`${OUTSIDE}, ${INSIDE}`)).toBe("401 UNAUTHENTICATED");
    expect(await settings(`::ffff:${INSIDE}`)).toBe("401 UNAUTHENTICATED");
    expect(await settings("2001:db8::7")).toBe("401 UNAUTHENTICATED");
    expect(await settings("2001:db9::7")).toBe("403 NETWORK_NOT_ALLOWED");
    expect(await settings(`[2001:db8::7]:443`)).toBe("401 UNAUTHENTICATED");
  });

  test("the public gateway is open to all, but for the work of administrators", async () => {
    const { token } = await office.public.admin();
    expect(await publicStatus("GET", "/users/me", { token, ...from(OUTSIDE) })).toBe("200");
    expect(await publicStatus("GET", "/users", { token })).toBe("403 USE_ADMIN_GATEWAY");
    await allow(null);
    expect(await publicStatus("GET", "/users", { token })).toBe("200");
    expect(await outcome("GET", "/admin/settings", from(OUTSIDE))).toBe("401 UNAUTHENTICATED");
    await allow(["127.0.0.0/8", "10.0.0.0/8", "2001:db8::/32"]);
  });
});

test("who is not an administrator is told so on the public gateway, whatever is set", async () => {
  const { token } = await office.admin();
  const body = { value: ["127.0.0.0/8"] };
  await office.ok("PUT", "/admin/settings/admin.allowedNetworks", { token, body });
  const person = await office.public.register();
  expect(await publicStatus("GET", "/users", { token: person.token })).toBe("403 FORBIDDEN");
  await office.ok("PUT", "/admin/settings/admin.allowedNetworks", { token, body: { value: null } });
});

test("before a sign-in by password is asked for", async () => {
  const { token } = await office.admin();
  const publicly = await office.public.admin();
  const users = office.broker.getLocalService("users") as unknown as DatabaseMethods;
  await users.db.primary.run("UPDATE sessions SET created_at = 0");
  expect(await publicStatus("GET", "/users", { token: publicly.token })).toBe("403 SIGN_IN_AGAIN");
  const body = { value: ["127.0.0.0/8"] };
  await office.ok("PUT", "/admin/settings/admin.allowedNetworks", { token, body });
  expect(await publicStatus("GET", "/users", { token: publicly.token })).toBe("403 USE_ADMIN_GATEWAY");
  await office.ok("PUT", "/admin/settings/admin.allowedNetworks", { token, body: { value: null } });
});

test("until it has heard what administrators have set, it serves nobody and is not ready", async () => {
  const dataDir = await mkdtemp(path.join(tmpdir(), "club-alliance-gateway-"));
  const env = { DATA_DIR: dataDir, ADMIN_PORT: "0", HEALTH_PORT: "0", LOG_LEVEL: "fatal" };
  const broker = await createNode(readSettings(env), ["admin-gateway"]);
  await broker.start();
  const { ports, live, readiness } = runtimeOf(broker);
  const other = new Client(`http://127.0.0.1:${ports.get("admin-api")}`);
  try {
    const refused = await other.send("GET", "/docs");
    expect(refused).toMatchObject({ status: 503, body: { code: "UNAVAILABLE" } });
    expect(refused.headers["retry-after"]).toBe("2");
    expect(Object.keys(readiness.reasons)).toContain("admin-api: settings");
    live.take({ revision: 1, values: { "admin.allowedNetworks": ["10.0.0.0/8"] }, totp: [] });
    expect(Object.keys(readiness.reasons)).not.toContain("admin-api: settings");
    expect(await other.send("GET", "/docs")).toMatchObject({ status: 403 });
  } finally {
    other.close();
    await broker.stop();
    await rm(dataDir, { recursive: true });
  }
});

test("a POST is done once for its Idempotency-Key", async () => {
  const { token } = await office.admin();
  const body = { title: "Exams", body: "They begin on Monday.", audience: {}, level: "info" };
  const file = (key: string, more: object = {}) =>
    office.call<{ id: string; code?: string }>("POST", "/admin/announcements", {
      token,
      body: { ...body, ...more },
      headers: { "idempotency-key": key },
    });
  const first = await file("one");
  expect(first.status).toBe(201);
  const again = await file("one");
  expect([again.status, again.body, again.headers["idempotency-replayed"]]).toEqual([
    201,
    first.body,
    "true",
  ]);
  expect(await file("one", { title: "Other" })).toMatchObject({
    status: 422,
    body: { code: "IDEMPOTENCY_KEY_REUSED" },
  });
  const other = await file("two");
  expect(other.body.id).not.toBe(first.body.id);
});

// Gateways of several processes share their counts by Redis.
const sharing = setup === "nodes" ? test.skip : test;
sharing("tries to sign in are counted together with those on the public gateway, by address", async () => {
  const address = "198.51.100.7";
  for (let n = 0; n < LIMIT; n++) {
    const options = { ...from(address), body: {} };
    const told =
      n % 2 === 0
        ? await outcome("POST", "/admin/auth/login", options)
        : await publicStatus("POST", "/auth/login", options);
    expect(told).toBe("422 VALIDATION_FAILED");
  }
  const body = { login: ADMIN.email, password: ADMIN.password };
  // Of several processes each knows what the others have counted when it next adds to it.
  const refused = (status: string) => (status === "429 RATE_LIMITED" ? true : undefined);
  await eventually(async () =>
    refused(await outcome("POST", "/admin/auth/login", { ...from(address), body })),
  );
  await eventually(async () =>
    refused(await publicStatus("POST", "/auth/login", { ...from(address), body })),
  );
  expect(await outcome("POST", "/admin/auth/login", { ...from("198.51.100.8"), body })).toBe("200");
});
