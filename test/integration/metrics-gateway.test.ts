/** What the gateway counts, and what any node tells of its calls: after work that is known. */
import type { Whereabouts } from "../../middlewares/unexpected.ts";
import { onUnexpected } from "../../middlewares/unexpected.ts";
import { eventually } from "../support/federation.ts";
import { startGateway } from "../support/gateway.ts";
import type { TestGateway } from "../support/gateway.ts";
import { scrape } from "../support/metrics.ts";

const LATE = 1e9;
/** Calls of one action that a node works at, and that wait beyond them (moleculer.config.ts). */
const AT_WORK = 200;
const IN_LINE = 1_000;

let gateway: TestGateway;

beforeAll(async () => {
  const thresholds = {
    low: { inFlight: 2, lagMs: LATE },
    normal: { inFlight: 3, lagMs: LATE },
    high: { inFlight: 4, lagMs: LATE },
  };
  gateway = await startGateway({ thresholds, env: { RATE_LIMIT_USER: "3", RATE_LIMIT_AUTH: "2" } });
});
afterAll(async () => gateway?.stop());

const metrics = () => scrape(gateway.runtime);

/** Has `things.list` wait, and tells how many calls have come through to it. */
function hold(): { begun: () => number; letGo: () => void } {
  const gate = Promise.withResolvers<void>();
  let begun = 0;
  gateway.behavior.list = async ({ params, headers }) => {
    begun += 1;
    await gate.promise;
    return { params, headers };
  };
  return { begun: () => begun, letGo: gate.resolve };
}

test("what is in flight and what is shed, by priority", async () => {
  const { begun, letGo } = hold();
  const held = [gateway.send("GET", "/things"), gateway.send("GET", "/things")];
  await eventually(async () => begun() === 2 || undefined);
  const before = await metrics();
  expect(before.value("club_alliance_http_in_flight", { gateway: "public" })).toBe(2);
  expect(before.value("club_alliance_http_shed_total", { priority: "low" })).toBe(0);
  for (let i = 0; i < 3; i++) expect((await gateway.send("GET", "/things/search")).status).toBe(503);
  letGo();
  await Promise.all(held);
  const after = await metrics();
  const shed = (priority: string) =>
    after.value("club_alliance_http_shed_total", { gateway: "public", priority });
  expect([shed("low"), shed("normal"), shed("high")]).toEqual([3, 0, 0]);
  expect(after.value("club_alliance_http_in_flight", { gateway: "public" })).toBe(0);
  const route = { route: "GET /things/search", priority: "low", status: "5xx" };
  expect(after.value("club_alliance_http_requests_total", route)).toBe(3);
});

test("what is beyond a limit, by the limit", async () => {
  const token = gateway.token();
  for (let i = 0; i < 5; i++) await gateway.send("GET", "/things/mine", { token });
  const seen = await metrics();
  const limited = (limit: string) => seen.value("club_alliance_http_limited_total", { limit });
  expect([limited("user"), limited("anonymous"), limited("auth")]).toEqual([2, 0, 0]);
  const answered = { route: "GET /things/mine", priority: "high" };
  expect(seen.value("club_alliance_http_requests_total", { ...answered, status: "2xx" })).toBe(3);
  expect(seen.value("club_alliance_http_requests_total", { ...answered, status: "4xx" })).toBe(2);
  const bounds = seen.of("club_alliance_http_request_duration_seconds_bucket", answered);
  const upTo = bounds.map(({ labels }) => labels["le"]).join(" ");
  expect(upTo).toBe("0.005 0.02 0.1 0.25 0.5 1 2.5 10 +Inf");
});

test("what nobody expected is counted and told, once; a refusal, and who is away, are not", async () => {
  const told: [error: unknown, info: Whereabouts][] = [];
  const ends = [
    onUnexpected(gateway.runtime, () => {
      throw new Error("A listener that fails spoils nothing.");
    }),
    onUnexpected(gateway.runtime, (...each) => told.push(each)),
  ];
  const fail = (code: string) =>
    gateway.send("GET", `/failures/${code}`, { headers: { "x-request-id": `of-${code}` } });
  const { status, body } = await fail("unexpected");
  expect([status, body["code"]]).toEqual([500, "INTERNAL"]);
  for (const code of ["FORBIDDEN", "UNAVAILABLE", "OVERLOADED"]) await fail(code);
  for (const end of ends) end();
  await fail("unexpected");
  expect(told).toHaveLength(1);
  const [[error, info]] = told as [[Error, Whereabouts]];
  expect(error.message).toBe("SELECT secret FROM users");
  expect(info).toEqual({ action: "things.fail", requestId: "of-unexpected", node: expect.any(String) });
  const seen = await metrics();
  expect(seen.of("club_alliance_unexpected_errors_total")).toEqual([
    { name: expect.any(String), labels: { action: "things.fail" }, value: 2 },
  ]);
  const calls = (result: string) =>
    seen.value("club_alliance_action_calls_total", { action: "things.fail", result });
  // Who is away is asked again, twice.
  expect([calls("refused"), calls("failed")]).toEqual([1, 2 + 3 + 1]);
});

test("calls at work, and those that wait for others of the same action; not those that were refused", async () => {
  const { begun, letGo } = hold();
  const more = 5;
  const outcomes = Array.from({ length: AT_WORK + IN_LINE + more }, () =>
    gateway.broker.call("things.list").then(
      () => "served",
      ({ type }: { type: string }) => type,
    ),
  );
  await eventually(async () => begun() === AT_WORK || undefined);
  const seen = await metrics();
  expect(seen.value("club_alliance_actions_in_flight")).toBe(AT_WORK + IN_LINE);
  expect(seen.value("club_alliance_bulkhead_waiting")).toBe(IN_LINE);
  letGo();
  const refused = (await Promise.all(outcomes)).filter((outcome) => outcome !== "served");
  expect(refused).toEqual(Array.from({ length: more }, () => "OVERLOADED"));
  const after = await metrics();
  expect(after.value("club_alliance_actions_in_flight")).toBe(0);
  expect(after.value("club_alliance_bulkhead_waiting")).toBe(0);
});
