/** Rows of the domain's tables, what clients see of them, and where their objects are. */
import type { Statements } from "../../lib/database.ts";
import { iso } from "../../lib/types.ts";
import type { PURPOSES, StoredFile, SUBJECTS } from "./files.contract.ts";
import { WIDTHS } from "./files.contract.ts";

export type Purpose = (typeof PURPOSES)[number];
export type SubjectType = (typeof SUBJECTS)[number];

export interface FileRow {
  id: string;
  /** Null: who uploaded it is erased. */
  owner_id: string | null;
  name: string;
  content_type: string;
  size: number;
  purpose: Purpose;
  status: "pending" | "ready";
  storage_key: string | null;
  width: number | null;
  height: number | null;
  created_at: number;
}

export const DAY = 86_400_000;

/** A file that is not deleted; null when there is none. */
export async function fileOf(statements: Statements, id: string): Promise<FileRow | null> {
  return statements.one<FileRow>("SELECT * FROM files WHERE id = :id AND deleted_at IS NULL", { id });
}

export function present(row: FileRow): StoredFile {
  const { id, name, content_type: contentType, size, purpose, status, width, height } = row;
  return { id, name, contentType, size, purpose, status, width, height, createdAt: iso(row.created_at) };
}

/** Seen by everybody, whatever shows it. */
export function isPublic(purpose: Purpose): boolean {
  return purpose === "avatar" || purpose === "logo";
}

/** Where a client uploads a file to. */
export function uploadKey(id: string): string {
  return `uploads/${id}`;
}

/**
 * Where it is kept: under another name than it was uploaded to, so that a second upload changes nothing, and a new one for
 * each try, so that none meets what another has left.
 */
export function keptKey({ id, purpose }: Pick<FileRow, "id" | "purpose">, attempt: string): string {
  return `${purpose}/${id}/${attempt}`;
}

export function variantKey(key: string, width: number): string {
  return `${key}.${width}`;
}

/** Every object that a file may have. */
export function objectsOf({ id, storage_key: key }: Pick<FileRow, "id" | "storage_key">): string[] {
  const kept = key === null ? [] : [key, ...WIDTHS.map((width) => variantKey(key, width))];
  return [uploadKey(id), ...kept];
}
