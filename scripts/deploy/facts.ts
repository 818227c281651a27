/** What manifests are held against: the variables that a node reads, its domains, the ports it listens on. */
import { spawn } from "node:child_process";
import path from "node:path";
import { readSettings } from "../../lib/settings.ts";
import { find } from "../../test/support/servers/found.ts";

export { DOMAINS } from "../../moleculer.config.ts";

export const ROOT = path.join(import.meta.dirname, "..", "..");

/** Read by Node.js itself. */
const OF_NODE = ["NODE_OPTIONS", "NODE_EXTRA_CA_CERTS", "NODE_ENV", "TZ"];

/** Every variable that a node reads, as the settings themselves ask for them; a secret's also with _FILE. */
export function knownVariables(): ReadonlySet<string> {
  const asked = new Set(OF_NODE);
  const env = new Proxy<Record<string, undefined>>(
    {},
    {
      get(_, name) {
        if (typeof name === "string") asked.add(name);
        return undefined;
      },
    },
  );
  readSettings(env);
  return asked;
}

/** Ports that a node of these domains listens on where nothing else is set, by the variable that sets them. */
export function portsOf(domains: readonly string[]): Record<string, number> {
  const { port, adminPort, healthPort } = readSettings({});
  return {
    HEALTH_PORT: healthPort,
    ...(domains.includes("gateway") && { PORT: port }),
    ...(domains.includes("admin-gateway") && { ADMIN_PORT: adminPort }),
  };
}

/** A check of `npm run verify:deploy`: the default export of a file in checks/. */
export interface Check {
  /** What is checked, for the line that tells of it. */
  title: string;
  /** Sentences that say what is wrong and where; none when all is well. */
  run(): Promise<string[]>;
}

const LIMIT = 120_000;

/** Runs a program found by test/support/servers/found.ts; what it says on both outputs, and its code. */
export async function runProgram(
  program: string,
  args: readonly string[],
  { cwd = ROOT, env = process.env }: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<{ code: number; output: string }> {
  const file = find(program);
  if (!file) throw new Error(`${program} is not installed: run scripts/install-servers.sh`);
  const child = spawn(file, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], timeout: LIMIT });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += String(chunk)));
  const code = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => resolve(status ?? 1));
  });
  return { code, output };
}
