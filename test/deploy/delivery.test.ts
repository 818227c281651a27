/** The check of workflows and canaries says what is wrong: each sentence is provoked. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
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
