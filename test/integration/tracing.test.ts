/** One request as its spans tell it, over nodes of their own, the queue and its consumers. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { generateKeySet } from "../../lib/keys.ts";
import { rootSpanOf, traceIdOf } from "../../lib/traces.ts";
import { startCollector } from "../support/collector.ts";
import type { Collector, Received } from "../support/collector.ts";
import { eventually } from "../support/eventually.ts";
import { Client } from "../support/http.ts";
import { launch } from "../support/node-process.ts";
import type { ClusterNode } from "../support/node-process.ts";
import { serves, startPlace } from "../support/place.ts";
import { describeWith, startNats } from "../support/servers/index.ts";

/** Their last digits say that they are traced. */
const tracedId = (n: number): string => `01990000-0000-7000-8000-ffffffffff${String(n).padStart(2, "0")}`;
const EDGE = "4bf92f3577b34da6a3ce929d0e0e4736";
const LONG = 60_000;

let collector: Collector;

beforeAll(async () => {
  collector = await startCollector();
});
afterAll(() => collector.stop());

const spansOf = (traceId: string): Received[] => collector.spans.filter((span) => span.traceId === traceId);

/** Fails where a span hangs below one that is not there; the root is returned. */
function rootOf(spans: Received[], above?: string): Received {
  const ids = new Set(spans.map(({ id }) => id));
  const roots = spans.filter(({ parent }) => parent === above);
  expect(spans.filter(({ parent }) => parent !== above && !ids.has(parent as string))).toEqual([]);
  expect(roots).toHaveLength(1);
  expect(ids.size).toBe(spans.length);
  return roots[0] as Received;
}

const newPerson = { username: "traced", email: "traced@example.edu", password: "a long enough passphrase" };

describeWith(["nats"], "on nodes of their own", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "club-alliance-traces-"));
  const nodes: ClusterNode[] = [];

  afterAll(async () => {
    for (const node of nodes) node.kill("SIGKILL");
    await Promise.all(nodes.map(({ exited }) => exited));
    rmSync(folder, { recursive: true, force: true });
  });

  test(
    "a club that is founded is one trace: gateway, clubs, applications, the queue and its consumers",
    async () => {
      const nats = await startNats();
      const start = (domains: string, own: Record<string, string> = {}): ClusterNode => {
        const node = launch("scripts/node.ts", domains, {
          PATH: process.env["PATH"] ?? "",
          NAMESPACE: "traces",
          NATS_URL: nats.url,
          QUEUE_URL: nats.url,
          TRACING_URL: collector.url,
          DATA_DIR: path.join(folder, domains.replaceAll(" ", "-")),
          ALLOW_EMBEDDED: "1",
          PORT: "0",
          ADMIN_PORT: "0",
          HEALTH_PORT: "0",
          LOG_FORMAT: "json",
          LOG_LEVEL: "info",
          ...own,
        });
        nodes.push(node);
        return node;
      };
      const keys = JSON.stringify(generateKeySet());
      start("users admin", { JWT_KEYS: keys, ADMIN_JWT_KEYS: keys });
      start("clubs");
      start("applications");
      const gateway = start("gateway");
      const why = (): string => nodes.flatMap(({ log }) => log.slice(-10)).join("\n");
      await eventually(async () => gateway.url || undefined, LONG, why);
      const client = new Client(gateway.url);
      const token = await eventually(
        async () => {
          const { body } = await client.send<{ accessToken?: string }>("POST", "/auth/register", {
            body: newPerson,
          });
          return body.accessToken;
        },
        LONG,
        why,
      );
      const [category] = await eventually(
        async () => {
          const { status, body } = await client.send<{ slug: string }[]>("GET", "/categories");
          return status === 200 ? body : undefined;
        },
        LONG,
        why,
      );
      let tries = 10;
      const id = await eventually(
        async () => {
          const headers = { "X-Request-Id": tracedId(++tries) };
          const body = { name: "Chess", summary: "A club.", category: category?.slug };
          const { status } = await client.send("POST", "/clubs", { token, headers, body });
          return status < 300 ? tracedId(tries) : undefined;
        },
        LONG,
        why,
      );
      client.close();
      const trace = traceIdOf(id);
      const named = (kind: Received["kind"]): Received[] =>
        spansOf(trace).filter((span) => span.kind === kind);
      const services = (): Set<unknown> =>
        new Set(spansOf(trace).map(({ resource }) => resource["service.name"]));
      await eventually(
        async () =>
          (named("CONSUMER").length > 0 && named("PRODUCER").length > 0 && services().size === 4) ||
          undefined,
        LONG,
        why,
      );
      // Batches of the nodes come one after the other.
      await eventually(
        async () => {
          const ids = new Set(spansOf(trace).map((span) => span.id));
          return spansOf(trace).every(({ parent }) => !parent || ids.has(parent)) || undefined;
        },
        LONG,
        () => JSON.stringify(spansOf(trace).map(({ name, kind, id, parent }) => [name, kind, id, parent])),
      );
      const root = rootOf(spansOf(trace));
      expect(root).toMatchObject({ name: "POST /clubs", kind: "SERVER", id: rootSpanOf(id) });
      expect(root.resource["service.name"]).toBe("gateway");
      expect(named("CLIENT").length).toBeGreaterThan(0);
      const [consumer] = named("CONSUMER");
      expect(named("PRODUCER").map((span) => span.id)).toContain(consumer?.parent);
      expect(services()).toEqual(new Set(["gateway", "clubs", "applications", "club-alliance"]));
      const line = await eventually(async () => gateway.log.find((each) => each.includes(id)), LONG);
      expect(JSON.parse(line)).toMatchObject({ msg: "Request", requestId: id, trace });
    },
    4 * LONG,
  );
});

describe("in one process", () => {
  let place: Awaited<ReturnType<typeof startPlace>>;
  let client: Client;

  beforeAll(async () => {
    place = await startPlace(["gateway", "users"], {
      TRACING_URL: collector.url,
      TRUSTED_PROXIES: "127.0.0.1",
    });
    await serves(place.broker);
    client = new Client(place.url);
  }, LONG);
  afterAll(async () => {
    client.close();
    await place.stop();
  });

  test("without a queue the relay tells consumers in the trace of the request", async () => {
    const id = tracedId(1);
    const headers = { "X-Request-Id": id };
    expect((await client.send("POST", "/auth/register", { headers, body: newPerson })).status).toBe(201);
    const consumer = await eventually(async () =>
      spansOf(traceIdOf(id)).find(({ kind }) => kind === "CONSUMER"),
    );
    await eventually(
      async () => spansOf(traceIdOf(id)).some((span) => span.id === consumer.parent) || undefined,
    );
    expect(rootOf(spansOf(traceIdOf(id))).name).toBe("POST /auth/register");
    for (const secret of [newPerson.email, newPerson.password, newPerson.username])
      expect(collector.bodies.join()).not.toContain(secret);
  });

  test("the edge's trace goes on, where it is sampled there", async () => {
    const ask = (span: string, flags: string) =>
      client.send("GET", "/health-of-nobody", { headers: { traceparent: `00-${EDGE}-${span}-${flags}` } });
    await ask("00f067aa0ba902b8", "00");
    await ask("00f067aa0ba902b7", "01");
    await eventually(async () => spansOf(EDGE).length > 0 || undefined);
    expect(spansOf(EDGE)).toMatchObject([{ parent: "00f067aa0ba902b7", kind: "SERVER" }]);
    expect(spansOf(EDGE)[0]?.attributes).toMatchObject({ "http.response.status_code": 404 });
  });
});
