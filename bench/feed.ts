/** What the hot list and a post cost, against a static answer of the same size through the same gateway. */
import { parseArgs } from "node:util";
import { DOMAINS } from "../moleculer.config.ts";
import { Client } from "../test/support/http.ts";
import { freePort } from "../test/support/servers/child.ts";
import { KEYS, OURS } from "./gateway/contenders.ts";
import type { Bench } from "./run.ts";
import { load } from "./support/load.ts";
import type { Shot } from "./support/load.ts";
import { place } from "./support/placement.ts";
import { Processes } from "./support/processes.ts";
import { json, markdown } from "./support/report.ts";
import type { Report } from "./support/report.ts";
import { measure, ratio, spread } from "./support/rounds.ts";
import type { Contender, Result, Spread } from "./support/rounds.ts";

const POSTS = 60;
/** The share of the static answer's speed that is wanted, as a ratio of costs. */
const GOAL = 1 / 0.8;
const NODE = "bench/nodes/feed.ts";
const PERSON = {
  username: "bench",
  email: "bench@club-alliance.example",
  password: "a-password-for-the-bench",
};

async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { rounds: { type: "string", default: "5" }, seconds: { type: "string", default: "4" } },
  });
  const options = { rounds: Number(values.rounds), seconds: Number(values.seconds) };
  const { prefix, text } = place();
  const processes = new Processes(prefix);
  const tell = (line: string): void => void process.stderr.write(`${line}\n`);
  const report: Report = {
    title: "The feed",
    how: `${options.rounds} rounds of ${options.seconds} s in turn, 64 connections; ${text}`,
    tables: [],
    goals: [],
    left: [],
    notes: [],
  };
  try {
    for (const set of [alone, overNats]) {
      const { title, port, pids } = await set(processes);
      const contenders = contendersOf(port, pids, await fill(port));
      const results = await measure(contenders, options, tell);
      const speeds = await speedsOf(contenders, options.rounds, options.seconds, tell);
      report.tables.push({ title, results });
      judge(report, title, results, speeds);
      await processes.stop();
    }
  } finally {
    await processes.stop();
  }
  console.log(`${markdown(report)}\n\n${json(report)}`);
}

interface SetUp {
  title: string;
  port: number;
  pids: Record<string, number>;
}

async function alone(processes: Processes): Promise<SetUp> {
  const port = await freePort();
  const ready = { url: `http://127.0.0.1:${port}/posts/hot` };
  const { pid } = await processes.node(NODE, [], { ...OURS, PORT: `${port}`, ADMIN_PORT: "0" }, ready);
  return { title: "in one process", port, pids: { process: pid } };
}

async function overNats(processes: Processes): Promise<SetUp> {
  const nats = await processes.nats();
  const common = { ...OURS, NATS_URL: nats.url.replace("http:", "nats:") };
  const [port, health] = [await freePort(), await freePort()];
  const back = await processes.node(
    NODE,
    DOMAINS.filter((domain) => domain !== "gateway"),
    { ...common, JWT_KEYS: KEYS, ADMIN_JWT_KEYS: KEYS, HEALTH_PORT: `${health}` },
    { url: `http://127.0.0.1:${health}/health/ready` },
  );
  const ready = { url: `http://127.0.0.1:${port}/posts/hot` };
  const front = await processes.node(NODE, ["gateway"], { ...common, PORT: `${port}` }, ready);
  return {
    title: "gateway → NATS → node",
    port,
    pids: { gateway: front.pid, node: back.pid, nats: nats.pid },
  };
}

/** Writes posts as people do; returns the id of one. */
async function fill(port: number): Promise<string> {
  const client = new Client(`http://127.0.0.1:${port}`);
  const send = async <T>(method: string, path: string, token?: string, body?: object): Promise<T> => {
    const answer = await client.send<T>(method, path, { body, token });
    if (answer.status < 300) return answer.body;
    throw new Error(`${method} ${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  };
  const { accessToken } = await send<{ accessToken: string }>("POST", "/auth/register", undefined, PERSON);
  let id = "";
  for (let n = 0; n < POSTS; n += 1) {
    const lines = Array.from(
      { length: 2 + (n % 5) },
      (_, line) =>
        `第 ${line + 1} 段：周五晚上七点，图书馆三楼，**一起读书**。See you there, [map](https://example.edu/${n}).`,
    );
    ({ id } = await send<{ id: string }>("POST", "/posts", accessToken, {
      title: `读书会第 ${n} 期 Reading night`,
      body: lines.join("\n\n"),
      tags: ["reading"],
    }));
    if (n % 3 === 0) await send("PUT", `/posts/${id}/like`, accessToken);
  }
  client.close();
  return id;
}

function contendersOf(port: number, pids: Record<string, number>, id: string): Contender[] {
  const shot = (path: string): Shot => ({ port, method: "GET", path, status: 200 });
  return [
    { name: "GET /posts/hot", shot: shot("/posts/hot"), pids },
    { name: "the same, static", shot: shot("/still/hot"), pids },
    { name: "GET /posts/:id", shot: shot(`/posts/${id}`), pids },
    { name: "the same, static", shot: shot(`/still/posts/${id}`), pids },
  ];
}

/** Answers a second in each round, in turn. */
async function speedsOf(
  contenders: Contender[],
  rounds: number,
  seconds: number,
  tell: (line: string) => void,
): Promise<number[][]> {
  const speeds: number[][] = contenders.map(() => []);
  for (let round = 1; round <= rounds; round += 1) {
    tell(`speed, round ${round} of ${rounds}`);
    for (const [index, { shot }] of contenders.entries()) {
      const from = performance.now();
      const answers = await load(shot, seconds);
      speeds[index]?.push((answers / (performance.now() - from)) * 1000);
    }
  }
  return speeds;
}

function judge(report: Report, title: string, results: Result[], speeds: number[][]): void {
  const [hot, stillHot, post, stillPost] = results as [Result, Result, Result, Result];
  report.goals.push(
    { name: `CPU of the hot list / static, ${title}`, value: ratio(hot, stillHot), goal: GOAL },
    { name: `CPU of a post / static, ${title}`, value: ratio(post, stillPost), goal: GOAL },
  );
  for (const [index, { name }] of results.entries()) {
    const what = name.startsWith("GET") ? name : `${results[index - 1]?.name}, static`;
    report.notes?.push(`${what}, ${title}: ${line(spread(speeds[index] as number[]))} answers a second.`);
  }
}

function line({ median, min, max }: Spread): string {
  return `${median.toFixed(0)} (${min.toFixed(0)}–${max.toFixed(0)})`;
}

export default { title: "the hot list and a post against a static answer", run } satisfies Bench;
