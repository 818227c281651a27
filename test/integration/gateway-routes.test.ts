/** Which path and method leads where. */
import { startGateway } from "../support/gateway.ts";
import type { TestGateway } from "../support/gateway.ts";

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(async () => gateway?.stop());

test("a route reaches its action", async () => {
  const { status, body } = await gateway.send("GET", "/things/abc");
  expect([status, body["id"]]).toEqual([200, "abc"]);
});

test("a fixed segment beats a parameter", async () => {
  const { body } = await gateway.send("GET", "/things/search");
  expect(body).toHaveProperty("params", {});
});

test("a slash at the end makes no difference", async () => {
  expect((await gateway.send("GET", "/things/abc/")).body["id"]).toBe("abc");
});

test.each(["/", "/nothing", "/things/abc/echo/more", "/Things", "/things//x/y", "/~node/list", "/api/rest"])(
  "%s is unknown: 404, whatever the method",
  async (path) => {
    for (const method of ["GET", "POST", "DELETE", "OPTIONS"]) {
      const { status, body } = await gateway.send(method, path, {
        raw: "{",
        headers: { "content-type": "x/y" },
      });
      expect([method, status, body["code"]]).toEqual([method, 404, "NOT_FOUND"]);
    }
  },
);

test("an action without a route cannot be reached by its name", async () => {
  expect((await gateway.send("GET", "/things.get")).status).toBe(404);
  expect((await gateway.send("GET", "/sessions/revokedSince")).status).toBe(404);
});

test("/admin/* is 404, declared or not", async () => {
  expect((await gateway.send("GET", "/admin/things")).status).toBe(404);
  expect((await gateway.send("OPTIONS", "/admin/things")).status).toBe(404);
});

test("moleculer-web's own actions are not callable", async () => {
  for (const name of ["api.listAliases", "api.addRoute", "api.removeRoute", "api.rest"])
    await expect(gateway.broker.call(name)).rejects.toThrow(/not (registered|found|available|accessible)/i);
});

test("another method of a known path: 405 with Allow", async () => {
  const { status, headers, body } = await gateway.send("PUT", "/things/abc");
  expect([status, body["code"]]).toEqual([405, "METHOD_NOT_ALLOWED"]);
  expect(headers.allow).toBe("GET, HEAD, PATCH, DELETE, OPTIONS");
});

test("the methods of a parameter are not those of a fixed segment in its place", async () => {
  const { status, headers } = await gateway.send("PATCH", "/things/search");
  expect([status, headers.allow]).toEqual([405, "GET, HEAD, OPTIONS"]);
});

test("HEAD is GET without the body", async () => {
  const get = await gateway.send("GET", "/things/abc");
  const head = await gateway.send("HEAD", "/things/abc");
  expect([head.status, head.body]).toEqual([200, undefined]);
  for (const name of ["content-length", "content-type", "etag"])
    expect(head.headers[name]).toBe(get.headers[name]);
  expect((await gateway.send("HEAD", "/things/abc/echo")).status).toBe(405);
});

test("OPTIONS without a preflight: 204 with Allow, and the action is not called", async () => {
  let called = false;
  gateway.behavior.list = async () => (called = true);
  const { status, headers, body } = await gateway.send("OPTIONS", "/things");
  expect([status, headers.allow, body]).toEqual([204, "GET, HEAD, POST, OPTIONS", undefined]);
  expect(headers).not.toHaveProperty("access-control-allow-methods");
  expect(called).toBe(false);
});

test("an encoded parameter is decoded; one that cannot be is a wrong id and no crash", async () => {
  expect((await gateway.send("GET", "/things/%61bc")).body["id"]).toBe("abc");
  for (const path of ["/things/%ZZ", "/things/%FF", "/things/a%2Fb", `/things/${"a".repeat(2000)}`]) {
    const { status, body } = await gateway.send<{ errors: { field: string }[] }>("GET", path);
    expect([path, status, body.errors.map(({ field }) => field)]).toEqual([path, 422, ["id"]]);
  }
});

test("a domain that is away is 503 on its routes, after who calls was asked", async () => {
  expect((await gateway.send("GET", "/away")).status).toBe(401);
  const { status, headers, body } = await gateway.send("GET", "/away", { token: gateway.token() });
  expect([status, body["code"]]).toEqual([503, "UNAVAILABLE"]);
  expect(Number(headers["retry-after"])).toBeGreaterThan(0);
});
