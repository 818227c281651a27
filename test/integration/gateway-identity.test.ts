/** Who calls, and when that is asked. */
import { implement } from "../../lib/implement.ts";
import { eventually } from "../support/federation.ts";
import { away, sessions, startGateway } from "../support/gateway.ts";
import type { TestGateway } from "../support/gateway.ts";

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(async () => gateway?.stop());

test("a valid token reaches the service, and nothing else of the caller does", async () => {
  const token = gateway.token();
  const { status, body } = await gateway.send("GET", "/things/mine", { token });
  expect([status, body["headers"]]).toEqual([200, { passport: token, lang: "en", edge: true }]);
});

test("the scheme is written in any case", async () => {
  const headers = { authorization: `bEARER  ${gateway.token()}` };
  expect((await gateway.send("GET", "/things/mine", { headers })).status).toBe(200);
});

test.each([[{}], [{ authorization: "Basic YWxhZGRpbjpvcGVuc2VzYW1l" }]])(
  "without a token where one is needed: 401 (%j)",
  async (headers: Record<string, string>) => {
    const answer = await gateway.send("GET", "/things/mine", { headers });
    expect([answer.status, answer.body["code"]]).toEqual([401, "UNAUTHENTICATED"]);
    expect(answer.headers["www-authenticate"]).toMatch(/^Bearer realm="[^"]+"$/);
    expect((await gateway.send("GET", "/things", { headers })).status).toBe(200);
  },
);

describe("a token that is no good is 401 also where none is needed", () => {
  const bad: [string, () => string][] = [
    ["expired", () => gateway.token({ now: Date.now() - 3_600_000 })],
    ["of the other gateway", () => gateway.token({ audience: "admin" })],
    ["tampered", () => tampered(gateway.token())],
    ["garbage", () => "garbage"],
    ["empty", () => ""],
    ["without a signature", () => `${gateway.token().split(".").slice(0, 2).join(".")}.`],
  ];
  test.each(bad)("%s", async (_name, token) => {
    for (const path of ["/things", "/things/mine", "/docs", "/openapi.json"]) {
      const answer = await gateway.send("GET", path, { token: token() });
      expect([path, answer.status, answer.body["code"]]).toEqual([path, 401, "INVALID_TOKEN"]);
      expect(answer.headers["www-authenticate"]).toMatch(/^Bearer realm="[^"]+", error="invalid_token"$/);
    }
  });

  /** Another person, the same signature. */
  function tampered(token: string): string {
    const [head = "", body = "", signature = ""] = token.split(".");
    const claims = JSON.parse(Buffer.from(body, "base64url").toString()) as object;
    return [
      head,
      Buffer.from(JSON.stringify({ ...claims, sub: "someone-else" })).toString("base64url"),
      signature,
    ].join(".");
  }
});

test("identity is asked before the body is looked at, and the route before that", async () => {
  const raw = "{";
  const headers = { "content-type": "text/plain" };
  expect((await gateway.send("POST", "/things", { raw, headers })).status).toBe(401);
  expect((await gateway.send("POST", "/nothing", { raw, headers })).status).toBe(404);
  expect((await gateway.send("PUT", "/things", { raw, headers })).status).toBe(405);
  expect((await gateway.send("POST", "/things", { raw, headers, token: gateway.token() })).status).toBe(415);
});

test("a revoked session's token stops working, known by the pull", async () => {
  const token = gateway.token({ sid: "pulled" });
  const other = gateway.token({ sid: "another" });
  const status = async (with_: string) =>
    (await gateway.send("GET", "/things/mine", { token: with_ })).status;
  expect(await status(token)).toBe(200);
  gateway.revoked.push({ sid: "pulled", at: Date.now() });
  await eventually(async () => ((await status(token)) === 401 ? true : undefined), 5_000);
  expect(await status(other)).toBe(200);
});

test("a revocation that was committed a little late is not missed", async () => {
  const token = gateway.token({ sid: "late" });
  gateway.revoked.push({ sid: "late", at: Date.now() - 2_000 });
  await eventually(
    async () => ((await gateway.send("GET", "/things", { token })).status === 401 ? true : undefined),
    5_000,
  );
});

test("a broadcast makes it known at once; nonsense on the bus does no harm", async () => {
  const token = gateway.token({ sid: "pushed" });
  for (const nonsense of [undefined, {}, { sids: "pushed" }, { sids: [null, 1, {}] }])
    await gateway.broker.broadcast("sessions.revoked", nonsense);
  expect((await gateway.send("GET", "/things", { token })).status).toBe(200);
  await gateway.broker.broadcast("sessions.revoked", { sids: ["pushed"] });
  const { status, body } = await gateway.send("GET", "/things", { token });
  expect([status, body["code"]]).toEqual([401, "INVALID_TOKEN"]);
});

test("while the keys cannot be had a token is neither good nor bad: 503", async () => {
  const other = await startGateway();
  try {
    other.keysAway = true;
    const token = other.token();
    const { status, headers, body } = await other.send("GET", "/things", { token });
    expect([status, body["code"]]).toEqual([503, "UNAVAILABLE"]);
    expect(Number(headers["retry-after"])).toBeGreaterThan(0);
    expect((await other.send("GET", "/things")).status).toBe(200);
    other.keysAway = false;
    await eventually(
      async () => ((await other.send("GET", "/things", { token })).status === 200 ? true : undefined),
      5_000,
    );
  } finally {
    await other.stop();
  }
});

test("a gateway is not ready before it knows the revoked sessions", async () => {
  const other = await startGateway({ withSessions: false });
  try {
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(other.runtime.readiness.reasons).toHaveProperty(["api: sessions"]);
    let since = 0;
    other.broker.createService(
      implement(sessions, {
        actions: {
          async revokedSince({ params }) {
            since ||= params.since;
            return { now: Date.now(), sids: [{ sid: "before", at: Date.now() - 500_000 }] };
          },
        },
      }),
    );
    await eventually(async () => ("api: sessions" in other.runtime.readiness.reasons ? undefined : true));
    // Whatever was revoked while an access token lives.
    expect(Date.now() - since).toBeGreaterThan(600_000);
    expect((await other.send("GET", "/things", { token: other.token({ sid: "before" }) })).status).toBe(401);
  } finally {
    await other.stop();
  }
});

test("nor before the services are there that it routes to; afterwards they may come and go", async () => {
  const other = await startGateway();
  const waits = () => "api: services" in other.runtime.readiness.reasons;
  try {
    expect(waits()).toBe(true);
    const service = other.broker.createService(
      implement(away, { actions: { get: async ({ params, headers }) => ({ params, headers }) } }),
    );
    await eventually(async () => (waits() ? undefined : true));
    await other.broker.destroyService(service);
    expect((await other.send("GET", "/away", { token: other.token() })).status).toBe(503);
    expect(waits()).toBe(false);
  } finally {
    await other.stop();
  }
});
