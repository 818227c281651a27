/** Canaries of clubs, judged by the script as the pipeline runs it, with a real Prometheus that scrapes real nodes. */
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ServiceBroker } from "moleculer";
import { readSettings } from "../../lib/settings.ts";
import { brokerOptions, newRuntime } from "../../moleculer.config.ts";
import { Prometheus, signalsOf, Since } from "../../scripts/canary/metrics.ts";
import { until } from "../support/balancer.ts";
import { launch, ready } from "../support/node-process.ts";
import type { ClusterNode } from "../support/node-process.ts";
import { folder, freePort, serve } from "../support/servers/child.ts";
import type { Server } from "../support/servers/child.ts";
import { need } from "../support/servers/found.ts";
import { describeWith, startNats } from "../support/servers/index.ts";

const ROOT = path.join(import.meta.dirname, "..", "..");
/** Milliseconds between two calls. */
const PACE = 8;

interface Target {
  targets: string[];
  labels: { domain: string; track: string };
}

describeWith(["nats", "prometheus"], "a canary", () => {
  let place: string;
  let nats: Server;
  let prometheus: Server;
  let caller: ServiceBroker;
  let env: Record<string, string>;
  let calling = true;
  let calls: Promise<void>;
  const nodes: ClusterNode[] = [];
  const targets: Target[] = [];

  const writeTargets = (): void => {
    const file = path.join(place, "targets.json");
    writeFileSync(`${file}.new`, JSON.stringify(targets));
    renameSync(`${file}.new`, file);
  };
  const join = async (track: string, fault = ""): Promise<ClusterNode> => {
    const own = { DATA_DIR: path.join(place, `${track}-${nodes.length}`), FAULT: fault };
    const node = launch("test/support/canary-node.ts", "", { ...env, ...own });
    nodes.push(node);
    await ready(node);
    targets.push({ targets: [new URL(node.health).host], labels: { domain: "clubs", track } });
    writeTargets();
    return node;
  };
  const leave = async (node: ClusterNode): Promise<void> => {
    node.kill("SIGKILL");
    await node.exited;
    targets.splice(
      targets.findIndex((each) => each.targets[0] === new URL(node.health).host),
      1,
    );
    writeTargets();
  };
  const value = async (query: string): Promise<number> => {
    const answer = await fetch(`${prometheus.url}/api/v1/query?query=${encodeURIComponent(query)}`);
    const { data } = (await answer.json()) as { data: { result: { value: [number, string] }[] } };
    return Number(data.result[0]?.value[1] ?? 0);
  };
  /** As `npm run canary -- judge clubs` does: what it says, and its exit code. */
  const judge = async (minutes: number, url = prometheus.url): Promise<{ code: number; said: string }> => {
    const args = ["scripts/canary.ts", "judge", "clubs", "--prometheus", url, "--settled", "3"];
    const child = spawn(process.execPath, [...args, "--minutes", String(minutes), "--every", "2"], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (said += String(data)));
    const code = await new Promise<number>((resolve) =>
      child.once("close", (status) => resolve(status ?? -1)),
    );
    return { code, said };
  };
  /** A canary with this fault, known to Prometheus and called; `work` is done with it. */
  const withCanary = async (fault: string, work: () => Promise<void>): Promise<void> => {
    const canary = await join("canary", fault);
    await until("Prometheus knew the canary", async () => {
      const counted = 'sum(club_alliance_action_calls_total{track="canary",action="clubs.records"})';
      return (await value(counted)) > 0;
    });
    try {
      await work();
    } finally {
      await leave(canary);
    }
  };

  beforeAll(async () => {
    place = mkdtempSync(path.join(tmpdir(), "club-alliance-canary-"));
    nats = await startNats();
    env = {
      PATH: process.env["PATH"] ?? "",
      NAMESPACE: "test-canary",
      NATS_URL: nats.url,
      ALLOW_EMBEDDED: "1",
      HEALTH_PORT: "0",
      LOG_LEVEL: "fatal",
      LOG_FORMAT: "json",
    };
    prometheus = await startPrometheus(path.join(place, "targets.json"));
    await Promise.all([join("stable"), join("stable")]);
    caller = new ServiceBroker(brokerOptions(newRuntime(readSettings(env), [])));
    await caller.start();
    await caller.waitForServices("clubs", 30_000);
    calls = (async () => {
      for (; calling; await sleep(PACE)) {
        const one = caller.call("clubs.records", { ids: ["none"] }).catch(() => undefined);
        void one;
      }
    })();
  }, 120_000);

  afterAll(async () => {
    calling = false;
    await calls;
    await caller?.stop();
    for (const node of nodes) node.kill("SIGKILL");
    await Promise.all(nodes.map(({ exited }) => exited));
    await Promise.all([nats?.stop(), prometheus?.stop()]);
    rmSync(place, { recursive: true, force: true });
  }, 30_000);

  test("that is as good as the others passes", async () => {
    await withCanary("", async () => {
      const { code, said } = await judge(0.15);
      expect(said).toMatch(/calls failed +0\.00 % of \d+ +0\.00 % of \d+ .*fine/);
      expect(said).toContain("The canary of clubs: pass");
      expect(code).toBe(0);
    });
  }, 120_000);

  test("that fails in five of a hundred calls is refused before the time is over", async () => {
    await withCanary("fails", async () => {
      const { code, said } = await judge(5);
      expect(said).toContain("The canary of clubs: fail");
      expect(said).toMatch(/(calls failed|unexpected errors): clearly more than on the stable nodes/);
      expect(code).toBe(1);
    });
  }, 120_000);

  test("that is slow in five of a hundred calls is refused", async () => {
    await withCanary("slow", async () => {
      const { code, said } = await judge(5);
      expect(said).toMatch(/calls slower than 0\.5 s: clearly more than on the stable nodes/);
      expect(code).toBe(1);
    });
  }, 120_000);

  test("of a gateway asks what Prometheus understands", async () => {
    const signals = signalsOf("gateway");
    const since = await Since.now(new Prometheus(prometheus.url, 3), signals);
    expect([...(await since.strata()).values()]).toEqual(signals.map(() => []));
  }, 30_000);

  test("of a gateway counts requests of both priorities, however Prometheus writes their buckets", async () => {
    const gateways = await Promise.all([gateway("1"), gateway("1.0")]);
    targets.push(
      ...gateways.map(({ host }, i) => ({
        targets: [host],
        labels: { domain: "gateway", track: i === 0 ? "canary" : "stable" },
      })),
    );
    writeTargets();
    const counted = 'count(club_alliance_http_request_duration_seconds_count{domain="gateway"})';
    await until("Prometheus knew both gateways", async () => (await value(counted)) === 4);
    const since = await Since.now(new Prometheus(prometheus.url, 3), signalsOf("gateway"));
    for (const each of gateways) each.served(1_000);
    await sleep(6_000);
    const strata = await since.strata();
    targets.splice(-2);
    writeTargets();
    for (const each of gateways) each.close();
    const all = { bad: 10, total: 2_000 };
    for (const [{ title, inverse }, found] of strata)
      if (inverse) expect({ title, found }).toEqual({ title, found: [{ canary: all, stable: all }] });
  }, 60_000);

  test("that nobody calls does not pass", async () => {
    await withCanary("", async () => {
      calling = false;
      await calls;
      await sleep(2_500);
      const { code, said } = await judge(0.05);
      expect(said).toMatch(/calls failed: too few calls to tell/);
      expect(code).toBe(2);
    });
  }, 120_000);

  test("that is not there does not pass", async () => {
    await until("Prometheus forgot the canary", async () => (await value('count(up{track="canary"})')) === 0);
    const { code, said } = await judge(0.05);
    expect(said).toContain("Prometheus knows no canary nodes of clubs");
    expect(code).toBe(3);
  }, 120_000);

  test("that cannot be judged is told from one that hardly anybody calls", async () => {
    const { code } = await judge(0);
    expect(code).toBe(3);
    expect(await judge(0.05, `http://127.0.0.1:${await freePort()}`)).toMatchObject({ code: 3 });
  }, 60_000);
});

