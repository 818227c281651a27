import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const MODULE = path.join(import.meta.dirname, "../../middlewares/logger.ts");

/** What a process prints that logs by `code`, where `log` is a module's logger. */
async function printed(code: string, format: "json" | "pretty"): Promise<string> {
  const script = `
    import { ServiceBroker } from "moleculer";
    import { loggerOf } from ${JSON.stringify(MODULE)};
    const logger = () => loggerOf({ logFormat: "${format}", logLevel: "info" });
    const brokers = [1, 2].map((n) => new ServiceBroker({ nodeID: "node-" + n, logger: logger() }));
    const [log, other] = brokers.map((broker) => broker.getLogger("bench"));
    ${code}`;
  const { stdout, stderr } = await run(process.execPath, ["--input-type=module", "--eval", script], {
    cwd: path.dirname(MODULE),
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout + stderr;
}

/** The lines of the module, in JSON. */
async function written(code: string): Promise<Record<string, unknown>[]> {
  return (await printed(code, "json"))
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ mod }) => mod === "bench");
}

test("every line is written, in order, also at an abrupt end, and of all brokers", async () => {
  const lines = await written(`
    for (let n = 0; n < 20_000; n += 1) (n % 2 ? other : log).info("Counted", { n });
    process.exit(0);`);
  expect(lines.map(({ n }) => n)).toEqual(Array.from({ length: 20_000 }, (_, n) => n));
  expect(new Set(lines.map(({ node }) => node))).toEqual(new Set(["node-1", "node-2"]));
});

test("a crash leaves what was logged before it", async () => {
  const lines = await written(`
    log.info("Before");
    process.on("uncaughtException", () => process.exit(0));
    setTimeout(() => { throw new Error("crash"); }, 10);`);
  expect(lines.map(({ msg }) => msg)).toEqual(["Before"]);
});

test("a line says when, in what node and module, and carries its data; an error its stack", async () => {
  const [first, second, ...others] = await written(`
    log.debug("Not at this level");
    log.info("Done", { requestId: "r-1" });
    log.error(new Error("broken"));`);
  expect(others).toEqual([]);
  expect(first).toMatchObject({ level: 30, node: "node-1", mod: "bench", msg: "Done", requestId: "r-1" });
  const time = String(first?.["time"]);
  expect(new Date(time).toISOString()).toBe(time);
  expect(Math.abs(Date.parse(time) - Date.now())).toBeLessThan(60_000);
  expect(second).toMatchObject({ level: 50, error: expect.stringContaining("Error: broken") });
});

test("times are those of the clock, to the millisecond", async () => {
  const lines = await written(`
    const real = Date.now;
    for (const at of [0, 999, 1_000, 1_007, 1_764_000_000_050]) {
      Date.now = () => at;
      log.info("Then", { at });
    }
    Date.now = real;`);
  expect(lines.map(({ at, time }) => [at, time])).toEqual(
    [0, 999, 1_000, 1_007, 1_764_000_000_050].map((at) => [at, new Date(at).toISOString()]),
  );
});

test.each(["json", "pretty"] as const)(
  "%s: what errors quote is taken out, where they come from stays",
  async (format) => {
    const text = await printed(
      `
    const quoting = (name) => new Error("Duplicate entry 'wang@example.edu' of " + name);
    log.error(quoting("one"));
    log.warn("Not done", { requestId: "r-1", error: String(quoting("two")) });
    log.error("Not done either", quoting("three"));`,
      format,
    );
    expect(text).not.toContain("wang");
    for (const name of ["one", "two", "three"]) expect(text).toContain(`Duplicate entry '…' of ${name}`);
    expect(text).toContain("r-1");
    expect(text).toMatch(/ at quoting /);
  },
);
