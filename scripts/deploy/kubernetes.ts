/**
 * `npm run kubernetes`: makes k8s.yaml and what stands in deploy/k8s. `npm run -s kubernetes -- secrets DIR`: prints the
 * Secrets that the manifests name, made of the files of DIR (`npm run secrets -- DIR --for kubernetes`), for
 * `kubectl apply -f -`; `configs` the ConfigMaps of monitoring/. With `npm run -s`, or npm's own lines come first.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { stringify } from "yaml";
import { ROOT } from "./facts.ts";
import { configManifests } from "./kubernetes/configs.ts";
import { madeFiles } from "./kubernetes/files.ts";
import { secretManifests } from "./kubernetes/secrets.ts";

const USAGE = "Usage: npm run -s kubernetes [-- secrets DIR | configs]";

const [command, folder, ...more] = process.argv.slice(2);

async function main(): Promise<void> {
  if (command === "secrets" && folder && more.length === 0) {
    process.stdout.write(secretManifests(folder));
    return;
  }
  if (command === "configs" && folder === undefined) {
    process.stdout.write(
      configManifests()
        .map((each) => stringify(each, { lineWidth: 0 }))
        .join("---\n"),
    );
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
