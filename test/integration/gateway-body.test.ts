/** Bodies, queries and path parameters on their way to the service. */
import { gzipSync } from "node:zlib";
import { startGateway } from "../support/gateway.ts";
import type { TestGateway } from "../support/gateway.ts";

interface Refusal {
  code: string;
  errors: { field: string; code: string; message: string }[];
}

let gateway: TestGateway;
let token: string;
beforeAll(async () => {
  gateway = await startGateway();
  token = gateway.token();
});
afterAll(async () => gateway?.stop());

const JSON_TYPE = { "content-type": "application/json" };
const post = (raw: string | Buffer, headers: Record<string, string> = JSON_TYPE) =>
  gateway.send<Refusal & { params: unknown }>("POST", "/things/abc/echo", { token, raw, headers });
const errorsOf = ({ body }: { body: Refusal }) => body.errors.map(({ field, code }) => [field, code]);

test("a body is passed on as it is", async () => {
  const data = { text: "5", list: [1, null, "x"], deep: { a: { b: true } } };
  const { status, body } = await post(JSON.stringify({ data }));
  expect([status, body.params]).toEqual([200, { id: "abc", data }]);
});

test.each([
  ["text/plain"],
  ["application/x-www-form-urlencoded"],
  ["multipart/form-data; boundary=x"],
  ["application/jsonp"],
  ["application/json; charset=utf-16"],
  [""],
])("content type %j: 415", async (type) => {
  const { status, body } = await post("{}", type ? { "content-type": type } : {});
  expect([status, body.code]).toEqual([415, "UNSUPPORTED_MEDIA_TYPE"]);
});

test.each([
  ["application/json; charset=utf-8"],
  ['Application/JSON; charset="UTF-8"'],
  ["application/json;profile=x"],
])("content type %j is JSON in UTF-8", async (type) => {
  expect((await post("{}", { "content-type": type })).status).toBe(200);
});

test("a compressed body: 415", async () => {
  const { status } = await post(gzipSync("{}"), { ...JSON_TYPE, "content-encoding": "gzip" });
  expect(status).toBe(415);
});

test("1 MiB passes, one byte more is 413, with and without a length", async () => {
  const frame = JSON.stringify({ data: "" });
  const body = (size: number) => JSON.stringify({ data: "x".repeat(size - frame.length) });
  expect((await post(body(1_048_576))).status).toBe(200);
  const { status, body: refusal } = await post(body(1_048_577));
  expect([status, refusal.code]).toEqual([413, "PAYLOAD_TOO_LARGE"]);
  const chunked = await fetch(`${gateway.url}/things/abc/echo`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, ...JSON_TYPE },
    body: new Blob([body(1_048_577)]).stream(),
    duplex: "half",
  });
  expect(chunked.status).toBe(413);
});

test.each([["{"], ["{'a':1}"], ["undefined"], ['{"a":1}x'], ["NaN"]])(
  "malformed JSON %j: 400",
  async (raw) => {
    const { status, body } = await post(raw);
    expect([status, body.code]).toEqual([400, "MALFORMED_JSON"]);
  },
);

test("bytes that are no UTF-8: 400", async () => {
  const { status } = await post(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]));
  expect(status).toBe(400);
});

test("JSON as deep as nobody needs: 400, and the process lives", async () => {
  const { status, body } = await post(`{"data":${"[".repeat(200_000)}${"]".repeat(200_000)}}`);
  expect([status, body.code]).toEqual([400, "BAD_REQUEST"]);
});

test("JSON with more in it than any form has: 400; as much as the largest has is read", async () => {
  const wide = (count: number) =>
    post(`{"data":{${Array.from({ length: count }, (_, n) => `"k${n}":0`).join(",")}}}`);
  const { status, body } = await wide(10_001);
  expect([status, body.code]).toEqual([400, "BAD_REQUEST"]);
  expect((await wide(9_000)).status).toBe(200);
});

test.each([["[]"], ['"text"'], ["1"], ["null"], ["true"]])("JSON that is no object, %s: 422", async (raw) => {
  const answer = await post(raw);
  expect([answer.status, errorsOf(answer)]).toEqual([422, [["", "WRONG_TYPE"]]]);
});

test("without a body it is {}", async () => {
  for (const options of [
    {},
    { raw: "", headers: JSON_TYPE },
    { headers: { "content-type": "text/plain" } },
  ]) {
    const { status, body } = await gateway.send("POST", "/things/abc/echo", { token, ...options });
    expect([status, body["params"]]).toEqual([200, { id: "abc" }]);
  }
});

