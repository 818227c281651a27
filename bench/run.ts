/** `npm run bench -- NAME [options]`: runs a measurement, bench/NAME.ts. Without a name it lists them. */
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

/** What each file beside this one exports. */
export interface Bench {
  /** One line for the list. */
  title: string;
  /** Packages of bench/package.json are imported. */
  needsPeers?: boolean;
  run(args: string[]): Promise<void>;
}

const folder = import.meta.dirname;

async function open(name: string): Promise<Bench> {
  return ((await import(pathToFileURL(path.join(folder, `${name}.ts`)).href)) as { default: Bench }).default;
}

async function main([name, ...args]: string[]): Promise<void> {
  const names = readdirSync(folder)
    .filter((file) => file.endsWith(".ts") && file !== path.basename(import.meta.filename))
    .map((file) => path.basename(file, ".ts"))
    .toSorted();
  if (name === undefined) {
    const lines = await Promise.all(
      names.map(async (each) => `  ${each.padEnd(12)} ${(await open(each)).title}`),
    );
    return console.log(`npm run bench -- NAME, where NAME is one of:\n${lines.join("\n")}`);
  }
  if (!names.includes(name))
    throw new Error(`There is no bench "${name}": the names are ${names.join(", ")}.`);
  const bench = await open(name);
  if (bench.needsPeers && !existsSync(path.join(folder, "node_modules")))
    throw new Error("The peers are not installed: run `npm ci --prefix bench` first.");
  await bench.run(args);
}

main(process.argv.slice(2)).then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(1);
  },
);
