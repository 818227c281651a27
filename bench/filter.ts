/** How fast the word filter reads, in a process that does nothing else, and how long it takes to load a list. */
import { readdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { WordFilter } from "../lib/moderation/filter.ts";
import type { ListedWord } from "../lib/moderation/filter.ts";
import type { Bench } from "./run.ts";
import { spread } from "./support/rounds.ts";

const WORDS = 100_000;
/** Of these so many are Chinese, which are found in pinyin too. */
const CHINESE = 70_000;
/** UTF-16 units of a text: a long post. */
const LENGTH = 2_000;
const TEXTS = 1_000;
/** Milliseconds, and megabytes a second. */
const GOALS = { load: 1_000, speed: 20 };

const ROOT = path.join(import.meta.dirname, "..");

async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { rounds: { type: "string", default: "7" } } });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 3) throw new Error("--rounds takes a whole number from 3 on.");
  const words = listOf(random(1));
  const before = memory();
  const filter = new WordFilter(words);
  const held = memory() - before;
  const loads = Array.from({ length: rounds }, () => timed(() => new WordFilter(words)));
  const kinds = textsByKind();
  const speeds = new Map(Object.keys(kinds).map((kind) => [kind, [] as number[]]));
  // The kinds in turn, so that what else the machine does meets all of them; the first round is to warm up.
  for (let round = 0; round <= rounds; round++)
    for (const [kind, texts] of Object.entries(kinds)) {
      const speed = megabytesOf(texts) / (timed(() => texts.forEach((text) => filter.check(text))) / 1_000);
      if (round > 0) speeds.get(kind)?.push(speed);
    }
  report(loads, speeds, held);
}

function report(loads: number[], speeds: Map<string, number[]>, held: number): void {
  console.log(
    `Node ${process.version}, ${cpus()[0]?.model ?? "unknown CPU"}; CPU time, median (lowest–highest round).\n`,
  );
  console.log("| what | measured | goal |\n| --- | --- | --- |");
  const load = spread(loads);
  console.log(line(`load of ${WORDS} words, ms`, load, load.median <= GOALS.load, `≤ ${GOALS.load}`));
  for (const [kind, rounds] of speeds) {
    const speed = spread(rounds);
    console.log(line(`${kind}, MB/s`, speed, speed.median >= GOALS.speed, `≥ ${GOALS.speed}`));
  }
  console.log(`\nThe list takes ${held.toFixed(0)} MB.`);
}

function line(
  what: string,
  { median, min, max }: ReturnType<typeof spread>,
  pass: boolean,
  goal: string,
): string {
  const measured = `${median.toFixed(1)} (${min.toFixed(1)}–${max.toFixed(1)})`;
  return `| ${what} | ${measured} | ${goal} ${pass ? "pass" : "**fail**"} |`;
}

/** Chinese words of two to five common characters, and Latin words of four to eleven letters. */
function listOf(next: (below: number) => number): ListedWord[] {
  const characters = commonCharacters();
  const words = new Set<string>();
  const pick = (from: readonly string[], least: number, most: number): string =>
    Array.from({ length: least + next(most - least + 1) }, () => from[next(from.length)]).join("");
  while (words.size < CHINESE) words.add(pick(characters, 2, 5));
  const letters = Array.from("etaoinshrdlucmfwypvbgkqjxzetaoinshrdlu");
  while (words.size < WORDS) words.add(pick(letters, 4, 11));
  // Latin words are put among the others.
  return [...words].map((word, index) => ({ word, action: index % 3 === 0 ? "hold" : "mask" }));
}

/** The 3,755 characters of the first level of GB 2312. */
function commonCharacters(): string[] {
  const bytes: number[] = [];
  for (let row = 0xb0; row <= 0xd7; row++)
    for (let cell = 0xa1; cell <= (row === 0xd7 ? 0xf9 : 0xfe); cell++) bytes.push(row, cell);
  return Array.from(new TextDecoder("gb18030").decode(Uint8Array.from(bytes)));
}

function textsByKind(): Record<string, string[]> {
  const english = readdirSync(path.join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => readFileSync(path.join(ROOT, "docs", name), "utf8"))
    .join("\n");
  const pure = (chinese().match(/[\p{Script=Han}，。、；：！？]+/gu) ?? []).join("");
  return {
    "English prose": piecesOf(english),
    "Chinese prose": piecesOf(pure),
    "Chinese with English": piecesOf(chinese()),
  };
}

function chinese(): string {
  const errors = readFileSync(path.join(ROOT, "lib/errors.ts"), "utf8");
  const said = errors.match(/"[^"]*\p{Script=Han}[^"]*"/gu) ?? [];
  return readFileSync(path.join(ROOT, "README.zh-CN.md"), "utf8") + said.join("\n");
}

function piecesOf(text: string): string[] {
  const next = random(2);
  return Array.from({ length: TEXTS }, () => {
    const start = next(text.length - LENGTH);
    return text.slice(start, start + LENGTH).toWellFormed();
  });
}

const megabytesOf = (texts: string[]): number =>
  texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 1_000_000;

/** Milliseconds of this process's CPU. */
function timed(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

function memory(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 1_048_576;
}

/** Numbers below a bound, the same in each run (xorshift). */
function random(seed: number): (below: number) => number {
  let state = 0x9e3779b9 ^ seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

export default { title: "the word filter: its speed, and the load of a list", run } satisfies Bench;
