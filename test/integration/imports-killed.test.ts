/** The process is killed twice while it imports 6,000 people: it goes on where it was, and each row is taken once. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { eventually } from "../support/eventually.ts";
import { Client } from "../support/http.ts";
import { csv } from "../support/imports.ts";
import type { Import } from "../support/imports.ts";
import { launch, ready } from "../support/node-process.ts";
import type { ClusterNode } from "../support/node-process.ts";

const ROWS = 6_000;
/** Three in a hundred, of every kind: no address, a formula, a name that is too short, a role that does not exist. */
const BROKEN = [
  "x,,",
  "=1+1,formula@example.edu,",
  "y,short@example.edu,",
  "fine-name,role@example.edu,king",
];
const ADMIN = { login: "admin@example.edu", password: "correct horse battery" };

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), "imports-killed-"));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

const rows = Array.from({ length: ROWS }, (_, i) => {
  const broken = i % 100 < 3 ? BROKEN[(i + Math.floor(i / 100)) % BROKEN.length] : undefined;
  if (broken === undefined) return `student${i},student${i}@example.edu,`;
  return broken.replace("@", `${i}@`).replace("fine-name", `fine-name${i}`);
});
const FAILED = rows.filter((row) => !row.startsWith("student")).length;

class Process {
  readonly node: ClusterNode;
  readonly #client: Client;
  #token = "";

  private constructor(node: ClusterNode) {
    this.node = node;
    this.#client = new Client(node.adminUrl);
  }

  static async start(): Promise<Process> {
    const node = launch("scripts/node.ts", "", {
      PATH: process.env["PATH"] ?? "",
      DATA_DIR: dataDir,
      PORT: "0",
      ADMIN_PORT: "0",
      HEALTH_PORT: "0",
      LOG_LEVEL: "fatal",
      RATE_LIMIT_USER: "0",
      ADMIN_EMAIL: ADMIN.login,
      ADMIN_PASSWORD: ADMIN.password,
    });
    await ready(node);
    const made = new Process(node);
    const { accessToken } = await made.ask<{ accessToken: string }>("POST", "/admin/auth/login", {
      body: ADMIN,
    });
    made.#token = accessToken;
    return made;
  }

  /** A request that is made again while the gateway is busy. */
  ask<T>(method: string, target: string, options: Parameters<Client["send"]>[2] = {}): Promise<T> {
    const headers = { ...(this.#token && { authorization: `Bearer ${this.#token}` }), ...options.headers };
    return eventually(async () => {
      const { status, body } = await this.#client.send<T>(method, target, { ...options, headers });
      if (status === 503) return undefined;
      if (status >= 400) throw new Error(`${method} ${target}: ${status} ${JSON.stringify(body)}`);
      return body;
    }, 30_000);
  }

  async begin(): Promise<string> {
    const { import: made } = await this.ask<{ import: Import }>("POST", "/admin/imports?kind=users", {
      raw: csv("username,email,roles", rows),
      headers: { "content-type": "text/csv" },
    });
    return made.id;
  }

  /** The import when so many rows are done, or it is over: its last row is done a moment before it is. */
  at(id: string, done: number): Promise<Import> {
    return eventually(async () => {
      const found = await this.ask<Import>("GET", `/admin/imports/${id}`);
      return found.status === "done" || (done < ROWS && found.done >= done) ? found : undefined;
    }, 120_000);
  }

  async kill(): Promise<void> {
    this.#client.close();
    this.node.kill("SIGKILL");
    await this.node.exited;
  }
}

test("it goes on where it was, and the same file again changes nothing", async () => {
  let process = await Process.start();
  try {
    const id = await process.begin();
    for (const done of [1, ROWS / 2]) {
      // The control: it was killed on the way.
      expect(await process.at(id, done)).toMatchObject({ status: "running" });
      await process.kill();
      process = await Process.start();
    }
    const all = { rows: ROWS, done: ROWS, failed: FAILED };
    expect(await process.at(id, ROWS)).toMatchObject({
      ...all,
      status: "done",
      created: ROWS - FAILED,
      unchanged: 0,
    });
    const again = await process.at(await process.begin(), ROWS);
    expect(again).toMatchObject({ ...all, created: 0, unchanged: ROWS - FAILED });
  } finally {
    await process.kill();
  }
}, 240_000);
