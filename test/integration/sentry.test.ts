import path from "node:path";
import { isSampled, rootSpanOf, traceIdOf } from "../../lib/traces.ts";
import { lastWords } from "../../middlewares/sentry.ts";
import { startCollector } from "../support/collector.ts";
import type { Collector } from "../support/collector.ts";
import { eventually } from "../support/eventually.ts";
import { startGateway } from "../support/gateway.ts";
import type { GatewayOptions, TestGateway } from "../support/gateway.ts";
import { startSentry } from "../support/sentry.ts";
import type { TestSentry } from "../support/sentry.ts";

/** Ids of requests that are traced. */
const TRACED = "01990000-0000-7000-8000-ffffffffffff";

let sentry: TestSentry;
let collector: Collector;
let gateway: TestGateway | undefined;

beforeEach(async () => {
  sentry = await startSentry();
  collector = await startCollector();
});

afterEach(async () => {
  await gateway?.stop();
  gateway = undefined;
  sentry.stop();
  collector.stop();
});

async function start(more: GatewayOptions = {}): Promise<TestGateway> {
  const env = { SENTRY_DSN: sentry.dsn, TRACING_URL: collector.url, ...more.env };
  return (gateway = await startGateway({ ...more, env }));
}

const ask = (requestId: string, query = "") =>
  (gateway as TestGateway).send("GET", `/things${query}`, { headers: { "X-Request-Id": requestId } });

/** Fails with the answers' own error, made anew for each. */
function failing(make: () => unknown): void {
  (gateway as TestGateway).behavior.list = async () => {
    throw make();
  };
}

test("an unexpected error is reported: what, where in the code, which action and request", async () => {
  await start();
  failing(() => new TypeError("no such thing as 'ada'"));
  expect((await ask(TRACED)).status).toBe(500);
  const event = await eventually(async () => sentry.events[0]);
  expect(sentry.paths[0]).toMatch(/^\/api\/42\/envelope\/\?.*sentry_key=a0b1c2d3/);
  expect(event).toMatchObject({
    level: "error",
    platform: "node",
    release: expect.stringMatching(/^club-alliance@\d/),
    tags: { action: "things.list", request_id: TRACED, node: (gateway as TestGateway).broker.nodeID },
    contexts: { trace: { trace_id: traceIdOf(TRACED), span_id: rootSpanOf(TRACED) } },
  });
  const [exception] = event.exception.values;
  expect(exception).toMatchObject({
    type: "TypeError",
    value: "no such thing as '…'",
    mechanism: { handled: true },
  });
  const frames = exception?.stacktrace.frames ?? [];
  expect(frames.at(-1)).toMatchObject({
    filename: path.join("test", "integration", "sentry.test.ts"),
    in_app: true,
    lineno: expect.any(Number),
  });
  expect(frames.every(({ filename }) => !path.isAbsolute(String(filename)))).toBe(true);
  expect(new Set(Object.keys(event))).toEqual(
    new Set("contexts event_id exception level platform release tags timestamp".split(" ")),
  );
  expect(new Set(frames.flatMap((frame) => Object.keys(frame)))).toEqual(
    new Set(["filename", "function", "lineno", "colno", "in_app"]),
  );
});

test("refusals are not reported, nor is the same error within a minute", async () => {
  await start();
  expect((await (gateway as TestGateway).send("GET", "/failures/FORBIDDEN")).status).toBe(403);
  failing(() => new Error("the same"));
  for (let n = 0; n < 5; n++) await ask(`same:${n}`);
  failing(() => new Error("another"));
  await ask("another");
  await eventually(async () => sentry.events.length >= 2 || undefined);
  expect(sentry.events.map(({ exception }) => exception.values[0]?.value)).toEqual(["the same", "another"]);
});

test("no more than a hundred reports go out in an hour", async () => {
  await start();
  // Names of letters alone, since numbers are taken for the same.
  const letters = (n: number): string => String.fromCharCode(97 + (n % 26)).repeat(1 + Math.floor(n / 26));
  for (let n = 0; n < 110; n++) await lastWords(new Error(`kind ${letters(n)}`));
  expect(sentry.events).toHaveLength(100);
});

test.each([
  ["refuses", 500],
  ["never answers", null],
])("a Sentry that %s disturbs nobody, and no end", async (_what, status) => {
  sentry.status = status;
  await start();
  failing(() => new Error("broken"));
  expect((await ask("any")).status).toBe(500);
  expect((await (gateway as TestGateway).send("GET", "/things/1")).status).toBe(200);
  await eventually(async () => sentry.bodies.length > 0 || undefined);
});

test("what ends the process is reported as fatal before it does", async () => {
  await start();
  await lastWords(new RangeError("out of 'ada'"));
  expect(sentry.events).toMatchObject([
    {
      level: "fatal",
      exception: { values: [{ type: "RangeError", value: "out of '…'", mechanism: { handled: false } }] },
    },
  ]);
});

const MARKS = {
  password: "correct-horse-battery",
  token: "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJtYXJrZWQifQ.bWFya2VkLXNpZ25hdHVyZQ",
  email: "marked.person@uni.example",
  totp: "493022",
  student: "2023114477",
};

test("no secret and nobody's data is in logs, spans or reports, whatever an error quotes", async () => {
  const lines: string[] = [];
  await start({ log: (...line) => lines.push(JSON.stringify(line)), env: { LOG_LEVEL: "info" } });
  const messages = [
    `Duplicate entry '${MARKS.email}' for key 'identities.PRIMARY'`,
    `Unexpected token in "${MARKS.password}" is not valid JSON`,
    `wrong password: ${MARKS.password}`,
    `${MARKS.email} with code ${MARKS.totp} and student number ${MARKS.student}`,
    `Authorization=${MARKS.token}`,
    `jwt ${MARKS.token} malformed`,
  ];
  const kinds = [TypeError, RangeError, SyntaxError, EvalError, URIError, Error];
  for (const [n, message] of messages.entries()) {
    const Kind = kinds[n] as ErrorConstructor;
    failing(() => Object.assign(new Kind(message), { sql: message, parameters: MARKS, user: MARKS.email }));
    const id = `01990000-0000-7000-8000-fffffffffff${n}`;
    expect(isSampled(id)).toBe(true);
    await ask(id, `?q=${encodeURIComponent(`${MARKS.email} ${MARKS.password} ${MARKS.token}`)}`);
  }
  await eventually(async () => sentry.events.length >= messages.length || undefined);
  await eventually(async () => collector.spans.length >= 2 * messages.length || undefined);
  expect(lines.filter((line) => line.includes("Unexpected error"))).toHaveLength(messages.length);
  const everything = [...lines, ...sentry.bodies, ...collector.bodies].join("\n");
  for (const mark of Object.values(MARKS)) expect(everything).not.toContain(mark);
});
