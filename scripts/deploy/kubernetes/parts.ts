/** Parts that all manifests share. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "../facts.ts";
import { NAMESPACE } from "./needs.ts";

/** An object of Kubernetes. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  [part: string]: unknown;
}

/** Manifests under a heading that says why they are there. */
export interface Section {
  title: string;
  manifests: Manifest[];
}

export const APP = "club-alliance";
export const COMPONENT = "app.kubernetes.io/component";
export const { version: VERSION } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as {
  version: string;
};

export const IMAGE = `club-alliance:${VERSION}`;
/** The same with the programs that backups need. */
export const TOOLS_IMAGE = `club-alliance-tools:${VERSION}`;

/** Labels of what belongs to a domain or a job, without those that change from version to version. */
export function labelsOf(component: string): Record<string, string> {
  return { "app.kubernetes.io/name": APP, [COMPONENT]: component };
}

export function metadataOf(
  name: string,
  component: string,
  annotations?: Record<string, string>,
): Manifest["metadata"] {
  return { name, namespace: NAMESPACE, labels: labelsOf(component), ...(annotations && { annotations }) };
}
