/** How many requests pass: by address, by user, and by address to the sign-in routes. */
import { setTimeout as sleep } from "node:timers/promises";
import { startGateway } from "../support/gateway.ts";
import type { TestGateway } from "../support/gateway.ts";
import { describeWith, startRedis } from "../support/servers/index.ts";
import type { Server } from "../support/servers/index.ts";

const LIMITS = { RATE_LIMIT_ANONYMOUS: "3", RATE_LIMIT_USER: "4", RATE_LIMIT_AUTH: "2" };
const BEHIND_PROXY = { ...LIMITS, TRUSTED_PROXIES: "127.0.0.1,192.0.2.7", CAMPUS_NETWORKS: "10.1.0.0/16" };

/** Windows are whole minutes: what counts to a limit must not begin at the end of one. */
async function enoughOfTheMinute(): Promise<void> {
  const left = 60_000 - (Date.now() % 60_000);
  if (left < 6_000) await sleep(left + 50);
}

let last = 0;
/** An address that was not used before. */
const address = (): string => `198.51.100.${(last += 1)}`;

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ env: BEHIND_PROXY });
});
afterAll(async () => gateway?.stop());
beforeEach(enoughOfTheMinute, 20_000);

type Options = Parameters<TestGateway["send"]>[2];
const from = (client: string, path: string, options: Options = {}) =>
  gateway.send(path === "/sign-in" ? "POST" : "GET", path, {
    ...options,
    headers: { "x-forwarded-for": client, ...options?.headers },
  });
const statuses = async (count: number, send: () => Promise<{ status: number }>): Promise<number[]> => {
  const all: number[] = [];
  for (let i = 0; i < count; i += 1) all.push((await send()).status);
  return all;
};

test("by address: what is left is told, over it 429 with Retry-After", async () => {
  const client = address();
  for (const remaining of ["2", "1", "0"]) {
    const { status, headers } = await from(client, "/things");
    expect([status, headers["ratelimit-limit"], headers["ratelimit-remaining"]]).toEqual([
      200,
      "3",
      remaining,
    ]);
    const reset = Number(headers["ratelimit-reset"]);
    expect(reset > 0 && reset <= 60).toBe(true);
  }
  const { status, headers, body } = await from(client, "/things");
  expect([status, body["code"], headers["ratelimit-remaining"]]).toEqual([429, "RATE_LIMITED", "0"]);
  expect(Number(headers["retry-after"])).toBeGreaterThan(0);
  expect((await from(address(), "/things")).status).toBe(200);
});

test("a token that is no good counts by address, and 429 comes before 401", async () => {
  const client = address();
  expect(await statuses(5, () => from(client, "/things", { token: "guess" }))).toEqual([
    401, 401, 401, 429, 429,
  ]);
});

test("a missing token counts too", async () => {
  const client = address();
  expect(await statuses(4, () => from(client, "/things/mine"))).toEqual([401, 401, 401, 429]);
});

test("a valid token does not count by address, and passes where the address is over its limit", async () => {
  const client = address();
  const token = gateway.token();
  await from(client, "/things", { token });
  expect(await statuses(4, () => from(client, "/things"))).toEqual([200, 200, 200, 429]);
  const { status, headers } = await from(client, "/things", { token });
  expect([status, headers["ratelimit-limit"]]).toEqual([200, "4"]);
});

test("by user, whatever the address and the session", async () => {
  const sub = "somebody";
  const send = () => from(address(), "/things", { token: gateway.token({ sub }) });
  expect(await statuses(5, send)).toEqual([200, 200, 200, 200, 429]);
  expect((await from(address(), "/things", { token: gateway.token() })).status).toBe(200);
});

test("429 by user comes before the form of the body", async () => {
  const token = gateway.token();
  const send = () =>
    gateway.send("POST", "/things", { token, raw: "{", headers: { "content-type": "application/json" } });
  expect(await statuses(5, send)).toEqual([400, 400, 400, 400, 429]);
});

test("sign-in counts by address in its own limit alone, with a token too", async () => {
  const client = address();
  expect(await statuses(3, () => from(client, "/sign-in"))).toEqual([200, 200, 429]);
  expect(await statuses(4, () => from(client, "/things"))).toEqual([200, 200, 200, 429]);
  const token = gateway.token();
  const other = address();
  expect(await statuses(3, () => from(other, "/sign-in", { token }))).toEqual([200, 200, 429]);
  const { headers } = await from(other, "/things", { token });
  expect(headers["ratelimit-remaining"]).toBe("3");
});

