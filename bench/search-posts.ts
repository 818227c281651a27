/** What a search of posts takes at 50 queries a second: 50,000 in the process, 1,000,000 on OpenSearch. */
import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { ServiceBroker } from "moleculer";
import { startElastic } from "../services/search/elastic-client.ts";
import { ElasticPosts } from "../services/search/elastic-posts.ts";
import { PostIndex } from "../services/search/post-index.ts";
import type { PostEngine } from "../services/search/post-index.ts";
import type { PostRecord } from "../services/posts/posts.contract.ts";
import { startElasticsearch } from "../test/support/servers/elasticsearch.ts";
import type { Bench } from "./run.ts";
import { pagesOf, question } from "./search-posts/posts.ts";

/** Milliseconds that 95 of 100 searches may take. */
const GOAL = 50;
const PAGE = 500;
const LIMIT = 20;
/** Queries before those that are measured: what is compiled and cached once is not what a search takes. */
const WARM = 500;

interface Options {
  embedded: number;
  elastic: number;
  rate: number;
  seconds: number;
}

interface Measured {
  name: string;
  posts: number;
  /** Milliseconds, the shortest first. */
  times: number[];
  failed: number;
  empty: number;
}

const tell = (line: string): void => void process.stderr.write(`${line}\n`);

function optionsOf(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      embedded: { type: "string", default: "50000" },
      elastic: { type: "string", default: "1000000" },
      rate: { type: "string", default: "50" },
      seconds: { type: "string", default: "30" },
    },
  });
  const number = (name: keyof Options, min: number, max: number): number => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new Error(`--${name} is "${values[name]}" but takes a whole number from ${min} to ${max}.`);
  };
  return {
    embedded: number("embedded", 0, 1_000_000),
    elastic: number("elastic", 0, 10_000_000),
    rate: number("rate", 1, 10_000),
    seconds: number("seconds", 1, 3_600),
  };
}

async function run(args: string[]): Promise<void> {
  const options = optionsOf(args);
  const measured: Measured[] = [];
  if (options.embedded > 0) measured.push(await embedded(options));
  // What was measured is told, whatever happens to the server.
  const failure =
    options.elastic > 0
      ? await elastic(options).then(
          (each) => void measured.push(each),
          (error: unknown) => String(error),
        )
      : undefined;
  const { rate, seconds } = options;
  console.log("## The search of posts");
  console.log(
    `\nNode ${process.version}, ${cpus()[0]?.model ?? "unknown CPU"} × ${cpus().length}; ${rate} queries a second for ${seconds} s, each begun when it is due; milliseconds from then on.\n`,
  );
  console.log(table(measured));
  for (const each of measured) {
    const p95 = quantile(each.times, 0.95);
    const verdict = p95 <= GOAL && each.failed === 0 ? "pass" : "**fail**";
    console.log(`\n${each.name}: p95 at most ${GOAL} ms, none failed: ${verdict} (${p95.toFixed(1)} ms).`);
  }
  if (failure !== undefined) console.log(`\nNot measured: OpenSearch. ${failure}`);
  const judged = measured.map(({ times, ...each }) => ({
    ...each,
    ...Object.fromEntries([0.5, 0.95, 0.99].map((part) => [`p${part * 100}`, quantile(times, part)])),
  }));
  console.log(`\n${JSON.stringify({ title: "The search of posts", rate, seconds, measured: judged })}`);
}

async function embedded(options: Options): Promise<Measured> {
  const index = new PostIndex();
  const before = taken();
  const begun = performance.now();
  await index.rebuild(() => told(options.embedded));
  const built = (performance.now() - begun) / 1000;
  tell(
    `${options.embedded} posts in the process: built in ${built.toFixed(0)} s, with their making; ${megabytes(taken() - before)} MB.`,
  );
  return measure("in the process", index, options.embedded, options);
}

