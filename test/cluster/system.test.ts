/** The system view over NATS: a node that is frozen, nodes that are drained while requests come. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Answer } from "../../lib/declare.ts";
import { generateKeySet } from "../../lib/keys.ts";
import { startOffice } from "../support/admin.ts";
import type { Office } from "../support/admin.ts";
import { eventually } from "../support/eventually.ts";
import { isReady, launch, ready } from "../support/node-process.ts";
import type { ClusterNode } from "../support/node-process.ts";
import { describeWith, startNats } from "../support/servers/index.ts";

type System = Answer<"system.overview">;
type Node = System["nodes"][number];

describeWith(["nats"], "the system view of several nodes", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "club-alliance-system-"));
  const nodes: ClusterNode[] = [];
  let env: Record<string, string>;
  let office: Office;
  let token: string;

  beforeAll(async () => {
    const { url } = await startNats();
    env = { NATS_URL: url, NAMESPACE: "system-test", ALLOW_EMBEDDED: "1" };
    office = await startOffice({
      env: {
        ...env,
        JWT_KEYS: JSON.stringify(generateKeySet()),
        ADMIN_JWT_KEYS: JSON.stringify(generateKeySet()),
      },
    });
    ({ token } = await office.admin());
    await Promise.all([start(), start()]);
  }, 90_000);

  afterAll(async () => {
    for (const node of nodes) node.kill("SIGKILL");
    await Promise.all(nodes.map(({ exited }) => exited));
    await office?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  async function start(): Promise<ClusterNode> {
    const node = launch("scripts/node.ts", "clubs", {
      PATH: process.env["PATH"] ?? "",
      ...env,
      DATA_DIR: path.join(folder, String(nodes.length)),
      HEALTH_PORT: "0",
      LOG_LEVEL: "warn",
      LOG_FORMAT: "json",
    });
    nodes.push(node);
    await ready(node);
    return node;
  }

  const view = (): Promise<System> => office.ok<System>("GET", "/admin/system", { token });
  const of = ({ nodes: all }: System, { pid }: ClusterNode): Node | undefined =>
    all.find(({ id }) => id.startsWith("clubs.") && id.endsWith(`~${pid}`));
  const idOf = async (node: ClusterNode): Promise<string> =>
    eventually(async () => of(await view(), node)?.id);
  const drain = (id: string) =>
    office.call<{ code?: string; state?: string }>("POST", `/admin/system/nodes/${id}/drain`, {
      token,
      body: {},
    });

  /**
   * Sends 50 requests a second until `during` is over, and as many calls that nobody tries again, as it is with writes;
   * tells what was not answered.
   */
  async function under50(during: () => Promise<void>): Promise<string[]> {
    const failures: string[] = [];
    const running: Promise<void>[] = [];
    const once = { retries: 0 };
    let over = false;
    const done = during().finally(() => (over = true));
    const failed = (error: Error) => void failures.push(error.message);
    while (!over) {
      running.push(
        office.public.call("GET", "/clubs").then(({ status, body }) => {
          if (status !== 200) failures.push(`${status} ${JSON.stringify(body)}`);
        }, failed),
        office.broker
          .call<unknown, object>("clubs.page", { after: null, limit: 1 }, once)
          .then(() => undefined, failed),
      );
      await sleep(20);
    }
    await done;
    await Promise.all(running);
    return failures;
  }

  test("has every node, with what it runs and leans on", async () => {
    const [one, two] = nodes as [ClusterNode, ClusterNode];
    await idOf(one);
    await idOf(two);
    const system = await eventually(async () => {
      const now = await view();
      return now.services.find(({ name }) => name === "clubs")?.nodes.length === 2 ? now : undefined;
    });
    for (const node of [one, two])
      expect(of(system, node)).toMatchObject({
        answers: "yes",
        status: { domains: ["clubs"], state: "running", ready: true },
      });
    const reached = system.databases.filter(({ name, reachable }) => name === "clubs" && reachable);
    expect(new Set(reached.map(({ node }) => node))).toEqual(
      new Set([of(system, one)?.id, of(system, two)?.id]),
    );
    expect(system.queues.find(({ domain }) => domain === "clubs")).toMatchObject({ available: true });
  });

  test("of two nodes drained at once one stays at least, no request fails, and the last one is not drained", async () => {
    const ids = await Promise.all(nodes.map(idOf));
    const all = new Map(ids.map((id, i) => [id, nodes[i] as ClusterNode]));
    let drained = "";
    const failures = await under50(async () => {
      await sleep(500);
      const both = await Promise.all(ids.map(drain));
      const gone = ids.filter((_, i) => both[i]?.status === 202);
      expect(gone.length).toBeLessThan(2);
      for (const each of both) if (each.status !== 202) expect(each.body.code).toBe("LAST_NODE");
      drained = gone[0] ?? (ids[0] as string);
      expect((await drain(drained)).status).toBe(202);
      await eventually(
        async () =>
          of(await view(), all.get(drained) as ClusterNode)?.status?.state === "drained" || undefined,
      );
      await sleep(1_000);
    });
    expect(failures).toEqual([]);
    const [stays] = ids.filter((id) => id !== drained) as [string];
    const system = await view();
    expect(system.services.find(({ name }) => name === "clubs")?.nodes).toEqual([stays]);
    const node = all.get(drained) as ClusterNode;
    expect(await isReady(node)).toBe(false);
    const refused = await drain(stays);
    expect([refused.status, refused.body.code]).toEqual([409, "LAST_NODE"]);
    node.kill("SIGTERM");
    expect(await node.exited).toBe(0);
    await eventually(async () => of(await view(), node)?.answers === "gone" || undefined);
  });

  test("shows a node that is frozen, and answers all the same", async () => {
    const frozen = await start();
    const id = await idOf(frozen);
    frozen.kill("SIGSTOP");
    const system = await view();
    expect(of(system, frozen)).toMatchObject({ id, status: null });
    expect(of(system, frozen)?.answers).not.toBe("yes");
    expect(system.nodes.filter(({ answers }) => answers === "yes")).toHaveLength(2);
    expect([404, 503]).toContain((await drain(id)).status);
    frozen.kill("SIGCONT");
    await eventually(async () => of(await view(), frozen)?.answers === "yes" || undefined);
  });
});
