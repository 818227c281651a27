/**
 * `npm run import -- users|clubs|members FILE [--dry-run] [--charset gb18030]`: imports a CSV file through the admin gateway
 * (ADMIN_URL, else this machine's ADMIN_PORT), as the administrator IMPORT_LOGIN with IMPORT_PASSWORD, or as asked for.
 * Rows that failed go into a report beside the file; then the exit code is 1.
 */
import { createReadStream } from "node:fs";
import { stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline/promises";
import { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Presets, SingleBar } from "cli-progress";
import { readEnvironment, readSettings, SettingsError } from "../lib/settings.ts";
import { runCommand } from "./run-command.ts";

const KINDS = ["users", "clubs", "members"];
const USAGE = "Usage: npm run import -- users|clubs|members FILE [--dry-run] [--charset gb18030]";
/** Milliseconds between two looks at how far it is, and how long the gateway may be away meanwhile. */
const LOOK = 300;
const PATIENCE = 60_000;
const SESSION_ENDED = 401;

interface Import {
  id: string;
  status: "queued" | "running" | "done" | "failed";
  reason: string | null;
  rows: number;
  done: number;
  created: number;
  unchanged: number;
  failed: number;
}

interface Wanted {
  kind: string;
  file: string;
  dryRun: boolean;
  charset: string | undefined;
}

/** What the gateway has refused. */
class Refused extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

class Gateway {
  readonly #base: string;
  #token: string | null = null;

  constructor(base: string) {
    this.#base = base;
  }

  /** Signs in; asks for what the environment does not say, and for a code where one is needed. */
  async signIn(): Promise<void> {
    const { IMPORT_LOGIN: login, IMPORT_PASSWORD: password } = process.env;
    const body: Record<string, string> = {
      login: login || (await ask("User name or e-mail: ")),
      password: password || (await ask("Password: ", { hidden: true })),
    };
    const tries = () => this.#post("/admin/auth/login", body);
    const { accessToken } = await tries().catch(async (error: unknown) => {
      if (!(error instanceof Refused) || error.code !== "TOTP_REQUIRED") throw error;
      body["code"] = await ask("Code of your authenticator: ");
      return tries();
    });
    this.#token = accessToken;
  }

  /** Sends the file as it is read. */
  async begin({ kind, file, dryRun, charset }: Wanted): Promise<Import> {
    const query = new URLSearchParams({ kind, dryRun: String(dryRun), ...(charset && { charset }) });
    const answer = await this.#fetch(`/admin/imports?${query.toString()}`, {
      method: "POST",
      headers: { "content-type": "text/csv" },
      body: Readable.toWeb(createReadStream(file)) as ReadableStream,
      duplex: "half",
    });
    return ((await answer.json()) as { import: Import }).import;
  }

  async look(id: string): Promise<Import> {
    return (await (await this.#fetch(`/admin/imports/${id}`)).json()) as Import;
  }

  async report(id: string): Promise<Uint8Array> {
    return new Uint8Array(await (await this.#fetch(`/admin/imports/${id}/report.csv`)).arrayBuffer());
  }

  async #post(target: string, body: object): Promise<{ accessToken: string }> {
    const headers = { "content-type": "application/json" };
    const answer = await this.#fetch(target, { method: "POST", headers, body: JSON.stringify(body) });
    return (await answer.json()) as { accessToken: string };
  }

  async #fetch(target: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("accept-language", process.env["LANG"]?.startsWith("zh") ? "zh-CN" : "en");
    if (this.#token) headers.set("authorization", `Bearer ${this.#token}`);
    const answer = await fetch(this.#base + target, { ...init, headers }).catch((error: unknown) => {
      const { cause } = error as { cause?: { code?: string } };
      throw new SettingsError(
        `The admin gateway at ${this.#base} does not answer (${cause?.code ?? String(error)}). Start it, or name it by ADMIN_URL.`,
      );
    });
    if (answer.ok) return answer;
    throw await refusalOf(answer);
  }
}

async function refusalOf(answer: Response): Promise<Refused> {
  const problem = (await answer.json().catch(() => ({}))) as {
    code?: string;
    detail?: string;
    errors?: { field: string; message: string }[];
  };
  const lines = (problem.errors ?? []).map(({ field, message }) => `\n  ${field}: ${message}`);
  const { code = "", detail = `The gateway answered ${answer.status}.` } = problem;
  return new Refused(answer.status, code, detail + lines.join(""));
}

async function ask(question: string, { hidden = false } = {}): Promise<string> {
  if (!process.stdin.isTTY)
    throw new SettingsError(
      "Nobody is here to ask: set IMPORT_LOGIN and IMPORT_PASSWORD in the environment.",
    );
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({
    input: process.stdin,
    output: hidden ? silent : process.stdout,
    terminal: true,
  });
  if (hidden) process.stdout.write(question);
  try {
    return (await reader.question(hidden ? "" : question)).trim();
  } finally {
    reader.close();
    if (hidden) process.stdout.write("\n");
  }
}

function wantedOf(args: string[]): Wanted {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { "dry-run": { type: "boolean", default: false }, charset: { type: "string" } },
  });
  const [kind, file, ...more] = positionals;
  if (!kind || !KINDS.includes(kind) || !file || more.length > 0) throw new SettingsError(USAGE);
  return { kind, file, dryRun: values["dry-run"], charset: values.charset };
}

