/** The Secrets that k8s.yaml names, from a folder of files; each domain's holds nothing of another's. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { stringify } from "yaml";
import { DOMAINS } from "../facts.ts";
import { AUTHORITY, NAMESPACE, secretsOf, secretsOfBackup, secretsOfMigrations } from "./needs.ts";
import { labelsOf } from "./parts.ts";

/** Secret → names of the files in it. */
export function secretFiles(): Map<string, string[]> {
  const files = (secrets: Record<string, string>): string[] => [...Object.values(secrets), AUTHORITY];
  return new Map([
    ...DOMAINS.map((domain) => [domain, files(secretsOf(domain))] as const),
    ["migrations", files(secretsOfMigrations())] as const,
    ["backup", files(secretsOfBackup())] as const,
  ]);
}

/** As YAML for kubectl; throws an Error whose sentence names the files that are missing. */
export function secretManifests(folder: string): string {
  if (!existsSync(folder))
    throw new Error(`There is no folder ${folder}: npm run secrets -- ${folder} makes it.`);
  const there = new Set(readdirSync(folder));
  const missing = [...new Set([...secretFiles().values()].flat())].filter((file) => !there.has(file));
  if (missing.length > 0)
    throw new Error(
      `${folder} has no ${missing.join(", ")}: npm run secrets -- ${folder} makes what can be made, the rest is written by hand.`,
    );
  return [...secretFiles()]
    .map(([name, files]) =>
      stringify({
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name, namespace: NAMESPACE, labels: labelsOf(name) },
        data: Object.fromEntries(
          files.map((file) => [file, readFileSync(path.join(folder, file)).toString("base64")]),
        ),
      }),
    )
    .join("---\n");
}
