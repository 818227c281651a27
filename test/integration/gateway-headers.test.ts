/** What every answer carries; other origins; the log and the metrics. */
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { eventually } from "../support/federation.ts";
import { startGateway } from "../support/gateway.ts";
import type { TestGateway } from "../support/gateway.ts";
import { Client } from "../support/http.ts";

const ORIGIN = "https://clubs.example.edu";
let gateway: TestGateway;
let lines: { level: string; line: unknown[] }[] = [];
beforeAll(async () => {
  gateway = await startGateway({
    env: { CORS_ORIGINS: `${ORIGIN},http://localhost:5173`, LOG_LEVEL: "info" },
    log: (level, ...line) => lines.push({ level, line }),
  });
});
afterAll(async () => gateway?.stop());

const send = (method: string, path: string, headers: Record<string, string> = {}) =>
  gateway.send(method, path, { headers });

describe("every answer", () => {
  const kinds: [string, string, string, number][] = [
    ["a result", "GET", "/things", 200],
    ["a creation without a token", "POST", "/things", 401],
    ["an unknown route", "GET", "/nothing", 404],
    ["an unknown method", "PUT", "/things", 405],
    ["OPTIONS", "OPTIONS", "/things", 204],
    ["OPTIONS of an unknown route", "OPTIONS", "/nothing", 404],
    ["nothing to say", "DELETE", "/things/abc/mark", 204],
    ["wrong fields", "GET", "/things?limit=x", 422],
    ["a fault", "GET", "/failures/unexpected", 500],
    ["HEAD", "HEAD", "/things", 200],
    ["the reference", "GET", "/docs", 200],
  ];
  test.each(kinds)("%s", async (_name, method, path, status) => {
    const answer = await send(method, path, { origin: ORIGIN, "x-request-id": "r-1" });
    expect(answer.status).toBe(status);
    expect(answer.headers).toMatchObject({
      "x-request-id": "r-1",
      "x-content-type-options": "nosniff",
      "content-security-policy": expect.stringMatching(/^default-src 'none'.*frame-ancestors 'none'$/),
      "referrer-policy": "no-referrer",
      "access-control-allow-origin": ORIGIN,
      vary: "Authorization, Accept-Language, Origin",
    });
  });

  test("also to what is not HTTP", async () => {
    const { port } = new URL(gateway.url);
    const socket = connect(Number(port), "127.0.0.1");
    socket.write("NONSENSE\r\n\r\n");
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toMatch(/X-Content-Type-Options: nosniff/);
    expect(JSON.parse(answer.split("\r\n\r\n")[1] as string)).toMatchObject({
      code: "BAD_REQUEST",
      status: 400,
    });
    const large = await send("GET", "/things", { "x-large": "x".repeat(20_000) });
    expect([large.status, large.body["status"]]).toEqual([431, 431]);
  });
});

describe("X-Request-Id", () => {
  const idOf = async (headers: Record<string, string>) =>
    (await send("GET", "/things", headers)).headers["x-request-id"];

  test("is taken where it is well formed, and reaches the service", async () => {
    let seen: unknown;
    gateway.behavior.list = async (ctx) => {
      seen = ctx.requestID;
      return { params: ctx.params, headers: ctx.headers };
    };
    const id = `A-z_0.9:${"x".repeat(120)}`;
    expect(await idOf({ "x-request-id": id })).toBe(id);
    expect(seen).toBe(id);
    await send("GET", "/things", { "x-request-id": "mine", "x-correlation-id": "other" });
    expect(seen).toBe("mine");
    await send("GET", "/things", { "x-correlation-id": "other" });
    expect(seen).not.toBe("other");
  });

  test.each([["x".repeat(129)], ["a b"], ["<script>"], [""], ["a,b"]])("%s is replaced", async (given) => {
    const id = await idOf({ "x-request-id": given });
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(await idOf({ "x-request-id": given })).not.toBe(id);
  });
});

