/**
 * `npm run kubernetes`: makes k8s.yaml and what stands in deploy/k8s. `npm run kubernetes -- secrets DIR`: prints the
 * Secrets that k8s.yaml names, made of the files of DIR (`npm run secrets -- DIR`), for `kubectl apply -f -`.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "./facts.ts";
import { madeFiles } from "./kubernetes/files.ts";
import { secretManifests } from "./kubernetes/secrets.ts";

const USAGE = "Usage: npm run kubernetes, or npm run kubernetes -- secrets DIR";

const [command, folder, ...more] = process.argv.slice(2);

async function main(): Promise<void> {
  if (command === "secrets" && folder && more.length === 0) {
    process.stdout.write(secretManifests(folder));
    return;
  }
  if (command !== undefined) throw new Error(USAGE);
  for (const [file, text] of await madeFiles()) {
    mkdirSync(path.dirname(path.join(ROOT, file)), { recursive: true });
    writeFileSync(path.join(ROOT, file), text);
    process.stdout.write(`${file}\n`);
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
});
