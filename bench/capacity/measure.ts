/** What one request, one row and one open stream take: the whole federation in one process on embedded stores. */
import { readdirSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { launch, ready } from "../../test/support/node-process.ts";
import { cpuOf, memoryOf } from "../support/processes.ts";
import type { Measured, Route } from "./model.ts";

const ADMIN = { login: "admin@club-alliance.example", password: "an-admin-for-benches" };
/** Changes, and reads. */
const COUNT = 300;
const READS = 3_000;
const AT_ONCE = 8;
const STREAMS = 2_400;
/** Until consumers of messages have done what follows from a change: it belongs to its cost. */
const AFTERWARDS_MS = 3_000;
const DAY = 24 * 3_600_000;

interface Person {
  user: { id: string };
  accessToken: string;
}
type Send = (
  method: string,
  target: string,
  token?: string,
  body?: object,
) => Promise<Record<string, unknown>>;
type Ask = (i: number) => Promise<unknown>;

const password = (i: number): string => `wooden ships ${i}`;

/** Bytes of all files in a folder. */
function sizeOf(folder: string): number {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(path.join(parentPath, name)).size, 0);
}

async function times(count: number, ask: Ask, from = 0): Promise<void> {
  let next = from;
  const one = async (): Promise<void> => {
    for (let i = next++; i < from + count; i = next++) await ask(i);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

function sender(url: string): Send {
  const send: Send = async (method, target, token, body) => {
    const answer = await fetch(url + target, {
      method,
      headers: {
        ...(body && { "content-type": "application/json" }),
        ...(token && { authorization: `Bearer ${token}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    const wait = Number(answer.headers.get("retry-after"));
    if (answer.status === 503 && wait > 0) {
      await sleep(wait * 1_000);
      return send(method, target, token, body);
    }
    if (!answer.ok) throw new Error(`${method} ${target}: ${answer.status} ${text}`);
    return (text ? JSON.parse(text) : {}) as Record<string, unknown>;
  };
  return send;
}

/** An active club and an activity that is open; ids. */
async function prepare(send: Send, president: Person, reviewer: Person): Promise<[string, string]> {
  const admin = (await send("POST", "/auth/login", undefined, ADMIN)) as unknown as Person;
  await send("PUT", `/users/${reviewer.user.id}/roles`, admin.accessToken, { roles: ["reviewer"] });
  const club = { name: "Readers", summary: "We read", category: "academic" };
  const { id } = (await send("POST", "/clubs", president.accessToken, club)) as { id: string };
  const { items } = (await send("GET", "/reviews?status=open", reviewer.accessToken)) as {
    items: { id: string }[];
  };
  await send("POST", `/reviews/${items[0]?.id}/claim`, reviewer.accessToken, {});
  await send("POST", `/reviews/${items[0]?.id}/decision`, reviewer.accessToken, { decision: "approve" });
  await sleep(1_000);
  const at = (ms: number): string => new Date(Date.now() + ms).toISOString();
  const plan = { title: "Reading", startsAt: at(7 * DAY), endsAt: at(8 * DAY), timezone: "Asia/Shanghai" };
  const activity = (await send("POST", `/clubs/${id}/activities`, president.accessToken, plan)) as {
    id: string;
  };
  await send("POST", `/activities/${activity.id}/publish`, president.accessToken, {});
  return [id, activity.id];
}

/** Measures; takes three minutes. */
export async function measure(tell: (line: string) => void): Promise<Measured> {
  const folder = await mkdtemp(path.join(tmpdir(), "club-alliance-capacity-"));
  const data = path.join(folder, "data");
  const limits = { RATE_LIMIT_ANONYMOUS: "0", RATE_LIMIT_USER: "0", RATE_LIMIT_AUTH: "0" };
  const node = launch("scripts/node.ts", "", {
    PATH: process.env["PATH"] ?? "",
    DATA_DIR: data,
    PORT: "0",
    ADMIN_PORT: "0",
    HEALTH_PORT: "0",
    LOG_LEVEL: "error",
    ADMIN_EMAIL: ADMIN.login,
    ADMIN_PASSWORD: ADMIN.password,
    ...limits,
  });
  try {
    await ready(node);
    const send = sender(node.url);
    const cpu: Partial<Record<Route, number>> = {};
    const bytes: Partial<Record<Route, number>> = {};
    const idle = await idleCpu(node.pid);
    const take = async (route: Route, ask: Ask, changes = false): Promise<void> => {
      const count = changes ? COUNT : READS;
      // Once before it counts: the compiler settles.
      await times(count, ask);
      await sleep(AFTERWARDS_MS);
      const [before, begun] = [[cpuOf(node.pid), sizeOf(data)] as const, performance.now()];
      await times(count, ask, count);
      if (changes) await sleep(AFTERWARDS_MS);
      const used = cpuOf(node.pid) - before[0] - idle * (performance.now() - begun);
      cpu[route] = Math.round(used / count);
      if (changes) bytes[route] = Math.round((sizeOf(data) - before[1]) / COUNT);
      tell(`${route}: ${cpu[route]} µs${changes ? `, ${bytes[route]} bytes` : ""}`);
    };
    const people: Person[] = [];
    const register: Ask = async (i) => {
      const person = { username: `u-${i}`, email: `u-${i}@example.edu`, password: password(i) };
      people[i] = (await send("POST", "/auth/register", undefined, person)) as unknown as Person;
    };
    await take("register", register, true);
    const token = (i: number): string => people[i % people.length]?.accessToken ?? "";
    const [club, activity] = await prepare(send, people[0] as Person, people[1] as Person);
    const posts: string[] = [];
    const reads: Partial<Record<Route, Ask>> = {
      club: () => send("GET", `/clubs/${club}`),
      clubs: () => send("GET", "/clubs"),
      me: (i) => send("GET", "/users/me", token(i)),
      notifications: (i) => send("GET", "/notifications", token(i)),
      activities: (i) => send("GET", "/activities", token(i)),
      feed: () => send("GET", "/posts/hot"),
      search: () => send("GET", "/posts/search?q=read"),
    };
    await take(
      "login",
      (i) => send("POST", "/auth/login", undefined, { login: `u-${i}`, password: password(i) }),
      true,
    );
    await take("signUp", (i) => send("PUT", `/activities/${activity}/participation`, token(i), {}), true);
    const write = async (i: number): Promise<void> => {
      const body = { clubId: null, title: `Thought ${i}`, body: "I have read and thought. ".repeat(20) };
      posts.push(String((await send("POST", "/posts", token(i), body))["id"]));
    };
    await take("post", write, true);
    const say = (i: number) =>
      send("POST", `/posts/${posts[i % 50]}/comments`, token(i), { body: "Well said. ".repeat(10) });
    await take("comment", say, true);
    for (const [route, ask] of Object.entries(reads)) await take(route as Route, ask);
    const megabytes = await streams(node.url, node.pid, token);
    tell(`a stream: ${((megabytes / STREAMS) * 1024).toFixed(1)} kB`);
    return {
      machine: `Measured in one run on ${cpus().length} cores, Node ${process.version}`,
      cpuMicroseconds: cpu as Measured["cpuMicroseconds"],
      bytes: bytes as Measured["bytes"],
      kilobytesPerStream: Math.round((megabytes / STREAMS) * 1024),
    };
  } finally {
    node.kill("SIGKILL");
    await node.exited;
    await rm(folder, { recursive: true, force: true });
  }
}

/** CPU microseconds a millisecond of a node that nobody asks anything: timers, sweeps, heartbeats. */
async function idleCpu(pid: number): Promise<number> {
  await sleep(AFTERWARDS_MS);
  const [cpu, begun] = [cpuOf(pid), performance.now()];
  await sleep(3 * AFTERWARDS_MS);
  return (cpuOf(pid) - cpu) / (performance.now() - begun);
}

/** Megabytes more with so many streams open. */
async function streams(url: string, pid: number, token: (i: number) => string): Promise<number> {
  const before = memoryOf(pid);
  const stop = new AbortController();
  await times(STREAMS, async (i) => {
    await fetch(`${url}/notifications/stream`, {
      headers: { authorization: `Bearer ${token(i)}` },
      signal: stop.signal,
    });
  });
  await sleep(AFTERWARDS_MS);
  const more = memoryOf(pid) - before;
  stop.abort();
  return more;
}
