/** Stores in files of DATA_DIR, also while a process has them open: each is read as one moment saw it. */
import { createReadStream, existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Readable } from "node:stream";
import { backup, DatabaseSync } from "node:sqlite";
import type { Head } from "../../lib/audit-chain.ts";
import { DOCUMENT_DOMAINS, SQL_DOMAINS } from "../../lib/settings.ts";
import type { DocumentDomain, Settings, SqlDomain } from "../../lib/settings.ts";
import { documentsFile } from "../../mixins/documents.ts";
import { storeFile } from "../../mixins/database.ts";
import type { StoreDomain } from "./manifest.ts";
import { CHECKPOINT, ERASED, HEADS } from "./snapshot.ts";
import type { Erased, Snapshot } from "./snapshot.ts";

const isSql = (domain: StoreDomain): domain is SqlDomain => SQL_DOMAINS.some((each) => each === domain);

/** The file of a domain that has no server; null: it has one. */
export function embeddedFile(settings: Settings, domain: StoreDomain): string | null {
  if (isSql(domain)) return settings.sqlUrls[domain] ? null : storeFile(settings, domain);
  const of = DOCUMENT_DOMAINS.find((each) => each === domain) as DocumentDomain;
  return settings.documentUrls[of] ? null : documentsFile(settings, of);
}

/** Those of the domains that are embedded and have a file, all of the same moment but for milliseconds. */
export function openEmbedded(settings: Settings, domains: readonly StoreDomain[]): Snapshot[] {
  const files = domains.flatMap((domain) => {
    const file = embeddedFile(settings, domain);
    return file && existsSync(file) ? [{ domain, file }] : [];
  });
  const opened: EmbeddedSnapshot[] = [];
  try {
    for (const { domain, file } of files) opened.push(new EmbeddedSnapshot(domain, file));
    for (const each of opened) each.begin();
  } catch (error) {
    for (const each of opened) void each.close();
    throw error;
  }
  return opened;
}

class EmbeddedSnapshot implements Snapshot {
  readonly domain: StoreDomain;
  readonly kind: "sqlite" | "documents";
  readonly form = "sqlite";
  readonly oneMoment = true;
  readonly #file: string;
  readonly #db: DatabaseSync;
  #copies: string | null = null;

  constructor(domain: StoreDomain, file: string) {
    this.domain = domain;
    this.kind = isSql(domain) ? "sqlite" : "documents";
    this.#file = file;
    this.#db = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
  }

  /** From here on the connection sees nothing that is written later. */
  begin(): void {
    this.#db.exec("BEGIN");
    this.#db.prepare("SELECT COUNT(*) FROM sqlite_master").get();
  }

  get migrations(): string[] {
    if (this.kind === "documents") return [];
    return names(this.#db);
  }

  async migrationsNow(): Promise<string[]> {
    if (this.kind === "documents") return [];
    const now = new DatabaseSync(this.#file, { readOnly: true, timeout: 5_000 });
    try {
      return names(now);
    } finally {
      now.close();
    }
  }

  async read(): Promise<Readable> {
    this.#copies = await mkdtemp(path.join(tmpdir(), "club-alliance-backup-"));
    const copy = path.join(this.#copies, path.basename(this.#file));
    await backup(this.#db, copy);
    return createReadStream(copy);
  }

  async audit(): Promise<{ heads: Head[]; checkpoint: string | null }> {
    const heads = this.#db.prepare(HEADS).all() as unknown as Head[];
    const newest = this.#db.prepare(CHECKPOINT).get() as { jws: string } | undefined;
    return { heads: heads.map((head) => ({ ...head })), checkpoint: newest?.jws ?? null };
  }

  async erased(): Promise<Erased[]> {
    const found: Erased[] = [];
    for (let page: Erased[] | null = null; page === null || page.length > 0;) {
      const after = found.at(-1)?.id ?? "";
      page = this.#db.prepare(ERASED).all({ after }) as unknown as Erased[];
      found.push(...page.map(({ id, at }) => ({ id, at })));
    }
    return found;
  }

  async close(): Promise<void> {
    if (this.#db.isOpen) this.#db.close();
    if (this.#copies) await rm(this.#copies, { recursive: true, force: true });
  }
}

/** None where the process that made the file has not come to its first. */
function names(db: DatabaseSync): string[] {
  const there = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'migrations'").get();
  if (!there) return [];
  return db
    .prepare("SELECT name FROM migrations ORDER BY name")
    .all()
    .map(({ name }) => String(name));
}
