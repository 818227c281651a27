/** What so many students need: tables of docs/capacity.md from what was measured; with `measure` it is measured anew. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Measured } from "./capacity/model.ts";
import { tables } from "./capacity/report.ts";
import type { Bench } from "./run.ts";

const FILE = path.join(import.meta.dirname, "capacity", "measured.json");

async function run([what]: string[]): Promise<void> {
  if (what !== undefined && what !== "measure")
    throw new Error(`There is no "${what}": say "measure", or nothing to print the tables.`);
  if (what === "measure") {
    const { measure } = await import("./capacity/measure.ts");
    writeFileSync(FILE, `${JSON.stringify(await measure(console.log), null, 2)}\n`);
  }
  console.log(tables(JSON.parse(readFileSync(FILE, "utf8")) as Measured));
}

export default { title: "capacity: what so many students need (measure: anew)", run } satisfies Bench;
