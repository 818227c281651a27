/** k8s.yaml and what stands in deploy/k8s: by Kubernetes' own schemas, and against what the code needs. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { ROOT, runProgram } from "../facts.ts";
import type { Check } from "../facts.ts";
import { addressProblems, networkProblems } from "../kubernetes/check-network.ts";
import { objectProblems } from "../kubernetes/check-objects.ts";
import { madeSecrets, podProblems } from "../kubernetes/check-pods.ts";
import { configManifests } from "../kubernetes/configs.ts";
import { madeFiles } from "../kubernetes/files.ts";
import { readManifests } from "../kubernetes/reading.ts";

/** The oldest that still gets mends, one between, and the newest. */
const VERSIONS = ["1.34.0", "1.36.0", "1.37.0"];
/** Kinds of others, whose schemas kubernetes-validate does not have. */
const FOREIGN = ["Middleware"];
const BY_HAND = ["deploy/k8s/sentry.yaml"];

/** What prometheus-adapter is told: counter by the name under which its rate is told. */
export function adapterOf(text: string): Map<string, string> {
  const { rules } = parse(text) as {
    rules: { external: { seriesQuery: string; name: { as: string } }[] };
  };
  return new Map(
    rules.external.map(({ seriesQuery, name }) => [name.as, String(/^\w+/.exec(seriesQuery)?.[0])]),
  );
}

/** Texts of the files → what is wrong with what they say, whoever wrote them. */
export function manifestProblems(k8s: string, data: string, monitoring: string, adapter: string): string[] {
  const docs = readManifests(k8s);
  const secrets = madeSecrets();
  return [
    ...podProblems(docs, secrets),
    ...objectProblems(docs, adapterOf(adapter)),
    ...networkProblems(docs),
    ...addressProblems(readManifests(data), secrets),
    ...podProblems([...readManifests(monitoring), ...configManifests()], secrets),
  ];
}

/** Whether files are as Kubernetes' schemas want them, in each version. */
export async function schemaProblems(files: readonly string[]): Promise<string[]> {
  const versions = VERSIONS.flatMap((version) => ["-k", version]);
  const { code, output } = await runProgram("kubernetes-validate", ["--strict", ...versions, ...files]);
  const lines = output.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("INFO"));
  const problems = lines.filter((line) => !FOREIGN.some((kind) => line.includes(`schema for kind ${kind} `)));
  return code === 0 || problems.length > 0 ? problems : [`kubernetes-validate ended with ${code}: ${output}`];
}

const check: Check = {
  title: "Kubernetes' manifests are valid, and fit the settings, ports, secrets and stores of every domain",
  async run() {
    const made = await madeFiles();
    const there = (file: string): string => {
      const full = path.join(ROOT, file);
      return existsSync(full) ? readFileSync(full, "utf8") : "";
    };
    const [k8s = "", data = "", monitoring = "", adapter = ""] = [...made.keys()].map(there);
    const manifests = [...made.keys(), ...BY_HAND].filter((file) => !file.endsWith(".values.yaml"));
    return [
      ...[...made]
        .filter(([file, text]) => there(file) !== text)
        .map(([file]) => `${file} is not what npm run kubernetes makes`),
      ...manifestProblems(k8s, data, monitoring, adapter),
      ...(await schemaProblems(manifests.map((file) => path.join(ROOT, file)))),
    ];
  },
};
export default check;