function baseOf(): string {
  const { ADMIN_URL: url } = process.env;
  if (!url) return `http://127.0.0.1:${readSettings(readEnvironment()).adminPort}`;
  if (!URL.canParse(url)) throw new SettingsError(`ADMIN_URL "${url}" is no address.`);
  return url.replace(/\/$/, "");
}

/** Waits for the end; a gateway that is away for a while is asked again, and so is a session that has ended. */
async function follow(gateway: Gateway, begun: Import): Promise<Import> {
  const bar = new SingleBar(
    { format: "[{bar}] {value}/{total} {eta_formatted}", hideCursor: true, noTTYOutput: true },
    Presets.shades_classic,
  );
  bar.start(begun.rows, 0);
  try {
    for (let [found, until] = [begun, Date.now() + PATIENCE]; ; await sleep(LOOK)) {
      bar.update(found.done);
      if (found.status === "done" || found.status === "failed") return found;
      try {
        found = await gateway.look(begun.id);
        until = Date.now() + PATIENCE;
      } catch (error) {
        if (error instanceof Refused && error.status === SESSION_ENDED) await gateway.signIn();
        else if (Date.now() > until || (error instanceof Refused && error.status < 500)) throw error;
      }
    }
  } finally {
    bar.stop();
  }
}

const WHY: Record<string, string> = {
  stopped: "It was stopped; what it had done stays.",
  notAdministrator: "Whoever began it is no administrator any more; what it had done stays.",
};

async function main(): Promise<void> {
  const wanted = wantedOf(process.argv.slice(2));
  const known = await stat(wanted.file).catch(() => null);
  if (!known?.isFile()) throw new SettingsError(`There is no file "${wanted.file}".`);
  const gateway = new Gateway(baseOf());
  await gateway.signIn();
  const ended = await follow(gateway, await gateway.begin(wanted));
  const { rows, created, unchanged, failed, status, reason } = ended;
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  say(
    `${rows} rows: ${created} ${wanted.dryRun ? "would be created" : "created"}, ${unchanged} unchanged, ${failed} failed.`,
  );
  if (status === "failed") say(WHY[reason ?? ""] ?? "It failed.");
  if (failed > 0) {
    const report = `${wanted.file.slice(0, wanted.file.length - path.extname(wanted.file).length)}.report.csv`;
    await writeFile(report, await gateway.report(ended.id));
    say(`The rows that failed, and why: ${report}`);
  }
  if (failed > 0 || status === "failed") process.exitCode = 1;
}

runCommand(main, (error) => error instanceof Refused);
