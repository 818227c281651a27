import { randomUUID } from "node:crypto";
import { ServiceBroker } from "moleculer";
import type { Context } from "moleculer";
import { AppError } from "../../lib/errors.ts";
import { newId } from "../../lib/ids.ts";
import { readSettings } from "../../lib/settings.ts";
import { isSampled, requestIdOfEdge, rootSpanOf, traceIdOf } from "../../lib/traces.ts";
import { traceMessage, traceRequest, tracing } from "../../middlewares/tracing.ts";
import type { Runtime } from "../../mixins/runtime.ts";
import { newRuntime } from "../../moleculer.config.ts";
import { startCollector } from "../support/collector.ts";
import type { Collector, Received } from "../support/collector.ts";
import { keepWarnings } from "../support/warnings.ts";

const TRACED = "01990000-0000-7000-8000-ffffffffffff";
const NOT_TRACED = "01990000-0000-7000-8000-000000000001";

let collector: Collector;

beforeEach(async () => {
  collector = await startCollector();
});

afterEach(() => collector.stop());

/** Runs `work` on a node of its own and returns the spans that it has sent when it has ended, and its warnings. */
async function trace(
  work: (broker: ServiceBroker, runtime: Runtime) => Promise<unknown>,
  to = collector.url,
): Promise<{ spans: Received[]; warnings: unknown[] }> {
  const warnings: unknown[][] = [];
  const runtime = newRuntime(readSettings({ TRACING_URL: to }), ["clubs"]);
  const broker = new ServiceBroker({
    nodeID: "clubs.host~1",
    logger: keepWarnings(warnings),
    internalMiddlewares: false,
    middlewares: [tracing(runtime, to)],
  });
  broker.createService({
    name: "clubs",
    actions: {
      get: (ctx: Context) => ctx.call("clubs.record", { secret: "s3cret" }),
      record: () => ({ name: "Chess" }),
      refuse: () => Promise.reject(new AppError("FORBIDDEN")),
      fail: () => Promise.reject(new TypeError("s3cret")),
    },
  });
  await broker.start();
  await work(broker, runtime);
  await broker.stop();
  return { spans: collector.spans, warnings: warnings.map(([text]) => text) };
}

test("a span for each action, the inner one a child of the outer, without their params", async () => {
  const before = Date.now();
  const { spans } = await trace((broker) =>
    broker.call("clubs.get", { secret: "s3cret" }, { requestID: TRACED }),
  );
  const [inner, outer] = spans as [Received, Received];
  expect(spans.map(({ name, kind }) => [name, kind])).toEqual([
    ["clubs.record", "INTERNAL"],
    ["clubs.get", "INTERNAL"],
  ]);
  expect(inner.parent).toBe(outer.id);
  expect(outer.parent).toBe(rootSpanOf(TRACED));
  expect([inner.traceId, outer.traceId]).toEqual([traceIdOf(TRACED), traceIdOf(TRACED)]);
  expect(outer.start).toBeGreaterThan(before - 1_000);
  expect(outer.start).toBeLessThanOrEqual(inner.start);
  expect(outer.end).toBeGreaterThanOrEqual(inner.end);
  expect(inner.attributes).toEqual({
    "club_alliance.request_id": TRACED,
    "rpc.system.name": "moleculer",
    "rpc.method": "clubs.record",
  });
  expect(inner.resource).toMatchObject({
    "service.name": "clubs",
    "service.version": expect.stringMatching(/^\d+\.\d+\.\d+/),
    "service.instance.id": "clubs.host~1",
  });
  expect(collector.bodies.join()).not.toContain("s3cret");
  expect(collector.requests[0]).toMatchObject({
    method: "POST",
    url: "/v1/traces",
    headers: { "content-type": "application/json" },
  });
});

test("a refusal is told by its type and is no fault; an error is one, without its message", async () => {
  const { spans } = await trace(async (broker) => {
    for (const action of ["clubs.refuse", "clubs.fail"])
      await broker.call(action, {}, { requestID: TRACED }).catch(() => null);
  });
  expect(spans.map(({ attributes, failed }) => [attributes["error.type"], failed])).toEqual([
    ["FORBIDDEN", false],
    ["TypeError", true],
  ]);
  expect(collector.bodies.join()).not.toContain("s3cret");
});

