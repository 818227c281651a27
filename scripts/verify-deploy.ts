/**
 * `npm run verify:deploy`: holds everything that deploys the federation against what it really is: manifests, image,
 * monitoring, workflows. Ends with 1 and a sentence for each thing that is wrong. One check alone: its file's name.
 */
import { readdirSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Check } from "./deploy/facts.ts";

const FOLDER = path.join(import.meta.dirname, "deploy", "checks");
const names = readdirSync(FOLDER)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -".ts".length));
const wanted = process.argv.slice(2);

const unknown = wanted.find((name) => !names.includes(name));
if (unknown) {
  process.stderr.write(`There is no check "${unknown}": the checks are ${names.join(", ")}.\n`);
  process.exit(1);
}
for (const name of wanted.length > 0 ? wanted : names) {
  const { default: check } = (await import(pathToFileURL(path.join(FOLDER, `${name}.ts`)).href)) as {
    default: Check;
  };
  const problems = await check.run().catch((error: unknown) => [String((error as Error).stack)]);
  process.stdout.write(`${problems.length === 0 ? "right" : "WRONG"}  ${name}: ${check.title}\n`);
  for (const problem of problems) process.stdout.write(`       ${problem}\n`);
  if (problems.length > 0) process.exitCode = 1;
}
