/**
 * Every refusal has a stable code with a status and its words in two languages; nothing else reaches a client.
 * Words say what to do next. `{name}` is filled from the error's `data`.
 */
import type { Language } from "./declare.ts";
import { DOMAINS } from "./refusals/domains.ts";
import { EVERYWHERE } from "./refusals/everywhere.ts";
import { FIELD_CODES } from "./refusals/fields.ts";
import { OFFICE } from "./refusals/office.ts";

export const CATALOG = { ...EVERYWHERE, ...DOMAINS, ...OFFICE } as const;

export type Code = keyof typeof CATALOG;

export type FieldCode = keyof typeof FIELD_CODES;
export interface FieldError {
  field: string;
  code: FieldCode;
  /** Fills the message's placeholders. */
  values?: Record<string, string | number>;
}

/**
 * A refusal with a code of the catalogue. It crosses nodes as plain fields (`code` = status, `type` = code).
 * `data` fills the words, and may carry `errors` (fields) and `retryAfter` (seconds).
 */
export class AppError extends Error {
  readonly code: number;
  readonly type: Code;
  readonly data: ErrorData;

  constructor(type: Code, data: ErrorData = {}) {
    // A refusal is no fault: where it was made is of no use, and costs more than all the rest of it.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(CATALOG[type].en[1]);
    Error.stackTraceLimit = stackTraceLimit;
    this.name = "AppError";
    this.type = type;
    this.code = CATALOG[type].status;
    this.data = data;
  }
}

export interface ErrorData {
  errors?: FieldError[];
  retryAfter?: number;
  [value: string]: unknown;
}

/** A 422 that names fields. */
export function invalid(...errors: FieldError[]): AppError {
  return new AppError("VALIDATION_FAILED", { errors });
}

/** Whether `error` is a refusal of the catalogue, also when it came from another node. */
export function isAppError(error: unknown): error is AppError {
  const type = (error as { type?: unknown } | null)?.type;
  return typeof type === "string" && (error as Error).name === "AppError" && Object.hasOwn(CATALOG, type);
}

/** Whether `error` is the refusal `type`. */
export function isRefusal(error: unknown, type: Code): error is AppError {
  return isAppError(error) && error.type === type;
}

function fill(text: string, values: Record<string, unknown>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}

/** What is wrong with a field, in the reader's language. */
export function fieldMessage({ code, values = {} }: Omit<FieldError, "field">, language: Language): string {
  return fill(FIELD_CODES[code][language === "zh-CN" ? 1 : 0], values);
}

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  requestId: string;
  errors?: { field: string; code: string; message: string }[];
}

/** The problem document (RFC 9457) of a refusal in the reader's language. */
export function problemOf(error: AppError, language: Language, requestId: string): Problem {
  const known = CATALOG[error.type];
  const [title, detail] = language === "zh-CN" ? known.zh : known.en;
  const code = publicCode(error.type);
  return {
    type: `urn:club-alliance:problem:${code.toLowerCase().replaceAll("_", "-")}`,
    title,
    status: known.status,
    detail: fill(detail, error.data),
    code,
    requestId,
    ...(error.data.errors && {
      errors: error.data.errors.map(({ field, code: fieldCode, values }) => ({
        field,
        code: fieldCode,
        message: fieldMessage({ code: fieldCode, ...(values && { values }) }, language),
      })),
    }),
  };
}

/** Codes that share one public name but differ in status and words. */
function publicCode(type: Code): string {
  if (type === "INVALID_RESET_TOKEN") return "INVALID_TOKEN";
  if (type === "ROUTE_NOT_FOUND") return "NOT_FOUND";
  if (type === "TOTP_CODE_WRONG") return "TOTP_INVALID";
  return type;
}
