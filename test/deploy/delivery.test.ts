/** The check of workflows and canaries says what is wrong: each sentence is provoked. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parse } from "yaml";
import check, { lint, validate } from "../../scripts/deploy/checks/delivery.ts";
import { canariesOf, workflowProblems } from "../../scripts/deploy/delivery.ts";
import { DOMAINS, ROOT } from "../../scripts/deploy/facts.ts";
import { describeWith } from "../support/servers/index.ts";

const read = (file: string): string => readFileSync(path.join(ROOT, file), "utf8");
const release = read(".github/workflows/release.yml");
const repository = {
  root: ROOT,
  npmScripts: ["canary"],
  dockerfile: "FROM a AS node\nFROM b AS tools\n",
  guide: "`KUBECONFIG` and `ROLLOUT_RUNNER`",
  domains: DOMAINS,
};

/** The problems of the workflow after a change, whose place must be there. */
function after(from: string, to: string): string[] {
  expect(release).toContain(from);
  return workflowProblems("release.yml", release.replaceAll(from, to), repository);
}

describe("a workflow", () => {
  test("as it is has nothing wrong", () => {
    expect(workflowProblems("release.yml", release, repository)).toEqual([]);
  });

  test.each([
    [
      "npm run canary -- promote",
      "npm run canaries -- promote",
      'runs "npm run canaries", which package.json',
    ],
    ["- run: npm ci\n", "- run: scripts/none.sh\n", "runs scripts/none.sh, which is not there"],
    [
      "./.github/workflows/ci.yml",
      "./.github/workflows/none.yml",
      "uses ./.github/workflows/none.yml, which is not",
    ],
    ["target: tools,", "target: debug,", 'builds the target "debug", which the Dockerfile does not have'],
    ["secrets.KUBECONFIG", "secrets.CLUSTER", "needs CLUSTER, which docs/delivery.md does not explain"],
    ["name: club-alliance-tools", "name: tools", "pushes no club-alliance-tools, which k8s.yaml needs"],
    ["name: club-alliance-tools", "name: tools", "pushes tools, which k8s.yaml does not know"],
    ["tags: ${{ env.IMAGE }}:", "tags: ${{ env.IMAGE }}-x:", "pushes no club-alliance, which k8s.yaml needs"],
    ["permissions: {}\n", "", "has no permissions at its top"],
    ["concurrency:\n", "env2:\n", "has no concurrency group"],
    ["domain: posts", "domain: poems", 'names "poems", which is no domain or there twice'],
    ["domain: posts", "domain: poems", "leaves out the domain posts"],
  ])("with %j changed is told of", (from, to, sentence) => {
    expect(after(from, to).join("\n")).toContain(`release.yml: `);
    expect(after(from, to).join("\n")).toContain(sentence);
  });

  test("that uses an action by its tag is told of", () => {
    const loose = release.replace(/actions\/checkout@[0-9a-f]{40}/, "actions/checkout@v7");
    expect(workflowProblems("release.yml", loose, repository)).toEqual([
      "release.yml: uses actions/checkout@v7, which is not pinned to a commit",
    ]);
  });
});

describe("the step that judges", () => {
  const { jobs } = parse(release) as {
    jobs: Record<string, { steps: { name?: string; if?: string; run?: string }[] }>;
  };
  const script = jobs["rollout"]?.steps.find(({ name }) => name === "Judged beside the others")?.run ?? "";

  /** Runs it as GitHub does, with programs that do what is said here. */
  function run(programs: { npm: string; curl?: string; kubectl?: string }, quiet: boolean) {
    const folder = mkdtempSync(path.join(tmpdir(), "club-alliance-judged-"));
    const all = { curl: "exit 0", kubectl: "exec /bin/sleep 60", sleep: "exit 0", ...programs };
    for (const [name, text] of Object.entries(all)) {
      writeFileSync(path.join(folder, name), `#!/bin/sh\n${text}\n`);
      chmodSync(path.join(folder, name), 0o700);
    }
    const env = { PATH: `${folder}:${process.env["PATH"]}`, DOMAIN: "admin", QUIET: String(quiet) };
    const { status, stderr } = spawnSync("bash", ["-e", "-c", script], { env, encoding: "utf8" });
    rmSync(folder, { recursive: true });
    return { status, stderr };
  }

  test.each([
    [0, true, 0],
    [1, true, 1],
    [2, true, 0],
    [2, false, 2],
    [3, true, 3],
    [3, false, 3],
  ])("that says %d of a domain (quiet: %s) ends with %d", (code, quiet, status) => {
    expect(run({ npm: `exit ${code}` }, quiet).status).toBe(status);
  });

  test("does not fail for a port-forward that has ended", () => {
    // It has ended, and is forgotten, before the step does.
    expect(run({ npm: "/bin/sleep 0.3; exit 0", kubectl: "exit 1" }, false).status).toBe(0);
  });

  test("says that Prometheus does not answer", () => {
    const { status, stderr } = run({ npm: "exit 0", curl: "exit 7" }, true);
    expect(stderr).toContain("Prometheus does not answer");
    expect(status).toBe(3);
  });
});

describe("canaries", () => {
  const manifest = read("k8s.yaml");

  test("are made of every domain's Deployment", () => {
    const { canaries, problems } = canariesOf(manifest, DOMAINS);
    expect(problems).toEqual([]);
    expect(canaries.map(({ metadata }) => metadata.name)).toEqual(
      DOMAINS.map((domain) => `${domain}-canary`),
    );
  });

  test("what hinders them is told", () => {
    expect(canariesOf(manifest.replaceAll("track: stable", "tier: stable"), DOMAINS).problems).toContain(
      "The Deployment users does not select by track: stable, so it would take the canary's pod for its own.",
    );
    expect(canariesOf("", ["users"]).problems).toEqual([
      "k8s.yaml has no Deployment users",
      "k8s.yaml has 0 Jobs of the component migrations, and not one.",
    ]);
  });
});

describeWith(["manifests"], "the check of delivery", () => {
  test("passes what is there", async () => {
    expect(await check.run()).toEqual([]);
  }, 120_000);

  test("hears what actionlint says", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "club-alliance-workflow-"));
    const file = path.join(folder, "release.yml");
    writeFileSync(file, release.replace("needs: image", "needs: picture"));
    expect((await lint([file])).join("\n")).toContain("picture");
    writeFileSync(file, release.replace('exit "$code"', "exit $cod"));
    expect((await lint([file])).join("\n")).toContain("shellcheck");
    rmSync(folder, { recursive: true });
  }, 60_000);

  test("hears what Kubernetes would refuse", async () => {
    const broken = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "a" },
      spec: { replicas: "one" },
    };
    expect((await validate([broken])).length).toBeGreaterThan(0);
  }, 60_000);
});
