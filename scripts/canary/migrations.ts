/** The Job of k8s.yaml that runs a release's migrations, with the image that is rolled out. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { parseAllDocuments } from "yaml";
import type { Kubectl } from "./cluster.ts";
import { CanaryError, partsOf } from "./deployment.ts";

const MANIFEST = path.join(import.meta.dirname, "..", "..", "k8s.yaml");
/** A backfill of a large table takes its time, in batches that hinder nobody. */
const LIMIT = "--timeout=50m";

interface Job {
  kind: string;
  metadata: { name: string; labels?: Record<string, string> };
  spec: { template: { spec: { containers: { name: string; image: string }[] } } };
}

/** The Job for this image, under a name of its version: one that has run is not run again by accident. */
export function migrationsOf(manifest: string, image: string): Job {
  const { version } = partsOf(image);
  const jobs = parseAllDocuments(manifest)
    .map((document) => document.toJS() as Job | null)
    .filter(
      (each) =>
        each?.kind === "Job" && each.metadata.labels?.["app.kubernetes.io/component"] === "migrations",
    );
  const [job] = jobs;
  if (!job || jobs.length > 1)
    throw new CanaryError(`k8s.yaml has ${jobs.length} Jobs of the component migrations, and not one.`);
  const name = `migrations-${version.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
  const { template } = job.spec;
  const containers = template.spec.containers.map((each) => ({ ...each, image }));
  return {
    ...job,
    metadata: { ...job.metadata, name },
    spec: { ...job.spec, template: { ...template, spec: { ...template.spec, containers } } },
  };
}

/** Runs the migrations and waits for their end; a second try waits for the first, or finds it done. */
export async function migrate(kubectl: Kubectl, image: string): Promise<void> {
  const job = migrationsOf(readFileSync(MANIFEST, "utf8"), image);
  // A Job's pods cannot be changed: one that is there, perhaps with another spelling of the image, stays as it is.
  const there = await kubectl(["get", "job", job.metadata.name, "--ignore-not-found", "-o", "name"]);
  if (!there.trim()) await kubectl(["apply", "-f", "-"], JSON.stringify(job));
  await kubectl(["wait", `job/${job.metadata.name}`, "--for=condition=complete", LIMIT]);
}
