/** The Deployment that a canary is, and what is done with it in a cluster that is simulated. */
import { abort, promote, start } from "../../scripts/canary/cluster.ts";
import type { Kubectl } from "../../scripts/canary/cluster.ts";
import { canaryOf, partsOf, promotionOf } from "../../scripts/canary/deployment.ts";
import type { Deployment } from "../../scripts/canary/deployment.ts";
import { migrate } from "../../scripts/canary/migrations.ts";

const selects = { "app.kubernetes.io/component": "users", track: "stable" };
const stable = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: {
    name: "users",
    namespace: "club-alliance",
    uid: "1",
    resourceVersion: "7",
    annotations: { "deployment.kubernetes.io/revision": "3" },
    labels: { ...selects, "app.kubernetes.io/version": "1.0.0" },
  },
  spec: {
    replicas: 3,
    selector: { matchLabels: selects },
    strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    template: {
      metadata: { labels: { ...selects, "app.kubernetes.io/version": "1.0.0" } },
      spec: {
        topologySpreadConstraints: [{ labelSelector: { matchLabels: selects } }],
        initContainers: [{ name: "wait", image: "busybox:1.37" }],
        containers: [
          { name: "node", image: "registry.example/club-alliance:1.0.0", args: ["users"] },
          { name: "logs", image: "elastic/filebeat:8.19.0" },
        ],
      },
    },
  },
  status: { readyReplicas: 3 },
};
const IMAGE = "registry.example/club-alliance:1.1.0";

describe("the canary's Deployment", () => {
  const canary = canaryOf(stable, IMAGE);

  test("is one replica under a name and a track of its own", () => {
    const own = { ...selects, track: "canary" };
    expect(canary).toEqual({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: {
        name: "users-canary",
        namespace: "club-alliance",
        labels: { ...own, "app.kubernetes.io/version": "1.1.0" },
      },
      spec: {
        ...stable.spec,
        replicas: 1,
        selector: { matchLabels: own },
        template: {
          metadata: { labels: { ...own, "app.kubernetes.io/version": "1.1.0" } },
          spec: {
            ...stable.spec.template.spec,
            topologySpreadConstraints: [{ labelSelector: { matchLabels: own } }],
            containers: [
              { name: "node", image: IMAGE, args: ["users"] },
              { name: "logs", image: "elastic/filebeat:8.19.0" },
            ],
          },
        },
      },
    });
    expect(stable.spec.template.spec.containers[0]?.image).toBe("registry.example/club-alliance:1.0.0");
  });

  test("is refused where the stable Deployment would take its pod", () => {
    const wide = structuredClone<Deployment>(stable);
    delete wide.spec.selector.matchLabels["track"];
    expect(() => canaryOf(wide, IMAGE)).toThrow(/does not select by track: stable/);
  });

  test.each(["nginx:1.29", "registry.example/club-alliance", "club-alliance@sha256:00", "a b:1"])(
    "is refused for %s",
    (image) =>
      expect(() => canaryOf(stable, image)).toThrow(/no image with a version|is not a version of it/),
  );

  test("an image may be named by its digest too", () => {
    expect(partsOf(`host:5000/a/b:1.2@sha256:${"0".repeat(64)}`)).toEqual({
      repository: "host:5000/a/b",
      version: "1.2",
    });
  });

  test("a promotion changes image and version and nothing else", () => {
    expect(promotionOf(stable, IMAGE)).toEqual({
      metadata: { labels: { "app.kubernetes.io/version": "1.1.0" } },
      spec: {
        template: {
          metadata: { labels: { "app.kubernetes.io/version": "1.1.0" } },
          spec: {
            initContainers: [{ name: "wait", image: "busybox:1.37" }],
            containers: [
              { name: "node", image: IMAGE },
              { name: "logs", image: "elastic/filebeat:8.19.0" },
            ],
          },
        },
      },
    });
  });
});

const OLD = "registry.example/club-alliance:1.0.0";
const CANARY = "users-canary";

/** Keeps Deployments as they are told by kubectl, and what it is told. */
class Cluster {
  readonly calls: string[] = [];
  readonly deployments = new Map<string, Deployment>([["users", structuredClone<Deployment>(stable)]]);
  jobs = "";
  /** Calls that fail, by their first words, and how often they do. */
  readonly failing = new Map<string, number>();

