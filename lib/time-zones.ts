/**
 * Wall clocks of IANA time zones, by Temporal. A wall time is the number of milliseconds that the clock on the wall would
 * stand for if it were in UTC.
 */
import { Temporal } from "temporal-polyfill";

/** How long an offset is in force. */
interface Span {
  from: number;
  until: number;
  offset: number;
}

const DAY = 86_400_000;
/** The widest offset and the widest gap, a whole day, change no wall time further away than this. */
const NEAR = 1.5 * DAY;
/** The latest first; of each zone that was asked for. Temporal takes ten microseconds for each look. */
const spans = new Map<string, Span[]>();
const SPANS_KEPT = 50;
const ZONES_KEPT = 700;

/** Whether `name` is the name of a zone, spelled as it is; offsets like `+08:00` are none. */
export function isTimeZone(name: string): boolean {
  if (name.length > 64 || !/^[A-Z]/.test(name)) return false;
  try {
    return Temporal.Now.zonedDateTimeISO(name).timeZoneId === name;
  } catch {
    return false;
  }
}

/** What the clock in `timezone` shows at `instant`. Throws a RangeError for an unknown zone, as the others do. */
export function wallOf(timezone: string, instant: number): number {
  return instant + spanAt(timezone, instant).offset;
}

/**
 * When the clock in `timezone` shows `wall`. A time that it skips is moved forward by the gap, of one that it shows
 * twice it is the first (RFC 5545, 3.3.5).
 */
export function instantOf(timezone: string, wall: number): number {
  const { from, until, offset } = spanAt(timezone, wall);
  if (wall - NEAR >= from && wall + NEAR < until) return wall - offset;
  const shown = Temporal.Instant.fromEpochMilliseconds(wall).toZonedDateTimeISO("UTC").toPlainDateTime();
  return shown.toZonedDateTime(timezone).epochMilliseconds;
}

/** Whether the clock in `timezone` is changed in the days around `instant`. */
export function isChangedNear(timezone: string, instant: number): boolean {
  const { from, until } = spanAt(timezone, instant);
  return instant - NEAR < from || instant + NEAR >= until;
}

function spanAt(timezone: string, instant: number): Span {
  const kept = spans.get(timezone) ?? [];
  const found = kept.find(({ from, until }) => instant >= from && instant < until);
  if (found) return found;
  const span = lookUp(timezone, instant);
  if (spans.size >= ZONES_KEPT) spans.clear();
  spans.set(timezone, [span, ...kept.slice(0, SPANS_KEPT - 1)]);
  return span;
}

function lookUp(timezone: string, instant: number): Span {
  const asked = Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(timezone);
  // What began at the instant itself began before the next one.
  const before = asked.add({ nanoseconds: 1 }).getTimeZoneTransition("previous");
  const after = asked.getTimeZoneTransition("next");
  return {
    from: before?.epochMilliseconds ?? -Infinity,
    until: after?.epochMilliseconds ?? Infinity,
    offset: asked.offsetNanoseconds / 1_000_000,
  };
}

/** The offset of `timezone` from UTC from `from` on, and from each change until `until` on (all milliseconds). */
export function offsetsOf(timezone: string, from: number, until: number): { from: number; offset: number }[] {
  const found: { from: number; offset: number }[] = [];
  for (let at = from; at < until;) {
    const span = spanAt(timezone, at);
    if (found.at(-1)?.offset !== span.offset) found.push({ from: at, offset: span.offset });
    at = span.until;
  }
  return found;
}
