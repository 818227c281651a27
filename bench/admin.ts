/** What administrators' work takes: imports, the audit log, statistics (bench/admin/). */
import { readdirSync } from "node:fs";
import { cpus } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Bench } from "./run.ts";

const FOLDER = path.join(import.meta.dirname, "admin");
const PARTS = ["imports", "audit", "statistics"] as const;

async function run(args: string[]): Promise<void> {
  const wanted = args.length > 0 ? args : PARTS;
  const there = readdirSync(FOLDER).map((file) => path.basename(file, ".ts"));
  const unknown = wanted.find(
    (part) => !(PARTS as readonly string[]).includes(part) || !there.includes(part),
  );
  if (unknown !== undefined)
    throw new Error(`There is no part "${unknown}": the parts are ${PARTS.join(", ")}.`);
  console.log(`Node ${process.version}, ${cpus()[0]?.model ?? "unknown CPU"}.`);
  for (const part of wanted) {
    console.log(`\n## ${part}\n`);
    const { measure } = (await import(pathToFileURL(path.join(FOLDER, `${part}.ts`)).href)) as {
      measure: () => Promise<void>;
    };
    await measure();
  }
}

export default { title: "imports, the audit log and statistics: what they take", run } satisfies Bench;
