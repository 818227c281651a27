import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { ServiceBroker } from "moleculer";
import type { Context } from "moleculer";
import { AppError } from "../../lib/errors.ts";
import { tracing } from "../../middlewares/tracing.ts";
import { keepWarnings } from "../support/warnings.ts";

interface Sent {
  traceId: string;
  id: string;
  parentId?: string;
  name: string;
  timestamp: number;
  duration: number;
  localEndpoint: { serviceName: string };
  tags: Record<string, string>;
}

let collector: Server;
let url: string;
let status = 202;
let bodies: string[] = [];

beforeAll(async () => {
  collector = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      bodies.push(`${request.method} ${request.url} ${request.headers["content-type"]} ${body}`);
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
});

afterAll(() => {
  collector.closeAllConnections();
  collector.close();
});

beforeEach(() => {
  status = 202;
  bodies = [];
});

/** Runs `work` on a node of its own and returns the spans that it has sent when it has ended, and its warnings. */
async function trace(
  work: (broker: ServiceBroker) => Promise<unknown>,
  { rate = 1, to = url }: { rate?: number; to?: string } = {},
): Promise<{ spans: Sent[]; warnings: unknown[] }> {
  const warnings: unknown[][] = [];
  const broker = new ServiceBroker({
    nodeID: "node-1",
    logger: keepWarnings(warnings),
    internalMiddlewares: false,
    middlewares: [tracing(to, rate)],
  });
  broker.createService({
    name: "clubs",
    actions: {
      get: (ctx: Context) => ctx.call("clubs.record", { secret: "s3cret" }),
      record: () => ({ name: "Chess" }),
      refuse: () => Promise.reject(new AppError("FORBIDDEN")),
    },
  });
  await broker.start();
  await work(broker);
  await broker.stop();
  const head = "POST /api/v2/spans application/json ";
  const spans = bodies.flatMap((each) => {
    expect(each.startsWith(head)).toBe(true);
    return JSON.parse(each.slice(head.length)) as Sent[];
  });
  return { spans, warnings: warnings.map(([text]) => text) };
}

test("a span for each action, the inner one a child of the outer, without their params", async () => {
  const before = Date.now() * 1_000;
  const { spans } = await trace((broker) =>
    broker.call("clubs.get", { secret: "s3cret" }, { requestID: "01990000-0000-7000-8000-000000000001" }),
  );
  const [inner, outer] = spans as [Sent, Sent];
  expect(spans).toHaveLength(2);
  expect([inner.name, outer.name]).toEqual(["clubs.record", "clubs.get"]);
  expect(inner.traceId).toBe("01990000000070008000000000000001");
  expect(outer.traceId).toBe(inner.traceId);
  expect(outer.id).toMatch(/^[0-9a-f]{16}$/);
  expect(inner.parentId).toBe(outer.id);
  expect(outer.parentId).toBeUndefined();
  expect(outer.timestamp).toBeGreaterThanOrEqual(before);
  expect(outer.timestamp).toBeLessThanOrEqual(inner.timestamp);
  expect(outer.duration).toBeGreaterThanOrEqual(inner.duration);
  expect(inner.localEndpoint).toEqual({ serviceName: "clubs" });
  expect(inner.tags).toEqual({ node: "node-1", requestId: "01990000-0000-7000-8000-000000000001" });
  expect(JSON.stringify(spans)).not.toContain("s3cret");
});

test("a refusal is told by its type; an id of a client's own makes a proper trace id", async () => {
  const { spans } = await trace((broker) =>
    broker.call("clubs.refuse", {}, { requestID: "mine:1" }).catch(() => null),
  );
  expect(spans.map(({ tags }) => tags)).toEqual([
    { node: "node-1", requestId: "mine:1", error: "FORBIDDEN" },
  ]);
  expect(spans[0]?.traceId).toMatch(/^[0-9a-f]{32}$/);
});

test("what is decided where a request begins holds for all of it", async () => {
  const { spans } = await trace(
    (broker) => Promise.all(Array.from({ length: 400 }, () => broker.call("clubs.get"))),
    { rate: 0.5 },
  );
  const perTrace = Map.groupBy(spans, ({ traceId }) => traceId);
  expect([...perTrace.values()].every((each) => each.length === 2)).toBe(true);
  // Five standard deviations: one run in millions falls outside.
  expect(Math.abs(perTrace.size - 200)).toBeLessThan(50);
});

test("nothing is sent where nothing is traced", async () => {
  expect(await trace((broker) => broker.call("clubs.get"), { rate: 0 })).toEqual({ spans: [], warnings: [] });
});

test.each([
  ["refuses", 503, () => url],
  ["is away", 202, () => "http://127.0.0.1:1"],
])("a collector that %s hinders nobody", async (_what, answer, to) => {
  status = answer;
  const { warnings } = await trace(
    async (broker) => expect(await broker.call("clubs.get")).toEqual({ name: "Chess" }),
    { to: to() },
  );
  expect(warnings).toEqual(["Traces cannot be sent: is TRACING_URL right?"]);
});
