/** Imports as administrators make them. */
import type { Administrator, Office } from "./admin.ts";
import { eventually } from "./eventually.ts";
import type { Answer, RequestOptions } from "./http.ts";

export interface Import {
  id: string;
  kind: string;
  dryRun: boolean;
  status: "queued" | "running" | "done" | "failed";
  reason: string | null;
  rows: number;
  done: number;
  created: number;
  unchanged: number;
  failed: number;
}

export type Counts = Pick<Import, "status" | "rows" | "done" | "created" | "unchanged" | "failed">;

export class Importer {
  readonly office: Office;
  readonly #admin: Administrator;

  constructor(office: Office, admin: Administrator) {
    this.office = office;
    this.#admin = admin;
  }

  get token(): string {
    return this.#admin.token;
  }

  send(kind: string, body: string | Buffer, more = ""): Promise<Answer<{ import: Import }>> {
    return this.#patiently("POST", `/admin/imports?kind=${kind}${more}`, {
      raw: body,
      headers: { "content-type": "text/csv" },
    });
  }

  /** Status, code and fields of a refusal. */
  async outcome(kind: string, body: string | Buffer, more = ""): Promise<string> {
    const answer: Answer = await this.send(kind, body, more);
    const { code, errors = [] } = answer.body as { code: string; errors?: { field: string; code: string }[] };
    return [answer.status, code, ...errors.map((each) => `${each.field}=${each.code}`)].join(" ");
  }

  async get(id: string): Promise<Import> {
    return (await this.#patiently<Import>("GET", `/admin/imports/${id}`)).body;
  }

  /** Imports, newest first. */
  async list(query: string): Promise<{ items: Import[]; nextCursor: string | null }> {
    const target = `/admin/imports?${query}`;
    return (await this.#patiently<{ items: Import[]; nextCursor: string | null }>("GET", target)).body;
  }

  /** Stops an import; the status. */
  async stop(id: string): Promise<number> {
    return (await this.#patiently("DELETE", `/admin/imports/${id}`)).status;
  }

  /** While rows come in on a slow machine a gateway may put requests off. */
  #patiently<T>(method: string, target: string, options: RequestOptions = {}): Promise<Answer<T>> {
    return eventually(async () => {
      const answer = await this.office.call<T>(method, target, { token: this.token, ...options });
      return answer.status === 503 ? undefined : answer;
    }, 30_000);
  }

  ended(id: string, patience = 40_000): Promise<Import> {
    return eventually(async () => {
      const found = await this.get(id);
      return found.status === "done" || found.status === "failed" ? found : undefined;
    }, patience);
  }

  /** Imports a file and waits for its end. */
  async run(kind: string, csv: string | Buffer, more = ""): Promise<Import> {
    const { status, body } = await this.send(kind, csv, more);
    if (status !== 202) throw new Error(`${status} ${JSON.stringify(body)}`);
    return this.ended(body.import.id);
  }

  /** The rows that failed, by number. */
  async report(id: string, language = "en"): Promise<Map<number, string>> {
    const { body } = await this.#patiently<string>("GET", `/admin/imports/${id}/report.csv`, {
      headers: { "accept-language": language },
    });
    const [heading, ...lines] = body.replace("\uFEFF", "").trimEnd().split("\r\n");
    if (heading !== "row,reason") throw new Error(`The report begins with ${heading}.`);
    return new Map(
      lines.map((line) => {
        const comma = line.indexOf(",");
        return [
          Number(line.slice(0, comma)),
          line
            .slice(comma + 1)
            .replace(/^"(.*)"$/s, "$1")
            .replaceAll('""', '"'),
        ];
      }),
    );
  }
}

export function counts({ status, rows, done, created, unchanged, failed }: Import): Counts {
  return { status, rows, done, created, unchanged, failed };
}

/** A file of a heading and rows. */
export function csv(heading: string, rows: readonly string[]): string {
  return `${[heading, ...rows].join("\r\n")}\r\n`;
}