test("unknown routes and methods are not counted and need no room", async () => {
  const client = address();
  expect(await statuses(5, () => from(client, "/nothing"))).toEqual([404, 404, 404, 404, 404]);
  expect((await from(client, "/things")).headers["ratelimit-remaining"]).toBe("2");
});

test("campus networks have a hundred times the limit", async () => {
  expect((await from("10.1.2.3", "/things")).headers["ratelimit-limit"]).toBe("300");
  expect((await from("10.1.2.3", "/sign-in")).headers["ratelimit-limit"]).toBe("200");
  expect((await from("10.2.2.3", "/things")).headers["ratelimit-limit"]).toBe("3");
});

test("an IPv6 subscriber is a /64", async () => {
  const send = () => from(`2001:db8:1:2::${(last += 1).toString(16)}`, "/things");
  expect(await statuses(4, send)).toEqual([200, 200, 200, 429]);
  expect((await from("2001:db8:1:3::1", "/things")).status).toBe(200);
});

test("only the rightmost address that is no trusted proxy counts", async () => {
  const client = address();
  const send = () => from(`${address()}, ${client}, 192.0.2.7`, "/things");
  expect(await statuses(4, send)).toEqual([200, 200, 200, 429]);
});

test("the service gets the client's address and device, where its contract says so", async () => {
  const client = address();
  const options = { headers: { "user-agent": "x".repeat(300) } };
  const { body } = await from(client, "/sign-in", options);
  expect(body["headers"]).toMatchObject({ client: { address: client, device: "x".repeat(200) } });
  expect((await from(client, "/things", options)).body["headers"]).not.toHaveProperty("client");
});

test("TLS ends at a trusted proxy: HSTS", async () => {
  const https = { headers: { "x-forwarded-proto": "https" } };
  expect((await from(address(), "/things", https)).headers["strict-transport-security"]).toMatch(
    /^max-age=\d+/,
  );
  expect((await from(address(), "/nothing", https)).headers).toHaveProperty("strict-transport-security");
  const forged = { headers: { "x-forwarded-proto": "https, http" } };
  expect((await from(address(), "/things", forged)).headers).not.toHaveProperty("strict-transport-security");
  expect((await from(address(), "/things")).headers).not.toHaveProperty("strict-transport-security");
});

test("without trusted proxies forwarded headers say nothing", async () => {
  const open = await startGateway({ env: LIMITS });
  try {
    const send = () =>
      open.send("GET", "/things", {
        headers: { "x-forwarded-for": address(), "x-forwarded-proto": "https" },
      });
    expect(await statuses(4, send)).toEqual([200, 200, 200, 429]);
    expect((await send()).headers).not.toHaveProperty("strict-transport-security");
    const { body } = await open.send("POST", "/sign-in", { headers: { "x-forwarded-for": "1.2.3.4" } });
    expect(body["headers"]).toMatchObject({ client: { address: "127.0.0.1" } });
  } finally {
    await open.stop();
  }
});

test("0 switches a limit off and there is nothing to tell", async () => {
  const off = await startGateway();
  try {
    const { headers } = await off.send("GET", "/things");
    expect(Object.keys(headers).filter((name) => name.startsWith("ratelimit"))).toEqual([]);
  } finally {
    await off.stop();
  }
});

describeWith(["redis"], "shared by the gateways through Redis", () => {
  let redis: Server;
  const gateways: TestGateway[] = [];
  beforeAll(async () => {
    redis = await startRedis();
    const env = { RATE_LIMIT_ANONYMOUS: "40", REDIS_URL: redis.url };
    for (let i = 0; i < 2; i += 1) gateways.push(await startGateway({ env }));
  });
  afterAll(async () => {
    for (const each of gateways) await each.stop();
    await redis?.stop();
  });

  test("one count for both; without Redis each goes on for itself", async () => {
    const all: number[] = [];
    for (let i = 0; i < 80; i += 1) {
      all.push((await (gateways[i % 2] as TestGateway).send("GET", "/things")).status);
      await sleep(5);
    }
    const passed = all.filter((status) => status === 200).length;
    // A tenth of the limit may pass before a gateway hears of it.
    expect(passed).toBeGreaterThanOrEqual(40);
    expect(passed).toBeLessThanOrEqual(48);
    await redis.stop();
    const { status } = await (gateways[0] as TestGateway).send("GET", "/things", {
      token: gateways[0]?.token(),
    });
    expect(status).toBe(200);
  });
});