describe("other origins", () => {
  test("an allowed one may read what it needs", async () => {
    const { headers } = await send("GET", "/things", { origin: ORIGIN });
    for (const name of [
      "ETag",
      "Retry-After",
      "X-Request-Id",
      "Idempotency-Replayed",
      "Location",
      "RateLimit-Remaining",
    ])
      expect(headers["access-control-expose-headers"]).toContain(name);
    expect(headers).not.toHaveProperty("access-control-allow-credentials");
  });

  test("a preflight says what it may send", async () => {
    const { status, headers } = await send("OPTIONS", "/things/abc", {
      origin: ORIGIN,
      "access-control-request-method": "PATCH",
      "access-control-request-headers": "authorization",
    });
    expect(status).toBe(204);
    expect(headers["access-control-allow-methods"]).toBe("GET, HEAD, PATCH, DELETE, OPTIONS");
    for (const name of [
      "Authorization",
      "Content-Type",
      "Idempotency-Key",
      "If-Match",
      "If-None-Match",
      "X-Request-Id",
    ])
      expect(headers["access-control-allow-headers"]).toContain(name);
  });

  test.each([
    ["https://evil.example"],
    ["https://clubs.example.edu.evil.example"],
    ["https://example.edu"],
    ["null"],
    ["http://clubs.example.edu"],
  ])("%s gets no such header, and no less of an answer", async (origin) => {
    const preflight = { origin, "access-control-request-method": "GET" };
    for (const answer of [
      await send("GET", "/things", { origin }),
      await send("OPTIONS", "/things", preflight),
    ]) {
      expect([200, 204]).toContain(answer.status);
      expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
    }
  });
});

/** The lines of requests, once there are as many. */
async function requests(count: number): Promise<{ level: string; line: Record<string, unknown> }[]> {
  return eventually(async () => {
    const found = lines.filter(({ line }) => line[0] === "Request");
    return found.length < count
      ? undefined
      : found.map(({ level, line }) => ({ level, line: line[1] as Record<string, unknown> }));
  });
}

test("one line for each request: the template of its path, never what was in it", async () => {
  lines = [];
  const token = gateway.token({ sub: "somebody" });
  const headers = { "x-request-id": "logged" };
  await gateway.send("GET", "/things/private?q=secret", { token, headers });
  await gateway.send("PATCH", "/things/private", { body: { name: "secret" } });
  await gateway.send("GET", "/nothing/private?q=secret");
  const [first, second, third] = await requests(3);
  expect(first?.level).toBe("info");
  expect(first?.line).toEqual({
    method: "GET",
    route: "/things/:id",
    status: 422,
    ms: expect.any(Number),
    requestId: "logged",
    user: "somebody",
    address: "127.0.0.1",
    bytes: expect.any(Number),
  });
  expect(second?.line).toMatchObject({ method: "PATCH", route: "/things/:id", status: 200, user: null });
  expect(second?.line["bytes"]).toBeGreaterThan(10);
  expect(third?.line).toMatchObject({ route: "unknown", status: 404 });
  expect(JSON.stringify(lines)).not.toMatch(/private|secret/);
});

test("an unexpected error is logged with its stack, once, and with the request's id", async () => {
  lines = [];
  await send("GET", "/failures/unexpected", { "x-request-id": "broken" });
  await requests(1);
  const errors = lines.filter(({ level }) => level === "error");
  expect(errors).toHaveLength(1);
  expect(JSON.stringify(errors)).toMatch(/SELECT secret.*broken|broken.*SELECT secret/);
});

test("who goes away before the answer is 499", async () => {
  lines = [];
  gateway.behavior.list = () => new Promise((resolve) => setTimeout(resolve, 300));
  await expect(fetch(`${gateway.url}/things`, { signal: AbortSignal.timeout(50) })).rejects.toThrow();
  expect((await requests(1))[0]?.line).toMatchObject({ status: 499, bytes: 0 });
});

test("nothing is logged of requests where the level says so", async () => {
  const taken: unknown[] = [];
  const quiet = await startGateway({
    env: { LOG_LEVEL: "warn" },
    log: (_level, ...line) => taken.push(line[0]),
  });
  await quiet.send("GET", "/things");
  await quiet.stop();
  expect(taken).not.toContain("Request");
});

test("requests are counted by route and class of status", async () => {
  await send("GET", "/things/abc");
  await send("GET", "/things/ABC");
  await send("GET", "/nothing");
  const client = new Client(`http://127.0.0.1:${gateway.runtime.ports.get("health")}`);
  const { body } = await client.send<string>("GET", "/metrics");
  client.close();
  for (const labels of [
    'gateway="public",route="GET /things/:id",priority="normal",status="2xx"',
    'gateway="public",route="GET /things/:id",priority="normal",status="4xx"',
    'gateway="public",route="unknown",priority="low",status="4xx"',
  ])
    expect(body).toMatch(new RegExp(`club_alliance_http_requests_total{${labels}} [1-9]`));
  expect(body).toMatch(
    /club_alliance_http_request_duration_seconds_count{gateway="public",route="GET \/things\/:id",priority="normal"} [1-9]/,
  );
  expect(body).not.toMatch(/route="[^"]*abc/);
});
