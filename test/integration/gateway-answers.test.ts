/** What comes back: results, tags, refusals in the reader's language. */
import { startGateway } from "../support/gateway.ts";
import type { TestGateway } from "../support/gateway.ts";

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(async () => gateway?.stop());

const signedIn = () => ({ token: gateway.token() });
const get = (path: string, headers: Record<string, string> = {}) => gateway.send("GET", path, { headers });

describe("results", () => {
  test("the status is the contract's, or the one that the handler chose, with its headers", async () => {
    const created = await gateway.send("POST", "/things", { ...signedIn(), body: { name: "now" } });
    expect([created.status, created.headers["x-note"]]).toEqual([201, undefined]);
    const held = await gateway.send("POST", "/things", { ...signedIn(), body: { name: "later" } });
    expect([held.status, held.headers["x-note"]]).toEqual([202, "held"]);
  });

  test("a creation says where it is, if it has an address", async () => {
    const { headers } = await gateway.send("POST", "/things", { ...signedIn(), body: {} });
    expect(headers.location).toBe("/things/new");
    expect((await gateway.send("POST", "/sign-in")).headers).not.toHaveProperty("location");
  });

  test("204 has no body", async () => {
    const { status, headers, body } = await gateway.send("DELETE", "/things/abc/mark");
    expect([status, body]).toEqual([204, undefined]);
    expect(headers).not.toHaveProperty("content-type");
  });

  test("JSON has its length in bytes", async () => {
    const { headers, body } = await get("/things/abc");
    expect(headers["content-type"]).toBe("application/json");
    expect(headers["content-length"]).toBe(String(Buffer.byteLength(JSON.stringify(body))));
  });

  test("CSV comes as it is, to be kept as a file", async () => {
    const { headers, body } = await gateway.send<string>("GET", "/things/list.csv");
    expect(headers["content-type"]).toBe("text/csv; charset=utf-8");
    expect(headers["content-disposition"]).toBe('attachment; filename="list.csv"');
    expect(body).toContain("name\r\n东西\r\n");
  });

  test("who may keep it", async () => {
    expect((await get("/things/abc")).headers["cache-control"]).toBe("no-cache");
    const own = await gateway.send("GET", "/things/abc", signedIn());
    expect(own.headers["cache-control"]).toBe("private, no-cache");
    expect(own.headers.vary).toBe("Authorization, Accept-Language");
    const secret = await gateway.send("POST", "/things/abc/secret", signedIn());
    expect(secret.headers["cache-control"]).toBe("no-store");
    expect(secret.headers).not.toHaveProperty("etag");
    const refused = await gateway.send("POST", "/things/ABC/secret", signedIn());
    expect([refused.status, refused.headers["cache-control"]]).toEqual([422, "no-store"]);
  });
});

describe("tags", () => {
  test("what has a version carries it in its tag, also after a change", async () => {
    expect((await get("/things/abc")).headers.etag).toMatch(/^"3\.[0-9a-f]{16}"$/);
    const changed = await gateway.send("PATCH", "/things/abc", { body: { name: "x" } });
    expect(changed.headers.etag).toMatch(/^"4\.[0-9a-f]{16}"$/);
    const created = await gateway.send("POST", "/things", { ...signedIn(), body: {} });
    expect(created.headers).not.toHaveProperty("etag");
  });

  test("two answers of one version that differ have different tags", async () => {
    const tags = [(await get("/things/abc")).headers.etag, (await get("/things/abd")).headers.etag];
    expect(tags[0]).not.toBe(tags[1]);
    expect((await get("/things/abc")).headers.etag).toBe(tags[0]);
  });

  test("a list has a tag without a version", async () => {
    expect((await get("/things")).headers.etag).toMatch(/^"[0-9a-f]{16}"$/);
  });

  test("If-None-Match compares the whole: 304 with the same headers and no body", async () => {
    const first = await get("/things/abc");
    const tag = first.headers.etag as string;
    for (const known of [tag, `"x", ${tag}`, `W/${tag}`, "*", `"x",W/"y",${tag}`]) {
      const { status, headers, body } = await get("/things/abc", { "if-none-match": known });
      expect([known, status, body]).toEqual([known, 304, undefined]);
      expect(headers).not.toHaveProperty("content-length");
      for (const name of ["etag", "cache-control", "vary"]) expect(headers[name]).toBe(first.headers[name]);
    }
    for (const other of ['"3"', tag.slice(1, -1), '"3.0000000000000000"', "", '"x'])
      expect((await get("/things/abc", { "if-none-match": other })).status).toBe(200);
    const head = await gateway.send("HEAD", "/things/abc", { headers: { "if-none-match": tag } });
    expect(head.status).toBe(304);
  });

  test("If-None-Match does not keep a change from being made", async () => {
    const answer = await gateway.send("PATCH", "/things/abc", {
      body: { name: "x" },
      headers: { "if-none-match": "*" },
    });
    expect(answer.status).toBe(200);
  });
});

