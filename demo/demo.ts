/**
 * `npm run demo`: a club fair through the REST API. Found and reviewed are the clubs of two real lists, students apply,
 * presidents decide, all sign up for one party at once, and talk about it; at the end the API must agree exactly with what was sent.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { MultiBar, Presets } from "cli-progress";
import { readEnvironment, readSettings, SettingsError } from "../lib/settings.ts";
import { runtimeOf } from "../mixins/runtime.ts";
import { createNode } from "../moleculer.config.ts";
import { Client, forEach, Person } from "./client.ts";
import { chineseClubs, dice, harvardClubs } from "./lists.ts";
import type { NewClub } from "./lists.ts";
import { rush } from "./rush.ts";
import { talk } from "./talk.ts";

const { values: options } = parseArgs({
  options: {
    students: { type: "string", default: "2000" },
    applications: { type: "string", default: "5000" },
    clubs: { type: "string", default: "665" },
    "at-once": { type: "string", default: "16" },
  },
});
const STUDENTS = Number(options.students);
const APPLICATIONS = Number(options.applications);
const AT_ONCE = Number(options["at-once"]);

interface Founded {
  id: string;
  president: Person;
  applied: number;
  approved: number;
}

interface Fair {
  client: Client;
  run: string;
  admin: Person;
  bars: MultiBar;
}

async function main(): Promise<void> {
  const clubs = [...harvardClubs(), ...chineseClubs()].slice(0, Number(options.clubs));
  if (STUDENTS < clubs.length)
    throw new SettingsError(`--students must be at least ${clubs.length}, one to found each club.`);
  const { base, credentials, stop } = await federation();
  try {
    const client = new Client(base);
    const admin = new Person(client, await client.send("POST", "/auth/login", credentials));
    // Names are made unique for each run, so that the demo can be played on a federation that has seen it.
    const run = randomBytes(3).toString("hex");
    const bars = new MultiBar(
      {
        format: "{title} [{bar}] {value}/{total} {eta_formatted}",
        hideCursor: true,
        noTTYOutput: true,
        notTTYSchedule: 5_000,
      },
      Presets.shades_classic,
    );
    await play({ client, run, admin, bars }, clubs);
  } finally {
    await stop();
  }
}

async function play(fair: Fair, clubs: NewClub[]): Promise<void> {
  const rows: [string, number, number][] = [];
  const timed = async <R>(what: string, count: number, work: () => Promise<R>): Promise<R> => {
    const start = performance.now();
    const result = await work();
    rows.push([what, count, performance.now() - start]);
    return result;
  };
  const people = await timed("students registered", STUDENTS, () => register(fair, STUDENTS));
  const reviewer = await appoint(fair);
  const founded = await timed("clubs founded and reviewed", clubs.length, () =>
    found(fair, clubs, people, reviewer),
  );
  await timed("applications and decisions", APPLICATIONS, () => apply(fair, founded, people));
  const [host] = founded as [Founded];
  const overrun = await timed("sign-ups for one activity", STUDENTS, () =>
    rush(fair.bars, { clubId: host.id, president: host.president, people }),
  );
  const miscounted = await timed("posts and likes", clubs.length + STUDENTS, () =>
    talk(fair.bars, { clubs: founded, people }, dice(7), AT_ONCE),
  );
  const disagreeing = await timed("clubs checked", clubs.length, () => check(fair, founded));
  const problems = [...overrun, ...miscounted, ...disagreeing];
  fair.bars.stop();
  report(fair.client, rows, problems);
}

/** The running federation, or one of its own without limits when none runs. */
async function federation(): Promise<{ base: string; credentials: object; stop: () => Promise<void> }> {
  const env = readEnvironment();
  const running = env["PUBLIC_URL"] ?? `http://127.0.0.1:${env["PORT"] ?? 3000}`;
  const answers = await fetch(`${running}/.well-known/jwks.json`, {
    signal: AbortSignal.timeout(2_000),
  }).then(
    (response) => response.ok,
    () => false,
  );
  if (answers) {
    const [login, password] = [env["ADMIN_EMAIL"], env["ADMIN_PASSWORD"]];
    if (!login || !password)
      throw new SettingsError(
        `A federation runs at ${running}. Set ADMIN_EMAIL and ADMIN_PASSWORD to one of its administrators, who appoints the reviewer of the fair.`,
      );
    return { base: running, credentials: { login, password }, stop: async () => undefined };
  }
  const dataDir = mkdtempSync(path.join(tmpdir(), "club-alliance-demo-"));
  const credentials = {
    login: "demo@club-alliance.example",
    password: randomBytes(12).toString("base64url"),
  };
  const settings = readSettings({
    DATA_DIR: dataDir,
    PORT: "0",
    ADMIN_PORT: "0",
    HEALTH_PORT: "0",
    RATE_LIMIT_ANONYMOUS: "0",
    RATE_LIMIT_USER: "0",
    RATE_LIMIT_AUTH: "0",
    ADMIN_EMAIL: credentials.login,
    ADMIN_PASSWORD: credentials.password,
    LOG_LEVEL: "error",
  });
  const broker = await createNode(settings);
  await broker.start();
  const base = `http://127.0.0.1:${runtimeOf(broker).ports.get("api")}`;
  process.stdout.write(
    `No federation runs at ${running}, so the fair has one of its own at ${base}, in ${dataDir}.\n`,
  );
  const stop = async (): Promise<void> => {
    await broker.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  return { base, credentials, stop };
}

async function register({ client, run, bars }: Fair, count: number): Promise<Person[]> {
  const bar = bars.create(count, 0, { title: "Students     " });
  const people: Person[] = [];
  await forEach(Array.from({ length: count }), AT_ONCE, async (_, i) => {
    const username = `fair-${run}-${i}`;
    const tokens = await client.send<ConstructorParameters<typeof Person>[1]>("POST", "/auth/register", {
      username,
      email: `${username}@students.example`,
      password: `fair ${run} ${i} ${randomBytes(6).toString("hex")}`,
      displayName: `Student ${i}`,
      locale: i % 2 ? "zh-CN" : "en",
    });
    people[i] = new Person(client, tokens);
    bar.increment();
  });
  return people;
}

async function appoint(fair: Fair): Promise<Person> {
  const { client, run, admin } = fair;
  const username = `reviewer-${run}`;
  const tokens = await client.send<ConstructorParameters<typeof Person>[1]>("POST", "/auth/register", {
    username,
    email: `${username}@staff.example`,
    password: randomBytes(12).toString("base64url"),
  });
  await admin.send("PUT", `/users/${tokens.user.id}/roles`, { roles: ["reviewer"] });
  return new Person(client, tokens);
}

/** Each club is founded by a student of its own, claimed and approved by the reviewer. */
async function found(
  { run, bars }: Fair,
  clubs: NewClub[],
  people: Person[],
  reviewer: Person,
): Promise<Founded[]> {
  const bar = bars.create(clubs.length, 0, { title: "Clubs        " });
  const founded: Founded[] = [];
  await forEach(clubs, AT_ONCE, async (club, i) => {
    const president = people[i] as Person;
    const { id } = await president.send<{ id: string }>("POST", "/clubs", {
      ...club,
      name: `${club.name} ${run}`.slice(0, 120),
    });
    founded[i] = { id, president, applied: 0, approved: 0 };
  });
  const byClub = new Map(founded.map((each) => [each.id, each]));
  let cursor: string | null = null;
  const tasks: string[] = [];
  do {
    const page: { items: { id: string; clubId: string }[]; nextCursor: string | null } = await reviewer.send(
      "GET",
      `/reviews?status=open&limit=100${cursor ? `&cursor=${cursor}` : ""}`,
    );
    tasks.push(...page.items.filter(({ clubId }) => byClub.has(clubId)).map(({ id }) => id));
    cursor = page.nextCursor;
  } while (cursor);
  await forEach(tasks, AT_ONCE, async (id) => {
    await reviewer.send("POST", `/reviews/${id}/claim`);
    await reviewer.send("POST", `/reviews/${id}/decision`, { decision: "approve" });
    bar.increment();
  });
  await forEach(founded, AT_ONCE, ({ id, president }) =>
    until(
      `club ${id} is active`,
      async () => (await president.send<{ status: string }>("GET", `/clubs/${id}`)).status === "active",
    ),
  );
  return founded;
}

/** Students apply to clubs of others, each pair once; four of five are approved. */
async function apply({ bars }: Fair, founded: Founded[], people: Person[]): Promise<void> {
  const bar = bars.create(APPLICATIONS, 0, { title: "Applications " });
  const roll = dice(2017);
  const pairs = new Map<string, [Person, Founded, boolean]>();
  while (pairs.size < APPLICATIONS) {
    const [student, club] = [people[roll(people.length)] as Person, founded[roll(founded.length)] as Founded];
    if (student !== club.president) pairs.set(`${student.id}:${club.id}`, [student, club, roll(5) < 4]);
  }
  await forEach([...pairs.values()], AT_ONCE, async ([student, club, approve]) => {
    const { application } = await student.send<{ application: { id: string } }>(
      "POST",
      `/clubs/${club.id}/applications`,
      {
        message: "你好！Hello!",
        answers: { why: "I like what you do. 我喜欢你们的活动。" },
      },
    );
    club.applied++;
    await club.president.send(
      "POST",
      `/applications/${application.id}/decision`,
      approve
        ? { decision: "approve" }
        : { decision: "reject", comment: "This year we are full. 今年名额已满。" },
    );
    if (approve) club.approved++;
    bar.increment();
  });
}

/** Counts in the API against what was sent: members, and applications by status. */
async function check({ bars }: Fair, founded: Founded[]): Promise<string[]> {
  const bar = bars.create(founded.length, 0, { title: "Checked      " });
  const problems: string[] = [];
  await forEach(founded, AT_ONCE, async (club) => {
    const members = 1 + club.approved;
    const count = async (): Promise<number> =>
      (await club.president.send<{ memberCount: number }>("GET", `/clubs/${club.id}`)).memberCount;
    await until(`club ${club.id} has ${members} members`, async () => (await count()) === members).catch(
      (error: Error) => void problems.push(error.message),
    );
    for (const [status, sent] of [
      ["approved", club.approved],
      ["rejected", club.applied - club.approved],
      ["submitted", 0],
      ["under_review", 0],
    ] as const) {
      const found = await countAll(club.president, `/clubs/${club.id}/applications?status=${status}`);
      if (found !== sent)
        problems.push(`club ${club.id}: ${found} applications are ${status}, ${sent} were sent`);
    }
    const listed = await countAll(club.president, `/clubs/${club.id}/members`);
    if (listed !== members) problems.push(`club ${club.id}: ${listed} members are listed, not ${members}`);
    bar.increment();
  });
  return problems;
}

async function countAll(person: Person, path_: string): Promise<number> {
  let [count, cursor]: [number, string | null] = [0, null];
  do {
    const query = `${path_.includes("?") ? "&" : "?"}limit=100${cursor ? `&cursor=${cursor}` : ""}`;
    const page: { items: unknown[]; nextCursor: string | null } = await person.send("GET", path_ + query);
    count += page.items.length;
    cursor = page.nextCursor;
  } while (cursor);
  return count;
}

/** Waits for what messages bring about, 30 s at most. */
async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 150; i++) {
    if (await holds()) return;
    await sleep(200);
  }
  throw new Error(`30 s passed before ${what}`);
}

function report({ figures }: Client, rows: [string, number, number][], problems: string[]): void {
  const lines = rows.map(
    ([what, count, ms]) =>
      `${String(count).padStart(6)} ${what.padEnd(28)} ${(ms / 1000).toFixed(1).padStart(7)} s  ${((count / ms) * 1000).toFixed(1).padStart(7)} a second`,
  );
  lines.push(
    `${String(figures.requests).padStart(6)} requests, ${figures.failed} failed, ${figures.waited} told to wait (429, 503)`,
  );
  lines.push(
    problems.length === 0
      ? "The counts in the API agree exactly with what was sent."
      : `The counts do not agree:\n  ${problems.slice(0, 20).join("\n  ")}`,
  );
  process.stdout.write(`\n${lines.join("\n")}\n`);
  if (problems.length > 0 || figures.failed > 0) process.exitCode = 1;
}

main().then(
  () => process.exit(),
  (error: unknown) => {
    process.stderr.write(
      `\nThe demo ended early: ${error instanceof SettingsError ? error.message : String((error as Error).stack)}\n`,
    );
    process.exit(1);
  },
);