  image(name: string): string | undefined {
    return this.deployments.get(name)?.spec.template.spec.containers[0]?.image;
  }

  readonly kubectl: Kubectl = async (args, input) => {
    const call = args.slice(0, 3).join(" ");
    this.calls.push(call);
    const [verb = "", kind = "", name = ""] = args;
    if (verb === "apply") this.#apply(input);
    if (verb === "patch") this.#patch(name, args.at(-1) ?? "");
    const left = this.failing.get(call) ?? 0;
    this.failing.set(call, left - 1);
    // It fails late: what was asked for has happened, and nobody hears of it.
    if (left > 0) throw new Error("the connection was lost");
    if (verb === "delete") this.deployments.delete(name);
    if (verb !== "get") return "";
    if (kind === "job") return this.jobs;
    const found = this.deployments.get(name);
    if (!found && !args.includes("--ignore-not-found")) throw new Error(`${name} not found`);
    return found ? JSON.stringify(found) : "";
  };

  #apply(input = ""): void {
    const object = JSON.parse(input) as Deployment;
    if (object.kind === "Deployment") this.deployments.set(object.metadata.name, object);
    else this.jobs = `job.batch/${object.metadata.name}`;
  }

  /** Metadata, and containers by their names. */
  #patch(name: string, text: string): void {
    const found = this.deployments.get(name);
    if (!found) throw new Error(`${name} not found`);
    const { metadata, spec } = JSON.parse(text) as Partial<Deployment>;
    found.metadata.annotations = { ...found.metadata.annotations, ...metadata?.annotations };
    for (const { name: container, image } of spec?.template.spec.containers ?? [])
      for (const each of found.spec.template.spec.containers) if (each.name === container) each.image = image;
  }
}

/** With the canary beside the stable nodes, and nothing noted yet. */
async function started(): Promise<Cluster> {
  const cluster = new Cluster();
  await start(cluster.kubectl, "users", IMAGE, 0);
  cluster.calls.length = 0;
  return cluster;
}

/** A promotion whose process ended while the nodes were rolled. */
async function interrupted(): Promise<Cluster> {
  const cluster = await started();
  const killed: Kubectl = (args, input) =>
    args[0] === "rollout" ? new Promise(() => undefined) : cluster.kubectl(args, input);
  void promote(killed, "users", 0);
  while (cluster.image("users") !== IMAGE) await new Promise(setImmediate);
  return cluster;
}

