/** Workflows name what there is, are well formed and bound to commits; every domain can have a canary. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { need } from "../../../test/support/servers/found.ts";
import { canariesOf, workflowProblems } from "../delivery.ts";
import type { Repository } from "../delivery.ts";
import { DOMAINS, ROOT, runProgram } from "../facts.ts";
import type { Check } from "../facts.ts";

const WORKFLOWS = path.join(ROOT, ".github", "workflows");

const read = (file: string): string => readFileSync(path.join(ROOT, file), "utf8");

const check: Check = {
  title: "workflows and canaries",
  async run() {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    const repository: Repository = {
      root: ROOT,
      npmScripts: Object.keys(scripts),
      dockerfile: read("Dockerfile"),
      guide: read("docs/delivery.md"),
      domains: DOMAINS,
    };
    const files = readdirSync(WORKFLOWS).map((file) => path.join(WORKFLOWS, file));
    const problems = files.flatMap((file) =>
      workflowProblems(path.basename(file), readFileSync(file, "utf8"), repository),
    );
    const { canaries, problems: hindrances } = canariesOf(read("k8s.yaml"), DOMAINS);
    return [...problems, ...(await lint(files)), ...hindrances, ...(await validate(canaries))];
  },
};

export default check;

/** What actionlint says, and in the scripts of steps shellcheck. */
export async function lint(files: readonly string[]): Promise<string[]> {
  const { code, output } = await runProgram("actionlint", [
    "-oneline",
    "-shellcheck",
    need("shellcheck"),
    ...files,
  ]);
  return code === 0 ? [] : output.trim().split("\n");
}

/** What Kubernetes would refuse. */
export async function validate(objects: readonly object[]): Promise<string[]> {
  const folder = mkdtempSync(path.join(tmpdir(), "club-alliance-canaries-"));
  try {
    const file = path.join(folder, "canaries.yaml");
    writeFileSync(file, objects.map((each) => JSON.stringify(each)).join("\n---\n"));
    const { code, output } = await runProgram("kubernetes-validate", ["--strict", file]);
    return code === 0 ? [] : output.trim().split("\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
