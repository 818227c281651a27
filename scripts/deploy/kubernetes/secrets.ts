/** The Secrets that k8s.yaml names, from a folder of files; each domain's holds nothing of another's. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { stringify } from "yaml";
import { DOMAINS } from "../facts.ts";
import { MONITORING_SECRETS } from "./monitoring.ts";
import { AUTHORITY, JOBS, MONITORING_NAMESPACE, NAMESPACE, RECIPIENTS, secretsOf } from "./needs.ts";
import { APP } from "./parts.ts";

/** Secret → names of the files in it. */
export function secretFiles(): Map<string, string[]> {
  const files = (secrets: Record<string, string>): string[] => [...Object.values(secrets), AUTHORITY];
  return new Map([
    ...DOMAINS.map((domain) => [domain, files(secretsOf(domain))] as const),
    ...Object.entries(JOBS).map(([job, secrets]) => [job, files(secrets)] as const),
    ["backup", [...files(JOBS.backup), RECIPIENTS]] as const,
  ]);
}

/** As YAML for kubectl; throws an Error whose sentence names the files that are missing, or still empty. */
export function secretManifests(folder: string): string {
  if (!existsSync(folder))
    throw new Error(`There is no folder ${folder}: npm run secrets -- ${folder} --for kubernetes makes it.`);
  const wanted = [
    ...[...secretFiles()].map(([name, files]) => ({ name, files, namespace: NAMESPACE })),
    ...[...MONITORING_SECRETS].map(([name, files]) => ({ name, files, namespace: MONITORING_NAMESPACE })),
  ];
  const there = new Set(readdirSync(folder));
  const contentOf = (file: string): Buffer => readFileSync(path.join(folder, file));
  const all = [...new Set(wanted.flatMap(({ files }) => files))];
  const missing = all.filter((file) => !there.has(file));
  if (missing.length > 0)
    throw new Error(
      `${folder} has no ${missing.join(", ")}: npm run secrets -- ${folder} --for kubernetes makes what is missing.`,
    );
  const empty = all.filter((file) => contentOf(file).toString().trim() === "");
  if (empty.length > 0) throw new Error(`Nothing is in ${empty.join(", ")} of ${folder} yet: fill them in.`);
  return wanted
    .map(({ name, namespace, files }) =>
      stringify({
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name, namespace, labels: { "app.kubernetes.io/part-of": APP } },
        data: Object.fromEntries(files.map((file) => [file, contentOf(file).toString("base64")])),
      }),
    )
    .join("---\n");
}