describe("what is done in the cluster", () => {
  test("a canary starts beside the stable nodes", async () => {
    const cluster = new Cluster();
    await start(cluster.kubectl, "users", IMAGE);
    expect(cluster.calls).toEqual([
      "get deployment users-canary",
      "get deployment users",
      "apply -f -",
      "rollout status deployment/users-canary",
    ]);
    expect([cluster.image(CANARY), cluster.image("users")]).toEqual([IMAGE, OLD]);
  });

  test("one that does not become ready is taken away", async () => {
    const cluster = new Cluster();
    cluster.failing.set("rollout status deployment/users-canary", 1);
    await expect(start(cluster.kubectl, "users", IMAGE, 0)).rejects.toThrow(/was taken away/);
    expect([...cluster.deployments.keys()]).toEqual(["users"]);
  });

  test("it is promoted, and then gone with what it knew", async () => {
    const cluster = await started();
    expect(await promote(cluster.kubectl, "users", 0)).toBe(IMAGE);
    expect(cluster.calls).toEqual([
      "get deployment users-canary",
      "get deployment users",
      "patch deployment users-canary",
      "patch deployment users",
      "rollout status deployment/users",
      "delete deployment users-canary",
    ]);
    expect([cluster.image(CANARY), cluster.image("users")]).toEqual([undefined, IMAGE]);
    expect(JSON.stringify([...cluster.deployments.values()])).not.toContain("before-promotion");
    // Nothing is left that a later canary's end could take back.
    expect(await abort(cluster.kubectl, "users", 0)).toBeUndefined();
    expect(cluster.image("users")).toBe(IMAGE);
  });

  test.each(["rollout status deployment/users", "patch deployment users"])(
    "a promotion whose %j fails goes back by itself",
    async (call) => {
      const cluster = await started();
      cluster.failing.set(call, 1);
      await expect(promote(cluster.kubectl, "users", 0)).rejects.toThrow(/is back at .*:1\.0\.0: .*lost/);
      expect([cluster.image(CANARY), cluster.image("users")]).toEqual([undefined, OLD]);
    },
  );

  test("goes back though the API is away for a while", async () => {
    const cluster = await started();
    cluster.failing.set("rollout status deployment/users", 4);
    await expect(promote(cluster.kubectl, "users", 0)).rejects.toThrow(/is back at/);
    expect(cluster.image("users")).toBe(OLD);
    expect(cluster.calls.filter((call) => call === "rollout status deployment/users")).toHaveLength(5);
  });

  test("says so where the API stays away, and can be aborted later", async () => {
    const cluster = await started();
    cluster.failing.set("rollout status deployment/users", Infinity);
    await expect(promote(cluster.kubectl, "users", 0)).rejects.toThrow(/is not known to be back/);
    expect(cluster.image(CANARY)).toBe(IMAGE);
    cluster.failing.clear();
    expect(await abort(cluster.kubectl, "users", 0)).toBe(OLD);
    expect([cluster.image(CANARY), cluster.image("users")]).toEqual([undefined, OLD]);
  });

  test("interrupted and repeated, it goes back to what was there before the first time", async () => {
    const cluster = await interrupted();
    cluster.failing.set("rollout status deployment/users", 1);
    await expect(promote(cluster.kubectl, "users", 0)).rejects.toThrow(/is back at .*:1\.0\.0/);
    expect(cluster.image("users")).toBe(OLD);
  });

  test("interrupted and repeated, it ends", async () => {
    const cluster = await interrupted();
    expect(await promote(cluster.kubectl, "users", 0)).toBe(IMAGE);
    expect([cluster.image(CANARY), cluster.image("users")]).toEqual([undefined, IMAGE]);
  });

  test("interrupted and aborted, the stable nodes get back what they had", async () => {
    const cluster = await interrupted();
    expect(await abort(cluster.kubectl, "users", 0)).toBe(OLD);
    expect([cluster.image(CANARY), cluster.image("users")]).toEqual([undefined, OLD]);
    expect(cluster.calls.at(-2)).toBe("rollout status deployment/users");
  });

  test("interrupted, no other canary starts over it", async () => {
    const cluster = await interrupted();
    await expect(start(cluster.kubectl, "users", IMAGE.replace("1.1.0", "1.2.0"), 0)).rejects.toThrow(
      /from .*:1\.0\.0 to .*:1\.1\.0 did not end/,
    );
    expect(cluster.image(CANARY)).toBe(IMAGE);
  });

  test("what the nodes had already is not said to be undone", async () => {
    const cluster = await started();
    await cluster.kubectl(["patch", "deployment", "users", JSON.stringify(promotionOf(stable, IMAGE))]);
    cluster.failing.set("rollout status deployment/users", 1);
    await expect(promote(cluster.kubectl, "users", 0)).rejects.toThrow(/nothing to go back to/);
    expect(cluster.image(CANARY)).toBeUndefined();
  });

  test("taking away what is not there is nothing", async () => {
    const cluster = new Cluster();
    expect(await abort(cluster.kubectl, "users", 0)).toBeUndefined();
    expect(cluster.image("users")).toBe(OLD);
  });

  test("the Job of migrations is made once, and only waited for where it is there", async () => {
    const cluster = new Cluster();
    const job = [
      "get job migrations-1-1-0",
      "apply -f -",
      "wait job/migrations-1-1-0 --for=condition=complete",
    ];
    await migrate(cluster.kubectl, IMAGE);
    expect(cluster.calls).toEqual(job);
    cluster.calls.length = 0;
    await migrate(cluster.kubectl, `${IMAGE}@sha256:${"0".repeat(64)}`);
    expect(cluster.calls).toEqual([job[0], job[2]]);
  });
});