test("what is not sampled makes no span", async () => {
  const { spans } = await trace((broker) => broker.call("clubs.get", {}, { requestID: NOT_TRACED }));
  expect(spans).toEqual([]);
  expect(collector.requests).toEqual([]);
});

test("the gateway's span is the root, and a message's hangs below it", async () => {
  const envelope = {
    id: newId(),
    type: "clubs.created",
    at: Date.now() - 500,
    aggregate: { type: "club", id: newId(), version: 1 },
    actor: null,
    requestId: TRACED,
    data: { name: "s3cret" },
  };
  const { spans } = await trace(async (_broker, runtime) => {
    const begin = performance.now();
    const route = "/clubs/:id";
    traceRequest(runtime, { requestId: TRACED, method: "GET", route, status: 503, begin });
    traceRequest(runtime, { requestId: NOT_TRACED, method: "GET", route, status: 200, begin });
    traceMessage(runtime, envelope, begin);
    traceMessage(runtime, { ...envelope, requestId: NOT_TRACED }, begin);
  });
  const [request, message] = spans as [Received, Received];
  expect(spans).toHaveLength(2);
  expect(request).toMatchObject({ name: "GET /clubs/:id", kind: "SERVER", parent: undefined, failed: true });
  expect(request.attributes).toMatchObject({ "http.route": "/clubs/:id", "http.response.status_code": 503 });
  expect(message).toMatchObject({ name: "send clubs.created", kind: "PRODUCER", parent: request.id });
  expect(message.attributes["club_alliance.outbox_ms"]).toBeGreaterThanOrEqual(500);
  expect(collector.bodies.join()).not.toContain("s3cret");
});

test.each([
  ["refuses", 400, () => collector.url],
  ["is away", 200, () => "http://127.0.0.1:1"],
  ["never answers", null, () => collector.url],
])(
  "a collector that %s hinders nobody, and the end of the node no longer than its time",
  async (_what, answer, to) => {
    collector.status = answer;
    const { spans } = await trace(async (broker) => {
      const calls = Array.from({ length: 6_000 }, () =>
        broker.call("clubs.record", {}, { requestID: TRACED }),
      );
      expect(await Promise.all(calls)).toHaveLength(6_000);
    }, to());
    expect(spans).toEqual([]);
  },
);

test("that traces cannot be sent is said once", async () => {
  collector.status = 400;
  const { warnings } = await trace(async (broker) => {
    for (let n = 0; n < 1_500; n++) await broker.call("clubs.record", {}, { requestID: TRACED });
  });
  expect(collector.requests.length).toBeGreaterThan(1);
  expect(warnings).toEqual(["Traces cannot be sent: is TRACING_URL right?"]);
});

test("one request in ten is traced, whoever asks, by its id alone", () => {
  const ids = Array.from({ length: 20_000 }, (_, n) => [randomUUID(), newId(), `mine:${n}`][n % 3] as string);
  const traced = ids.filter(isSampled);
  // Five standard deviations: one run in millions falls outside.
  expect(Math.abs(traced.length - 2_000)).toBeLessThan(212);
  expect(traced.every(isSampled)).toBe(true);
  expect(isSampled(TRACED)).toBe(true);
  expect(isSampled(NOT_TRACED)).toBe(false);
});

test("the edge's traceparent decides: its trace, its span above ours, its flag", () => {
  const [trace, span] = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"];
  const yes = requestIdOfEdge(`00-${trace}-${span}-01`) as string;
  const no = requestIdOfEdge(`00-${trace}-${span}-00`) as string;
  expect([isSampled(yes), isSampled(no)]).toEqual([true, false]);
  expect([traceIdOf(yes), traceIdOf(no)]).toEqual([trace, trace]);
  expect(rootSpanOf(yes)).toMatch(/^[0-9a-f]{16}$/);
  expect(rootSpanOf(yes)).not.toBe(span);
  expect(isSampled(requestIdOfEdge(`01-${trace}-${span}-03-more`) as string)).toBe(true);
});

test.each([
  "",
  "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
  "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01",
  "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
  "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
  "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
])("%j is no traceparent", (header) => {
  expect(requestIdOfEdge(header)).toBeNull();
});
