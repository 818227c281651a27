/** The users domain with its gateway and mails in this process; what it asks of other domains is answered here. */
import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import type { ServiceSchema } from "moleculer";
import { simpleParser } from "mailparser";
import { Database } from "../../lib/database.ts";
import type { Tx } from "../../lib/database.ts";
import { AppError } from "../../lib/errors.ts";
import type { DatabaseMethods } from "../../mixins/database.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { eventually, Federation } from "./federation.ts";
import type { Person } from "./federation.ts";
import type { Answer, RequestOptions } from "./http.ts";
import { serves, startPlace } from "./place.ts";

export interface Problem {
  status: number;
  code: string;
  errors?: { field: string; code: string }[];
}

export interface Mail {
  to: string;
  subject: string;
  text: string;
  token: string;
}

export interface House {
  federation: Federation;
  db: Database;
  dataDir: string;
  /** Presidents, by the answer of clubs.presidedBy. */
  presidents: Set<string>;
  /** Domains that do not answer. */
  away: Set<string>;
  call<T = Record<string, unknown>>(
    method: string,
    target: string,
    options?: RequestOptions,
  ): Promise<Answer<T>>;
  /** Status and code of an answer. */
  outcome(method: string, target: string, options?: RequestOptions): Promise<string>;
  /** All mails to an address, oldest first, as soon as there are `count`. */
  mails(to: string, count?: number): Promise<Mail[]>;
  stop(): Promise<void>;
}

export const PASSWORD = "a long enough passphrase";
export const unique = (): string => randomBytes(5).toString("hex");

export async function startHouse(env: Record<string, string> = {}): Promise<House> {
  const presidents = new Set<string>();
  const away = new Set<string>();
  const place = await startPlace(
    ["gateway", "users", "notifications"],
    {
      ADMIN_EMAIL: "admin@example.edu",
      ADMIN_PASSWORD: "correct horse battery",
      ...env,
    },
    neighbours(presidents, away),
  );
  const { broker } = place;
  await serves(broker);
  const { dataDir } = runtimeOf(broker).settings;
  const federation = new Federation(place);
  const service = broker.getLocalService("users") as unknown as DatabaseMethods;
  return {
    federation,
    db: service.db,
    dataDir,
    presidents,
    away,
    call: (method, target, options) => federation.call(method, target, options),
    async outcome(method, target, options) {
      const { status, body } = await federation.call<Problem | undefined>(method, target, options);
      return status < 400 ? String(status) : `${status} ${body?.code}`;
    },
    mails: (to, count = 1) =>
      eventually(async () => {
        const found = await readMails(path.join(dataDir, "mail"), to);
        return found.length >= count ? found : undefined;
      }),
    stop: () => federation.stop(),
  };
}

/** Of other domains, what users asks of them; three records of clubs, each on a page of its own. */
function neighbours(presidents: Set<string>, away: Set<string>): ServiceSchema[] {
  const exporting = (domain: string, records: object[]) => ({
    visibility: "public" as const,
    handler(ctx: { params: { cursor: string | null } }) {
      if (away.has(domain)) throw new AppError("UNAVAILABLE", { retryAfter: 2 });
      const next = Number(ctx.params.cursor ?? 0) + 1;
      return {
        records: records.slice(next - 1, next),
        nextCursor: next < records.length ? String(next) : null,
      };
    },
  });
  const presidedBy = {
    visibility: "public" as const,
    handler: (ctx: { params: { user: string } }) => (presidents.has(ctx.params.user) ? ["a club"] : []),
  };
  const records = [{ kind: "membership" }, { kind: "favorite" }, { kind: "offer" }];
  return [
    { name: "clubs", actions: { presidedBy, exportUser: exporting("clubs", records) } },
    { name: "applications", actions: { exportUser: exporting("applications", []) } },
    {
      name: "files",
      actions: {
        exportUser: exporting("files", []),
        claim: { visibility: "public" as const, handler: () => ({ refused: [] }) },
      },
    },
    ...["participations", "posts", "comments", "moderation"].map((name) => ({
      name,
      actions: { exportUser: exporting(name, []) },
    })),
  ];
}

export async function readMails(folder: string, to: string): Promise<Mail[]> {
  const names = await readdir(folder).catch(() => []);
  const all = await Promise.all(
    names
      .filter((name) => name.endsWith(".eml"))
      .toSorted()
      .map(async (name) => simpleParser(await readFile(path.join(folder, name)))),
  );
  return all.flatMap((mail) => {
    const address = [mail.to ?? []].flat()[0]?.text ?? "";
    const text = mail.text ?? "";
    const token = /^ {4}([A-Za-z0-9_-]{40,})$/m.exec(text)?.[1] ?? "";
    return address.toLowerCase() === to.toLowerCase()
      ? [{ to: address, subject: mail.subject ?? "", text, token }]
      : [];
  });
}

/** Signs in again. */
export async function signIn(house: House, { username, password }: Pick<Person, "username" | "password">) {
  const { body } = await house.call<{ accessToken: string; refreshToken: string }>("POST", "/auth/login", {
    body: { login: username, password },
  });
  return { token: body.accessToken, refreshToken: body.refreshToken };
}

/** Every statement from now on goes to `tell` with its values, until the function returned is called. */
export function watchStatements({ sequelize }: Database, tell: (sql: string) => void): () => void {
  // Sequelize's types leave its options out.
  const { options } = sequelize as unknown as {
    options: { logging: unknown; logQueryParameters: boolean; benchmark: boolean };
  };
  const usual = { ...options };
  const logging = (text: string): void => tell(text.replace(/^Executing \(.*?\): /, ""));
  Object.assign(options, { logging, logQueryParameters: true, benchmark: false });
  return () => void Object.assign(options, usual);
}

/** A database that is so slow after its first commit that `meanwhile` happens before anything else. */
export class SlowDatabase extends Database {
  #meanwhile: () => Promise<void>;

  constructor({ sequelize }: Database, meanwhile: () => Promise<void>) {
    super(sequelize, "user_id");
    this.#meanwhile = meanwhile;
  }

  override async transaction<R>(work: (tx: Tx) => Promise<R>): Promise<R> {
    const answer = await super.transaction(work);
    const meanwhile = this.#meanwhile;
    this.#meanwhile = async () => undefined;
    await meanwhile();
    return answer;
  }
}
