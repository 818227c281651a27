/** The OpenAPI document and its reference. */
import { Validator } from "@seriousme/openapi-schema-validator";
import { actionContracts } from "../../services/contracts.ts";
import { isPublic } from "../../services/gateway/paths.ts";
import { openapiOf } from "../../services/gateway/openapi.ts";
import { startGateway } from "../support/gateway.ts";
import type { TestGateway } from "../support/gateway.ts";

interface Operation {
  operationId: string;
  parameters?: { name?: string; in?: string; required?: boolean; schema?: object; $ref?: string }[];
  requestBody?: { content: { "application/json": { schema: { properties: object; required: string[] } } } };
  responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>;
  security: object[];
}
type Document = { paths: Record<string, Record<string, Operation>> };

test("the document of every contract is OpenAPI 3.1, with each public route once", async () => {
  const document = openapiOf(actionContracts, isPublic);
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  expect(errors).toBeUndefined();
  expect(valid).toBe(true);
  const { paths } = document as unknown as Document;
  const ids = Object.values(paths).flatMap((path) => Object.values(path).map((each) => each.operationId));
  const published = [...actionContracts].filter(
    ([, { rest }]) => rest && isPublic(rest.split(" ")[1] as string),
  );
  expect(ids.toSorted()).toEqual(published.map(([name]) => name).toSorted());
  expect(JSON.stringify(document)).not.toContain("x-text");
});

test("the validator sees a fault", async () => {
  const { paths, ...rest } = openapiOf(actionContracts, isPublic);
  expect((await new Validator().validate({ ...rest, paths: { x: paths } })).valid).toBe(false);
});

describe("the document of a gateway", () => {
  let gateway: TestGateway;
  let paths: Document["paths"];
  beforeAll(async () => {
    gateway = await startGateway();
    const { status, headers, body } = await gateway.send<Document>("GET", "/openapi.json");
    expect([status, headers["content-type"]]).toEqual([200, "application/json"]);
    expect((await new Validator().validate(structuredClone(body))).valid).toBe(true);
    ({ paths } = body);
  });
  afterAll(async () => gateway?.stop());

  const operation = (method: string, path: string) => paths[path]?.[method] as Operation;
  const parameters = (method: string, path: string) =>
    operation(method, path).parameters?.map(
      (each) => each.$ref?.split("/").at(-1) ?? `${each.in}:${each.name}`,
    );

  test("has its own paths only", () => {
    expect(Object.keys(paths)).not.toContain("/admin/things");
    expect(Object.keys(paths)).toContain("/things/{id}/echo");
  });

  test("splits params by place", () => {
    expect(parameters("get", "/things")).toEqual([
      "query:q",
      "query:limit",
      "query:ratio",
      "query:active",
      "query:ids",
      "IfNoneMatch",
    ]);
    expect(parameters("patch", "/things/{id}")).toEqual(["path:id", "IfMatch"]);
    expect(parameters("post", "/things")).toEqual(["IdempotencyKey"]);
    expect(parameters("post", "/things/{id}/secret")).toEqual(["path:id"]);
    expect(parameters("delete", "/things/{id}")).toEqual(["path:id", "query:occurrence", "IfMatch"]);
    const schema = operation("delete", "/things/{id}").requestBody?.content["application/json"].schema;
    expect([Object.keys(schema?.properties ?? {}), schema?.required]).toEqual([["password"], ["password"]]);
  });

  test("names the refusals by status", () => {
    const { responses } = operation("post", "/things/{id}/echo");
    expect(Object.keys(responses)).toEqual(
      ["200", "400", "401", "404", "409", "412", "413", "415", "422", "429", "500", "503", "403"].toSorted(),
    );
    expect(responses["422"]?.description).toContain("`IDEMPOTENCY_KEY_REUSED`");
    expect(operation("get", "/things").responses).not.toHaveProperty("415");
  });

  test("says who needs a token, and what is no JSON", () => {
    expect(operation("get", "/things/mine").security).toEqual([{ bearer: [] }]);
    expect(operation("get", "/things").security).toEqual([{}, { bearer: [] }]);
    expect(Object.keys(operation("get", "/things/list.csv").responses["200"]?.content ?? {})).toEqual([
      "text/csv; charset=utf-8",
    ]);
    expect(Object.keys(operation("post", "/things").responses).slice(0, 2)).toEqual(["201", "202"]);
  });

  describe("/docs", () => {
    test("loads nothing from elsewhere, and all that it loads is there", async () => {
      const { status, headers, body } = await gateway.send<string>("GET", "/docs");
      expect([status, headers["content-type"]]).toEqual([200, "text/html; charset=utf-8"]);
      const links = [...body.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] as string);
      expect(links).toHaveLength(4);
      for (const link of links) {
        const file = await gateway.send<string>("GET", link);
        expect([link, file.status]).toEqual([link, 200]);
        expect(file.headers["content-type"]).toMatch(/^(text\/(css|javascript)|image\/png)/);
      }
      const { body: script } = await gateway.send<string>("GET", "/docs/start.js");
      expect(script).toContain('"/openapi.json"');
      const policy = headers["content-security-policy"] as string;
      expect(policy).not.toMatch(/https?:|\*|unsafe/);
      expect(policy).toContain("frame-ancestors 'none'");
    });

    test.each([
      ["/docs/../package.json"],
      ["/docs/..%2fpackage.json"],
      ["/docs/%2e%2e/%2e%2e/package.json"],
      ["/docs/package.json"],
      ["/docs/index.html"],
      ["/docs//etc/passwd"],
    ])("%s is no way to other files", async (path) => {
      expect((await gateway.send("GET", path)).status).toBe(404);
    });

    test("HEAD and 304 work as elsewhere", async () => {
      const { headers } = await gateway.send("HEAD", "/docs/swagger-ui.css");
      expect(Number(headers["content-length"])).toBeGreaterThan(100_000);
      const known = { headers: { "if-none-match": headers.etag as string } };
      expect((await gateway.send("GET", "/docs/swagger-ui.css", known)).status).toBe(304);
    });
  });
});
