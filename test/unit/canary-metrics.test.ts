/** What is asked of Prometheus, by one that is simulated: its counters grow, and a look sees them at one moment. */
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { CODES, judge } from "../../scripts/canary/judge.ts";
import { Prometheus, signalsOf, Since } from "../../scripts/canary/metrics.ts";

const SETTLED = 0.05;
/** What its clock shows at first, far from this machine's. */
const START = 1_000;

interface Asked {
  query: string;
  time: number | undefined;
}

/** Its clock goes on by a second with each query, and each second every counter grows by 100. */
async function simulated(tracks: readonly string[], counts = 100) {
  const asked: Asked[] = [];
  let clock = START;
  const resultOf = (query: string, moment: number): object[] => {
    if (query === "vector(time())") return [{ metric: {}, value: [moment, String(moment)] }];
    const value = [moment, String(counts * moment)];
    if (query.startsWith("count by")) return tracks.map((track) => ({ metric: { track }, value }));
    if (!query.startsWith("sum by")) return [];
    if (/failed|refused|unexpected|status=/.test(query)) return [];
    return tracks.map((track) => ({ metric: { instance: track, track, action: "a", route: "r" }, value }));
  };
  const server: Server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += String(chunk)));
    request.on("end", () => {
      const form = new URLSearchParams(body);
      const [query, time] = [form.get("query") ?? "", form.get("time")];
      asked.push({ query, time: time === null ? undefined : Number(time) });
      const result = resultOf(query, time === null ? ++clock : Number(time));
      response.end(JSON.stringify({ status: "success", data: { result } }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, asked, close: () => new Promise((resolve) => server.close(resolve)) };
}

describe("a look at counters that grow", () => {
  test.each(["users", "gateway"])(
    "of %s sees all of them at one moment, which is settled",
    async (domain) => {
      const { url, asked, close } = await simulated(["canary", "stable"]);
      const since = await Since.now(new Prometheus(url, SETTLED), signalsOf(domain));
      await since.strata();
      const strata = await since.strata();
      await close();
      // Fast ones and all of them grow alike: one moment for both, or some seem to have been slow.
      for (const [{ title }, all] of strata)
        for (const { canary, stable } of all)
          expect({ title, bad: [canary.bad, stable.bad] }).toEqual({ title, bad: [0, 0] });
      const slow = [...strata].find(([{ inverse }]) => inverse)?.[1][0];
      expect(slow?.canary.total).toBeGreaterThan(0);
      const times = asked.filter(({ query }) => query.startsWith("sum by")).map(({ time }) => time);
      expect([...new Set(times)]).toEqual([START + 1, START + 2 - SETTLED, START + 3 - SETTLED]);
    },
  );

  test("sees nothing of before its start", async () => {
    const { url, asked, close } = await simulated(["canary", "stable"]);
    // The clock of the one that is simulated is slow: a second has passed, and 1.5 are to be waited for.
    const since = await Since.now(new Prometheus(url, 1.5), signalsOf("users"));
    await since.strata();
    await close();
    expect(Math.min(...asked.flatMap(({ time }) => time ?? []))).toBe(START + 1);
  });
});

describe("a bucket is found as Prometheus 2 and 3 name it", () => {
  /** The regular expressions and values of `le` in a query. */
  const found = (query: string, label: string): boolean =>
    [...query.matchAll(/le(=~?)"([^"]+)"/g)].some(([, operator, value = ""]) =>
      operator === "=~" ? new RegExp(`^(?:${value})$`).test(label) : value === label,
    );
  const promised = signalsOf("gateway").find(({ title }) => title === "slower than promised")?.bad ?? "";

  test.each(["1", "1.0", "0.5"])('le="%s" is one of them', (label) =>
    expect(found(promised, label)).toBe(true),
  );
  test.each(["10", "1x0", "2.5", "10.0"])('le="%s" is not', (label) =>
    expect(found(promised, label)).toBe(false),
  );
});

describe("what could not be judged is told from what had too few calls", () => {
  const judged = async (url: string): Promise<number> => {
    const plan = { domain: "admin", prometheus: url, duration: 0.02, every: 0.01, settled: SETTLED };
    return CODES[(await judge(plan, () => undefined)).verdict];
  };

  test("few calls, or none", async () => {
    const { url, close } = await simulated(["canary", "stable"], 0);
    expect(await judged(url)).toBe(2);
    await close();
  });

  test.each([[[]], [["stable"]], [["canary"]]])("Prometheus knows %j alone", async (tracks: string[]) => {
    const { url, close } = await simulated(tracks, 0);
    expect(await judged(url)).toBe(3);
    await close();
  });

  test("Prometheus goes away after it began", async () => {
    const { url, close } = await simulated(["canary", "stable"], 0);
    const plan = { domain: "admin", prometheus: url, duration: 0.5, every: 0.2, settled: SETTLED };
    const verdict = judge(plan, () => undefined);
    setTimeout(() => void close(), 150);
    expect(CODES[(await verdict).verdict]).toBe(3);
  });
});