describe("If-Match names a version to the service", () => {
  const seen = async (tag: string) => {
    const { body } = await gateway.send("POST", "/things/abc/echo", {
      ...signedIn(),
      headers: { "if-match": tag },
    });
    return (body["headers"] as { ifMatch?: number }).ifMatch;
  };
  test.each([
    ['"3"', 3],
    ['"3.0123456789abcdef"', 3],
    [' "12" ', 12],
    ["*", undefined],
    ['W/"3"', 0],
    ['"3", "4"', 0],
    ["3", 0],
    ['"x"', 0],
    ['"0"', 0],
    ['"03"', 0],
    ['"3.', 0],
    ['"99999999999999999999"', 0],
  ])("%s → %p", async (tag, version) => {
    expect(await seen(tag)).toBe(version);
  });
});

describe("Idempotency-Key", () => {
  const send = (path: string, key: string, options = signedIn()) =>
    gateway.send<{ headers: { idempotency?: object }; errors: { field: string; code: string }[] }>(
      "POST",
      path,
      {
        ...options,
        headers: { "idempotency-key": key },
      },
    );

  test("goes to the service with method and path, of a user", async () => {
    const { body } = await send("/things/abc/echo/", "k-1");
    expect(body.headers.idempotency).toEqual({ key: "k-1", method: "POST", path: "/things/abc/echo" });
    expect((await send("/things/abc/echo", "k".repeat(128))).status).toBe(200);
  });

  test.each([
    ["", "TOO_SHORT"],
    ["k".repeat(129), "TOO_LONG"],
  ])("%j is refused", async (key, code) => {
    const { status, body } = await send("/things/abc/echo", key);
    expect([status, body.errors]).toEqual([
      422,
      [expect.objectContaining({ field: "Idempotency-Key", code })],
    ]);
  });

  test("is ignored without a user, where the answer is a secret, and for other methods", async () => {
    const anonymous = await gateway.send("POST", "/sign-in", { headers: { "idempotency-key": "k" } });
    expect(anonymous.body["headers"]).not.toHaveProperty("idempotency");
    expect((await send("/things/abc/secret", "k".repeat(200))).body.headers).not.toHaveProperty(
      "idempotency",
    );
    const read = await gateway.send("GET", "/things", { ...signedIn(), headers: { "idempotency-key": "" } });
    expect([read.status, read.body["headers"] as object]).toEqual([
      200,
      expect.not.objectContaining({ idempotency: expect.anything() }),
    ]);
  });
});

describe("refusals", () => {
  test("are problem documents", async () => {
    const { status, headers, body } = await get("/things/ABC", { "x-request-id": "my-request" });
    expect(status).toBe(422);
    expect(headers["content-type"]).toBe("application/problem+json");
    expect(body).toEqual({
      type: "urn:club-alliance:problem:validation-failed",
      title: "Some fields are wrong",
      status: 422,
      detail: expect.any(String),
      code: "VALIDATION_FAILED",
      requestId: "my-request",
      errors: [{ field: "id", code: "INVALID_FORMAT", message: expect.any(String) }],
    });
  });

  test.each([
    ["zh", "zh-CN"],
    ["zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"],
    ["zh-TW", "zh-CN"],
    ["en;q=0.5, zh;q=0.6", "zh-CN"],
    ["fr, en;q=0.4, zh;q=0.3", "en"],
    ["zh;q=0, *", "en"],
    ["", "en"],
  ])("Accept-Language %s → %s", async (accepted, language) => {
    const { headers, body } = await get("/nothing", { "accept-language": accepted });
    expect(headers["content-language"]).toBe(language);
    expect(/\p{Script=Han}/u.test(body["title"] as string)).toBe(language === "zh-CN");
    const seen = await get("/things", { "accept-language": accepted });
    expect(seen.body["headers"]).toMatchObject({ lang: language });
  });

  test("of the service say when to come back", async () => {
    const locked = await get("/failures/ACCOUNT_LOCKED");
    expect([locked.status, locked.headers["retry-after"]]).toEqual([429, "77"]);
    const away = await get("/failures/UNAVAILABLE");
    expect([away.status, away.headers["retry-after"]]).toEqual([503, "2"]);
    expect((await get("/failures/FORBIDDEN")).headers).not.toHaveProperty("retry-after");
  });

  test("every 401 names the scheme", async () => {
    const { status, headers } = await get("/failures/INVALID_CREDENTIALS");
    expect([status, headers["www-authenticate"]]).toEqual([401, expect.stringMatching(/^Bearer/)]);
  });

  test("a replayed one keeps the id and the language of its first answer", async () => {
    const { headers, body } = await get("/failures/CLUB_CLOSED?replayed=true", { "x-request-id": "again" });
    expect(headers).toMatchObject({
      "idempotency-replayed": "true",
      "content-language": "zh-CN",
      "x-request-id": "again",
    });
    expect(body["requestId"]).toBe("the-first-one");
    expect(body["title"]).toMatch(/\p{Script=Han}/u);
    expect((await get("/failures/CLUB_CLOSED")).headers).not.toHaveProperty("idempotency-replayed");
  });

  test("what is unexpected says nothing of what is inside", async () => {
    const answer = await get("/failures/unexpected");
    expect([answer.status, answer.body["code"]]).toEqual([500, "INTERNAL"]);
    expect(JSON.stringify(answer)).not.toMatch(/SELECT|secret|stack|node|\.ts/);
  });
});
