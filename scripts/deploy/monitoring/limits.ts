/** The memory that rules count with is what the manifests give. */
import { parseAllDocuments } from "yaml";
import { rulesOf } from "./files.ts";

const UNITS: Record<string, number> = { M: 2 ** 20, G: 2 ** 30, Mi: 2 ** 20, Gi: 2 ** 30 };

/** Bytes of `512M` (Compose counts by 1024) or `1Gi`. */
export function bytesOf(amount: string): number {
  const [, number = "", unit = ""] = /^(\d+)([MG]i?)$/.exec(amount) ?? [];
  return Number(number) * (UNITS[unit] ?? Number.NaN);
}

/** What the file of rules says that a node may use. */
function limitIn(rules: string): number {
  const expr = rulesOf(rules).find(({ record }) => record === "club_alliance:memory_limit:bytes")?.expr ?? "";
  return Number(/^vector\((\d+)\)$/.exec(expr)?.[1]);
}

/**
 * Nodes of a manifest that are given another amount of memory than the rules say.
 * @param rules of limits/
 * @param amounts finds the nodes of a document and what each is given
 */
export function limitFaults(name: string, manifest: string, rules: string, amounts: Amounts): string[] {
  const limit = limitIn(rules);
  const documents = parseAllDocuments(manifest, { merge: true }).map(
    (each) => each.toJS({ maxAliasCount: -1 }) as unknown,
  );
  const found = documents.flatMap(amounts);
  if (found.length === 0) return [`${name}: no node with a limit of memory was found.`];
  return found
    .filter(({ memory }) => bytesOf(memory) !== limit)
    .map(
      ({ node, memory }) =>
        `${name} gives ${node} ${memory} of memory; its rules in limits/ say ${limit} bytes.`,
    );
}

export type Amounts = (document: unknown) => { node: string; memory: string }[];

interface Compose {
  services?: Record<
    string,
    { command?: string[]; deploy?: { replicas?: number; resources?: { limits?: { memory?: string } } } }
  >;
}

/** Of docker-compose.yml: services whose command is a domain. */
export function composeAmounts(domains: readonly string[]): Amounts {
  return (document) =>
    Object.entries((document as Compose | null)?.services ?? {}).flatMap(([node, { deploy }]) =>
      domains.includes(node) ? [{ node, memory: deploy?.resources?.limits?.memory ?? "nothing" }] : [],
    );
}

interface Deployment {
  kind?: string;
  metadata?: { name?: string };
  spec?: {
    template?: {
      spec?: { containers?: { args?: string[]; resources?: { limits?: { memory?: string } } }[] };
    };
  };
}

/** Of k8s.yaml: Deployments of domains. */
export function kubernetesAmounts(domains: readonly string[]): Amounts {
  return (document) => {
    const { kind, metadata, spec } = (document ?? {}) as Deployment;
    const [container] = spec?.template?.spec?.containers ?? [];
    if (kind !== "Deployment" || !domains.includes(container?.args?.[0] ?? "")) return [];
    return [{ node: metadata?.name ?? "", memory: container?.resources?.limits?.memory ?? "nothing" }];
  };
}
