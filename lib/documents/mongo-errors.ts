/** What errors of MongoDB and its driver mean to whoever asked. */
import { MongoBulkWriteError, MongoServerError } from "mongodb";
import type { BulkWriteResult } from "mongodb";
import { AppError } from "../errors.ts";

const DUPLICATE_KEY = 11_000;
/** What the server says of an update that does not fit the document: BadValue, TypeMismatch, PathNotViable. */
const UNFIT = [2, 14, 28];
/** Of a member that is no primary or is stopping, and of a majority that did not confirm in time. */
const AWAY = [64, 89, 91, 189, 10_058, 10_107, 11_600, 11_602, 13_435, 13_436];

/** Which writes met a duplicate key, where that is all that went wrong. @throws what else did */
export function duplicatesOf(error: unknown): { indexes: number[]; result: BulkWriteResult } {
  if (!(error instanceof MongoBulkWriteError)) throw explained(error);
  const refused = [error.writeErrors].flat();
  const worse = refused.find(({ code }) => code !== DUPLICATE_KEY);
  if (worse && UNFIT.includes(worse.code)) throw new TypeError(worse.errmsg);
  if (worse || refused.length === 0) throw explained(error);
  if (error.result.getWriteConcernError()) throw new AppError("UNAVAILABLE", { retryAfter: 2 });
  return { indexes: refused.map(({ index }) => index), result: error.result };
}

/** Of a single write: a value is there already that may be there once. */
export const isDuplicate = (error: unknown): boolean =>
  error instanceof MongoServerError && error.code === DUPLICATE_KEY;

/** A server's refusal of the call itself goes on as it is; everything else means that it did not answer. */
export function explained(error: unknown): unknown {
  if (error instanceof MongoServerError && UNFIT.includes(Number(error.code)))
    return new TypeError(error.message);
  const unwritten = error instanceof MongoBulkWriteError && [error.writeErrors].flat().length === 0;
  const away =
    !(error instanceof MongoServerError) ||
    unwritten ||
    AWAY.includes(Number(error.code)) ||
    error.hasErrorLabel("RetryableWriteError");
  const ofDriver = error instanceof Error && error.name.startsWith("Mongo");
  return away && ofDriver ? new AppError("UNAVAILABLE", { retryAfter: 2 }) : error;
}

/** The answer; what went wrong is explained. */
export async function answered<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw explained(error);
  }
}
