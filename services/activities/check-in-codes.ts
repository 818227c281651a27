/**
 * Codes to show at the door: signed, for one occurrence, another one every 30 seconds. A code is good until the end of
 * the half minute after the one in which it was made, so that one that was just shown can be typed.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

const STEP = 30_000;
const MAC_BYTES = 12;

export interface CheckInCode {
  code: string;
  /** Milliseconds. */
  expiresAt: number;
}

/** The code of this half minute. @param key the activity's own, in base64url @param now milliseconds */
export function codeFor(key: string, activity: string, occurrence: number, now: number): CheckInCode {
  const step = Math.floor(now / STEP);
  return { code: codeAt(key, activity, occurrence, step), expiresAt: (step + 2) * STEP };
}

/** The occurrence that a code was made for; null when it is forged, of another activity, or not good any more. */
export function readCode(key: string, activity: string, code: string, now: number): number | null {
  const parts = /^([0-9a-z]{1,11})-([0-9a-z]{1,11})-[\w-]{16}$/.exec(code);
  if (!parts) return null;
  const [occurrence, step] = [parseInt(parts[1] as string, 36), parseInt(parts[2] as string, 36)];
  const expected = Buffer.from(codeAt(key, activity, occurrence, step));
  const given = Buffer.from(code);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
  const present = Math.floor(now / STEP);
  // One ahead: the clock of the node that made it may be ahead of this one's.
  return step >= present - 1 && step <= present + 1 ? occurrence : null;
}

function codeAt(key: string, activity: string, occurrence: number, step: number): string {
  const said = `${occurrence.toString(36)}-${step.toString(36)}`;
  const mac = createHmac("sha256", Buffer.from(key, "base64url")).update(`${activity} ${said}`).digest();
  return `${said}-${mac.subarray(0, MAC_BYTES).toString("base64url")}`;
}