test("__proto__ and constructor are names like others", async () => {
  const answer = await post('{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}}}');
  expect(answer.status).toBe(422);
  expect(errorsOf(answer)).toEqual(
    expect.arrayContaining([
      ["__proto__", "UNKNOWN_FIELD"],
      ["constructor", "UNKNOWN_FIELD"],
    ]),
  );
  expect(({} as { admin?: boolean }).admin).toBeUndefined();
  const query = await gateway.send<Refusal>("GET", "/things?__proto__=1&constructor=2");
  expect(errorsOf(query)).toEqual([
    ["__proto__", "UNKNOWN_FIELD"],
    ["constructor", "UNKNOWN_FIELD"],
  ]);
});

test("a field cannot replace a path parameter", async () => {
  const answer = await post('{"id":"victim"}');
  expect([answer.status, errorsOf(answer)]).toEqual([422, [["id", "UNKNOWN_FIELD"]]]);
  const query = await gateway.send<Refusal>("GET", "/things/abc?id=victim");
  expect([query.status, errorsOf(query)]).toEqual([422, [["id", "UNKNOWN_FIELD"]]]);
});

test("a query is for reading: elsewhere 422", async () => {
  const answer = await gateway.send<Refusal>("POST", "/things/abc/echo?data=1", { token, body: {} });
  expect([answer.status, errorsOf(answer)]).toEqual([422, [["data", "UNKNOWN_FIELD"]]]);
});

test("the form of the request is refused only after who calls", async () => {
  expect((await gateway.send("POST", "/things/abc/echo?data=1", { body: [] })).status).toBe(401);
});

test("the body of a GET means nothing", async () => {
  const { status, body } = await gateway.send("GET", "/things", {
    raw: "{",
    headers: { "content-type": "x/y" },
  });
  expect([status, body["params"]]).toEqual([200, {}]);
});

describe("queries", () => {
  test.each([
    ["limit=5", { limit: 5 }],
    ["limit=-5", { limit: -5 }],
    ["ratio=0.25", { ratio: 0.25 }],
    ["active=true", { active: true }],
    ["active=false", { active: false }],
    ["ids=1", { ids: [1] }],
    ["ids=1&ids=2", { ids: [1, 2] }],
    ["q=5", { q: "5" }],
    ["q=", { q: "" }],
    ["q=%E4%B8%9C+%E8%A5%BF", { q: "东 西" }],
    ["", {}],
  ])("%s", async (query, params) => {
    const { status, body } = await gateway.send("GET", `/things?${query}`);
    expect([status, body["params"]]).toEqual([200, params]);
  });

  test.each([
    ["limit=five", "limit", "WRONG_TYPE"],
    ["limit=", "limit", "WRONG_TYPE"],
    ["limit=1.5", "limit", "WRONG_TYPE"],
    ["limit=1e2", "limit", "WRONG_TYPE"],
    ["limit=0x10", "limit", "WRONG_TYPE"],
    ["limit=101", "limit", "TOO_LARGE"],
    ["limit=1&limit=2", "limit", "DUPLICATE"],
    ["active=1", "active", "WRONG_TYPE"],
    ["active=TRUE", "active", "WRONG_TYPE"],
    ["ids=1&ids=x", "ids[1]", "WRONG_TYPE"],
    ["q=a&q=b", "q", "DUPLICATE"],
    ["other=1", "other", "UNKNOWN_FIELD"],
    ["q[]=1", "q[]", "UNKNOWN_FIELD"],
    ["q[a]=1", "q[a]", "UNKNOWN_FIELD"],
  ])("%s is refused", async (query, field, code) => {
    const answer = await gateway.send<Refusal>("GET", `/things?${query}`);
    expect([answer.status, errorsOf(answer)]).toEqual([422, [[field, code]]]);
  });

  test("however many, the answer is a 422", async () => {
    const query = Array.from({ length: 900 }, (_, i) => `p${i}=1`).join("&");
    expect((await gateway.send("GET", `/things?${query}`)).status).toBe(422);
  });
});

describe("a DELETE", () => {
  const remove = (query: string, body?: unknown) =>
    gateway.send<Refusal & { params: unknown }>("DELETE", `/things/abc${query}`, { body });

  test("takes what it must have from the body and the rest from the query", async () => {
    const { status, body } = await remove("?occurrence=5", { password: "secret" });
    expect([status, body.params]).toEqual([200, { id: "abc", password: "secret", occurrence: 5 }]);
  });

  test("takes no password from an address", async () => {
    expect(errorsOf(await remove("?password=secret"))).toContainEqual(["password", "UNKNOWN_FIELD"]);
  });

  test("takes nothing twice", async () => {
    expect(errorsOf(await remove("?occurrence=5", { password: "secret", occurrence: 6 }))).toEqual([
      ["occurrence", "DUPLICATE"],
    ]);
  });

  test("needs no body where it takes none", async () => {
    expect((await gateway.send("DELETE", "/things/abc/mark")).status).toBe(204);
    expect(
      (await gateway.send("DELETE", "/things/abc/mark", { raw: "x", headers: { "content-type": "x/y" } }))
        .status,
    ).toBe(415);
  });
});
