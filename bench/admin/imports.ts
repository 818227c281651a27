/** How fast rows of imports come in, and how long the process is held meanwhile: all in one process, on embedded stores. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ServiceBroker } from "moleculer";
import { readSettings } from "../../lib/settings.ts";
import type { DatabaseMethods } from "../../mixins/database.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { createNode, DOMAINS } from "../../moleculer.config.ts";

const ROWS = 20_000;
/** Rows a second. */
const GOAL = 2_000;
const ADMIN = { login: "admin@example.edu", password: "correct horse battery" };
const STEP = 100;

interface Import {
  id: string;
  status: string;
  done: number;
  created: number;
}

/** Files of people, of clubs, and of members of those clubs. */
function files(): Record<"users" | "clubs" | "members", string> {
  const numbers = Array.from({ length: ROWS }, (_, i) => i);
  return {
    users: `username,email,displayName,college,major,grade,roles\n${numbers
      .map((i) => `student${i},student${i}@example.edu,学生${i},物理学院,理论物理,2024,\n`)
      .join("")}`,
    clubs: `name,category,tags,summary\n${numbers
      .map((i) => `第${i}号读书与研究会,academic,"理论,读书",读原著、学原文，每周一次导读会\n`)
      .join("")}`,
    members: `club,user,role,title\n${numbers
      .map((i) => `第${i % 200}号读书与研究会,student${i},${i % 50 === 0 ? "officer" : ""},\n`)
      .join("")}`,
  };
}

/** Measures each kind once and prints a table. */
export async function measure(): Promise<void> {
  const dataDir = await mkdtemp(path.join(tmpdir(), "club-alliance-imports-"));
  const settings = readSettings({
    DATA_DIR: dataDir,
    PORT: "0",
    ADMIN_PORT: "0",
    HEALTH_PORT: "0",
    LOG_LEVEL: "fatal",
    ADMIN_EMAIL: ADMIN.login,
    ADMIN_PASSWORD: ADMIN.password,
  });
  const broker = await createNode(settings, DOMAINS);
  try {
    await broker.start();
    const base = `http://127.0.0.1:${runtimeOf(broker).ports.get("admin-api")}`;
    const token = await signedIn(base);
    console.log(`\n${ROWS.toLocaleString("en")} rows of each kind, one process, embedded stores:\n`);
    console.log("| kind | rows/s | goal | the process held at most, ms | 99 of 100 |\n|---|---|---|---|---|");
    for (const [kind, csv] of Object.entries(files())) {
      await measureKind(base, token, kind, csv);
      await delivered(broker);
    }
  } finally {
    await broker.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function signedIn(base: string): Promise<string> {
  for (;;) {
    const answer = await fetch(`${base}/admin/auth/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(ADMIN),
    }).catch(() => null);
    if (answer?.ok) return ((await answer.json()) as { accessToken: string }).accessToken;
    await sleep(STEP);
  }
}

/** Nothing that is due waits for a consumer any more. */
async function delivered(broker: ServiceBroker): Promise<void> {
  for (const domain of ["users", "clubs"]) {
    const { db } = broker.getLocalService(domain) as unknown as DatabaseMethods;
    const due = "SELECT COUNT(*) AS n FROM outbox WHERE published_at IS NULL AND type <> 'users.mailDue'";
    while ((await db.primary.number(due)) > 0) await sleep(STEP);
  }
}

async function measureKind(base: string, token: string, kind: string, csv: string): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "text/csv" };
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const begun = performance.now();
  const answer = await fetch(`${base}/admin/imports?kind=${kind}`, { method: "POST", headers, body: csv });
  if (!answer.ok) throw new Error(`The import was not taken: ${answer.status} ${await answer.text()}`);
  const { import: made } = (await answer.json()) as { import: Import };
  let found = made;
  while (found.status !== "done" && found.status !== "failed") {
    await sleep(STEP);
    const look = await fetch(`${base}/admin/imports/${made.id}`, { headers });
    if (look.ok) found = (await look.json()) as Import;
  }
  const seconds = (performance.now() - begun) / 1_000;
  delay.disable();
  if (found.created !== ROWS) throw new Error(`Of ${ROWS} rows ${found.created} were created.`);
  const held = (nanoseconds: number): string => (nanoseconds / 1e6).toFixed(0);
  console.log(
    `| ${kind} | ${Math.round(ROWS / seconds).toLocaleString("en")} | ${GOAL.toLocaleString("en")} | ${held(delay.max)} | ${held(delay.percentile(99))} |`,
  );
}
