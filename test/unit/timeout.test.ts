import { setTimeout as sleep } from "node:timers/promises";
import { ServiceBroker } from "moleculer";
import type { ActionSchema, Context } from "moleculer";
import { timeout as timeoutMiddleware } from "../../middlewares/timeout.ts";
import { keepWarnings } from "../support/warnings.ts";

const warnings: unknown[][] = [];
let left: number[] = [];

/** An action with a time of its own, which Moleculer's types do not know. */
function timed(timeout: number, handler: () => Promise<unknown>): ActionSchema {
  return Object.assign({ handler }, { timeout });
}

const broker = new ServiceBroker({
  logger: keepWarnings(warnings),
  requestTimeout: 300,
  internalMiddlewares: false,
  middlewares: [timeoutMiddleware()],
});

broker.createService({
  name: "slow",
  actions: {
    never: () => new Promise(() => {}),
    short: timed(100, () => new Promise(() => {})),
    endless: timed(0, () => sleep(500, "done")),
    quick: () => "quick",
    refuses: () => Promise.reject(new Error("no")),
    async outer(ctx: Context) {
      await sleep(100);
      return ctx.call("slow.inner");
    },
    async inner(ctx: Context) {
      left.push(ctx.options.timeout as number);
      return new Promise(() => {});
    },
    async late(ctx: Context) {
      await sleep(500);
      return ctx.call("slow.quick").catch((error: { type: string }) => left.push(error.type as never));
    },
  },
});

beforeAll(() => broker.start());
afterAll(() => broker.stop());
beforeEach(() => {
  warnings.length = 0;
  left = [];
});

const timedOut = { name: "RequestTimeoutError", type: "REQUEST_TIMEOUT", code: 504, retryable: true };

test.each(["slow.never", "slow.short"])("%s is given up, and the log says which", async (action) => {
  await expect(broker.call(action)).rejects.toMatchObject({ ...timedOut, data: { action } });
  expect(warnings).toEqual([["A call timed out", expect.objectContaining({ action })]]);
});

test("a caller's own time counts before the action's", async () => {
  await expect(broker.call("slow.endless", {}, { timeout: 100 })).rejects.toMatchObject(timedOut);
});

test("without a time a call may take any", async () => {
  expect(await broker.call("slow.endless")).toBe("done");
});

test("what was answered or refused in time is not given up later", async () => {
  expect(await broker.call("slow.quick")).toBe("quick");
  await expect(broker.call("slow.refuses")).rejects.toThrow("no");
  await sleep(450);
  expect(warnings).toEqual([]);
});

test("a call within has what is left of the time", async () => {
  await expect(broker.call("slow.outer", {}, { timeout: 250 })).rejects.toMatchObject(timedOut);
  expect(left).toHaveLength(1);
  expect(left[0]).toBeGreaterThan(0);
  expect(left[0]).toBeLessThanOrEqual(151);
});

test("when no time is left nothing is called any more", async () => {
  await expect(broker.call("slow.late", {}, { timeout: 100 })).rejects.toMatchObject(timedOut);
  await sleep(600);
  expect(left).toEqual(["REQUEST_SKIPPED"]);
});

test("a call to another node that timed out is not counted as running", async () => {
  const namespace = `timeout-${process.pid}`;
  const node = (nodeID: string) =>
    new ServiceBroker({
      namespace,
      nodeID,
      transporter: "Fake",
      logger: false,
      tracking: { enabled: true, shutdownTimeout: 5_000 },
      internalMiddlewares: false,
      middlewares: ["ContextTracker", ...(nodeID === "near" ? [timeoutMiddleware()] : [])] as never,
    });
  const [near, far] = [node("near"), node("far")];
  far.createService({ name: "stuck", actions: { never: () => new Promise(() => {}) } });
  await Promise.all([near.start(), far.start()]);
  await near.waitForServices("stuck");
  await expect(near.call("stuck.never", {}, { timeout: 100 })).rejects.toMatchObject({
    type: "REQUEST_TIMEOUT",
  });
  await sleep(0);
  expect((near as unknown as { _trackedContexts: unknown[] })._trackedContexts).toEqual([]);
  await near.stop();
});