async function elastic(options: Options): Promise<Measured> {
  const broker = new ServiceBroker({ logger: false });
  // As it is run in earnest: with all of its compilers, and room for its caches. Over what the harness sets.
  process.env["_JAVA_OPTIONS"] ??= "-XX:TieredStopAtLevel=4 -Xms2g -Xmx2g";
  const server = await startElasticsearch();
  try {
    await broker.start();
    const client = await startElastic(broker, server.url);
    const index = new ElasticPosts(client, "bench", () => undefined);
    await awake(index);
    const begun = performance.now();
    await index.rebuild(() => told(options.elastic));
    const built = (performance.now() - begun) / 1000;
    const { indices } = await client.call((each) => each.indices.stats({ index: "bench-posts-*" }));
    const bytes = Object.values(indices ?? {})[0]?.primaries?.store?.size_in_bytes ?? 0;
    tell(`${options.elastic} posts on OpenSearch: built in ${built.toFixed(0)} s; ${megabytes(bytes)} MB.`);
    const result = await measure("OpenSearch", index, options.elastic, options);
    await client.close();
    return result;
  } finally {
    await broker.stop();
    await server.stop();
  }
}

/** A server that has just started takes its time for the first things that it does. */
async function awake(index: ElasticPosts): Promise<void> {
  for (let tries = 60; tries > 0; tries--) {
    try {
      await index.rebuild(() => pagesOf(PAGE, PAGE));
      return;
    } catch (error) {
      if (tries === 1) throw error;
      await sleep(1_000);
    }
  }
}

/** The posts, with a line for each twentieth of them. */
async function* told(count: number): AsyncGenerator<PostRecord[]> {
  let made = 0;
  for await (const page of pagesOf(count, PAGE)) {
    yield page;
    const before = Math.floor((20 * made) / count);
    made += page.length;
    if (Math.floor((20 * made) / count) > before) tell(`  ${made} of ${count} posts`);
  }
}

/** Asks at a fixed pace, however long the answers take: a search that waits for another counts its wait. */
async function measure(
  name: string,
  engine: PostEngine,
  posts: number,
  { rate, seconds }: Options,
): Promise<Measured> {
  const measured: Measured = { name, posts, times: [], failed: 0, empty: 0 };
  const ask = async (number: number): Promise<number> =>
    (await engine.search({ ...question(number, posts), limit: LIMIT, after: null })).total;
  for (let number = 0; number < WARM; number++) await ask(-1 - number);
  const questions = rate * seconds;
  const begun = performance.now();
  const asked: Promise<void>[] = [];
  for (let number = 0; number < questions; number++) {
    const due = begun + (number * 1000) / rate;
    const wait = due - performance.now();
    if (wait > 0) await sleep(wait);
    asked.push(
      ask(number).then(
        (total) => {
          measured.times.push(performance.now() - due);
          if (total === 0) measured.empty += 1;
        },
        () => void (measured.failed += 1),
      ),
    );
    if (number % (5 * rate) === 0) tell(`  ${name}: ${number} of ${questions} queries`);
  }
  await Promise.all(asked);
  measured.times.sort((a, b) => a - b);
  return measured;
}

function quantile(sorted: number[], part: number): number {
  return sorted[Math.ceil(part * sorted.length) - 1] ?? Infinity;
}

/** Bytes, after a collection where the engine lets us ask for one (--expose-gc). */
function taken(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const megabytes = (bytes: number): string => (bytes / 1_048_576).toFixed(0);

function table(measured: Measured[]): string {
  const line = (cells: (string | number)[]): string => `| ${cells.join(" | ")} |`;
  const head = ["where", "posts", "queries", "p50", "p95", "p99", "longest", "nothing found", "failed"];
  const rows = measured.map(({ name, posts, times, empty, failed }) => [
    name,
    posts,
    times.length + failed,
    ...[0.5, 0.95, 0.99, 1].map((part) => quantile(times, part).toFixed(1)),
    empty,
    failed,
  ]);
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

export default {
  title: "a search of 50,000 posts in the process, and of 1,000,000 on OpenSearch",
  run,
} satisfies Bench;
