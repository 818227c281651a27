/**
 * Wall clocks of IANA time zones, from the tables of Node's own ICU. A wall time is the number of milliseconds that
 * the clock on the wall would stand for if it were in UTC.
 */

import { floor } from "./recurrence/days.ts";

const SECOND = 1000;
const DAY = 86_400 * SECOND;
/** Offsets are looked up for so long a time at once. */
const STRETCH = 366 * DAY;
/** No zone since 1970 has changed its clocks twice within a week. */
const PROBE = 7 * DAY;
/** Before every change that may touch a wall time: the widest offset, and the widest gap (a whole day). */
const BEFORE = 1.5 * DAY;
const STRETCHES_KEPT = 500;

/** Offsets in force from `starts[i]` on. */
interface Stretch {
  starts: number[];
  offsets: number[];
}

interface Zone {
  format: Intl.DateTimeFormat;
  stretches: Map<number, Stretch>;
}

const zones = new Map<string, Zone | null>();
const NAMES_KEPT = 2000;

/** Whether ICU knows `name` as the name of a zone; offsets like `+08:00` are none. */
export function isTimeZone(name: string): boolean {
  return zoneNamed(name) !== null;
}

/** What the clock in `timezone` shows at `instant`. */
export function wallOf(timezone: string, instant: number): number {
  return instant + offsetAt(timezone, instant);
}

/**
 * When the clock in `timezone` shows `wall`. A time that it skips is moved forward by the gap, of one that it shows
 * twice it is the first (RFC 5545, 3.3.5).
 */
export function instantOf(timezone: string, wall: number): number {
  const before = offsetAt(timezone, wall - BEFORE);
  const early = wall - before;
  const after = offsetAt(timezone, early);
  if (after === before) return early;
  const late = wall - after;
  return offsetAt(timezone, late) === after ? late : early;
}

/** Milliseconds that `timezone` is ahead of UTC at `instant`. */
export function offsetAt(timezone: string, instant: number): number {
  const { starts, offsets } = stretchAt(known(timezone), floor(instant / STRETCH));
  let last = starts.length - 1;
  while (last > 0 && (starts[last] as number) > instant) last -= 1;
  return offsets[last] as number;
}

function known(timezone: string): Zone {
  const zone = zones.get(timezone) ?? zoneNamed(timezone);
  if (zone === null) throw new RangeError(`There is no time zone "${timezone}".`);
  return zone;
}

function zoneNamed(name: string): Zone | null {
  const kept = zones.get(name);
  if (kept !== undefined) return kept;
  if (zones.size >= NAMES_KEPT) zones.clear();
  const zone = openZone(name);
  zones.set(name.slice(0, 64), zone);
  return zone;
}

function openZone(name: string): Zone | null {
  if (!/^[A-Z][A-Za-z0-9_+-]*(\/[A-Z][A-Za-z0-9_+-]*)*$/.test(name) || name.length > 64) return null;
  try {
    const format = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
    return isSpelledRight(name, format) ? { format, stretches: new Map() } : null;
  } catch {
    return null;
  }
}

/** ICU takes names in any case, calendars do not. Names that it has replaced by newer ones cannot be compared. */
function isSpelledRight(name: string, format: Intl.DateTimeFormat): boolean {
  const { timeZone } = format.resolvedOptions();
  return timeZone === name || timeZone.toLowerCase() !== name.toLowerCase();
}

function stretchAt(zone: Zone, index: number): Stretch {
  const kept = zone.stretches.get(index);
  if (kept !== undefined) return kept;
  if (zone.stretches.size >= STRETCHES_KEPT) zone.stretches.clear();
  const stretch = lookUp(zone, index * STRETCH);
  zone.stretches.set(index, stretch);
  return stretch;
}

function lookUp(zone: Zone, from: number): Stretch {
  const stretch: Stretch = { starts: [from], offsets: [askOffset(zone, from)] };
  for (let at = from; at < from + STRETCH; at += PROBE) {
    const next = Math.min(at + PROBE, from + STRETCH - SECOND);
    const offset = askOffset(zone, next);
    if (offset === stretch.offsets.at(-1)) continue;
    stretch.starts.push(changeWithin(zone, at, next, offset));
    stretch.offsets.push(offset);
  }
  return stretch;
}

/** The first second in (before, after] that has the offset of `after`. */
function changeWithin(zone: Zone, before: number, after: number, offset: number): number {
  let [low, high] = [before / SECOND, after / SECOND];
  while (high - low > 1) {
    const middle = floor((low + high) / 2);
    if (askOffset(zone, middle * SECOND) === offset) high = middle;
    else low = middle;
  }
  return high * SECOND;
}

function askOffset({ format }: Zone, instant: number): number {
  const found = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(format.format(instant));
  if (!found) throw new Error(`Intl gave no offset at ${instant}.`);
  const [, sign, hours = 0, minutes = 0, seconds = 0] = found;
  const offset = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  return (sign === "-" ? -offset : offset) * SECOND;
}
