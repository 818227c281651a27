/** Which requests are refused when there are too many. */
import { eventually } from "../support/federation.ts";
import { startGateway } from "../support/gateway.ts";
import type { TestGateway } from "../support/gateway.ts";

const LATE = 1e9;
let gateway: TestGateway;
/** Ends the requests that are held. */
let letGo: () => void = () => {};
const held: Promise<unknown>[] = [];

beforeAll(async () => {
  const thresholds = {
    low: { inFlight: 2, lagMs: LATE },
    normal: { inFlight: 3, lagMs: LATE },
    high: { inFlight: 4, lagMs: LATE },
  };
  gateway = await startGateway({ thresholds });
});
afterAll(async () => gateway?.stop());

/** Starts requests that are not answered until `letGo`. */
async function hold(count: number): Promise<void> {
  const gate = new Promise<void>((resolve) => (letGo = resolve));
  let arrived = 0;
  gateway.behavior.list = async ({ params, headers }) => {
    arrived += 1;
    await gate;
    return { params, headers };
  };
  for (let i = 0; i < count; i += 1) held.push(gateway.send("GET", "/things"));
  await eventually(async () => (arrived === count ? true : undefined));
}

afterEach(async () => {
  letGo();
  await Promise.all(held.splice(0));
});

const low = () => gateway.send("GET", "/things/search");
const normal = () => gateway.send("GET", "/things/abc");
const high = () => gateway.send("GET", "/things/mine", { token: gateway.token() });

test.each([
  [1, [200, 200, 200]],
  [2, [503, 200, 200]],
  [3, [503, 503, 200]],
])("with %i requests in flight: low, normal, high %j", async (count, expected) => {
  await hold(count);
  const answers = [(await low()).status, (await normal()).status, (await high()).status];
  expect(answers).toEqual(expected);
});

test("the refusal says when to come back, and 401 comes before it", async () => {
  await hold(3);
  const { status, headers, body } = await low();
  expect([status, body["code"]]).toEqual([503, "OVERLOADED"]);
  const seconds = Number(headers["retry-after"]);
  expect(seconds >= 1 && seconds <= 5).toBe(true);
  gateway.behavior.list = async ({ params, headers: seen }) => ({ params, headers: seen });
  expect((await gateway.send("GET", "/away")).status).toBe(401);
});

test("what was in flight is counted out again, also where the client goes away", async () => {
  await hold(2);
  expect((await low()).status).toBe(503);
  const gone = fetch(`${gateway.url}/things`, { signal: AbortSignal.timeout(100) });
  await expect(gone).rejects.toThrow();
  letGo();
  await Promise.all(held);
  await eventually(async () => ((await low()).status === 200 ? true : undefined));
});
