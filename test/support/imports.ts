/** Imports as administrators make them. */
import type { Administrator, Office } from "./admin.ts";
import { eventually } from "./eventually.ts";

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

  send(kind: string, csv: string | Buffer, more = "", headers: Record<string, string> = {}) {
    return this.office.call<{ import: Import }>("POST", `/admin/imports?kind=${kind}${more}`, {
      token: this.token,
      raw: csv,
      headers: { "content-type": "text/csv", ...headers },
    });
  }

  /** Status, code and fields of a refusal. */
  outcome(kind: string, csv: string | Buffer, more = ""): Promise<string> {
    return this.office.outcome("POST", `/admin/imports?kind=${kind}${more}`, {
      token: this.token,
      raw: csv,
      headers: { "content-type": "text/csv" },
    });
  }

  get(id: string): Promise<Import> {
    return this.office.ok<Import>("GET", `/admin/imports/${id}`, { token: this.token });
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
    const { body } = await this.office.call<string>("GET", `/admin/imports/${id}/report.csv`, {
      token: this.token,
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