/** Metrics of a gateway that has its buckets up to a second under this label; one of 200 requests is slower. */
async function gateway(
  second: string,
): Promise<{ host: string; served(count: number): void; close(): void }> {
  let count = 0;
  const server = createServer((_, response) => {
    const name = "club_alliance_http_request_duration_seconds";
    const line = (suffix: string, labels: string, value: number): string =>
      `${name}_${suffix}{route="GET /clubs",${labels}} ${value}\n`;
    const fast = count * 0.995;
    response.setHeader("Content-Type", "text/plain; version=0.0.4");
    response.write(`# TYPE ${name} histogram\n`);
    for (const priority of ["high", "normal"]) {
      for (const le of ["0.25", "0.5", second, "+Inf"])
        response.write(line("bucket", `priority="${priority}",le="${le}"`, le === "+Inf" ? count : fast));
      response.write(line("count", `priority="${priority}"`, count));
    }
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    served: (more) => void (count += more),
    close: () => void server.close(),
  };
}

/** Prometheus that scrapes every second what the file of targets names. */
async function startPrometheus(targets: string): Promise<Server> {
  const [dir, port] = [await folder("prometheus"), await freePort()];
  const config = path.join(dir, "prometheus.yml");
  const job = {
    job_name: "club-alliance",
    file_sd_configs: [{ files: [targets], refresh_interval: "1s" }],
  };
  // JSON is YAML too.
  writeFileSync(
    config,
    JSON.stringify({ global: { scrape_interval: "1s", scrape_timeout: "1s" }, scrape_configs: [job] }),
  );
  const url = `http://127.0.0.1:${port}`;
  return serve({
    command: need("prometheus"),
    args: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${path.join(dir, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--query.lookback-delta=5s",
    ],
    dir,
    url,
    port,
    probe: async () => {
      const answer = await fetch(`${url}/-/ready`, { signal: AbortSignal.timeout(1_000) });
      if (!answer.ok) throw new Error(`ready answers ${answer.status}`);
      return true;
    },
  });
}
