/** Feeds in iCalendar (RFC 5545), as Apple, Google and Outlook calendars subscribe to them. */
import { tzlib_get_ical_block } from "timezones-ical-library";
import { occurrenceAt, seriesOfCalendar } from "./recurrence.ts";
import type { Occurrence, Schedule } from "./recurrence.ts";
import { instantOf, wallOf } from "./time-zones.ts";

export interface FeedEntry {
  uid: string;
  schedule: Schedule;
  title: string;
  description: string;
  location: string;
  url?: string;
  status: "CONFIRMED" | "CANCELLED" | "TENTATIVE";
  sequence: number;
  createdAt: number;
  updatedAt: number;
  /** Original starts of occurrences that were cancelled one by one. */
  cancelled: number[];
  /** Only these occurrences of a series, as events of their own: an exception without its series is no event. */
  only?: number[];
}

export interface Feed {
  name: string;
  /** Such as `-//Club Alliance//Calendar//EN`. */
  productId: string;
  entries: FeedEntry[];
  /** When the feed is made. */
  now: number;
}

/** Subscribers are asked to come again after an hour. */
const REFRESH = "PT1H";
/** Octets of a line without its break (3.1). */
const LINE = 75;

/** The feed as text. */
export function feedOf({ name, productId, entries, now }: Feed): string {
  const lines = [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    `PRODID:${escaped(productId)}`,
    "CALSCALE:GREGORIAN",
    "METHOD:PUBLISH",
    `NAME:${escaped(name)}`,
    `X-WR-CALNAME:${escaped(name)}`,
    `REFRESH-INTERVAL;VALUE=DURATION:${REFRESH}`,
    `X-PUBLISHED-TTL:${REFRESH}`,
    ...zonesOf(entries),
    ...entries.flatMap((entry) => eventsOf(entry).flatMap((event) => linesOf(event, entry, now))),
    "END:VCALENDAR",
  ];
  return lines.map((line) => `${folded(line)}\r\n`).join("");
}

/** What a VEVENT says beyond its entry. */
interface Event {
  uid: string;
  times: Occurrence;
  cancelled: boolean;
  /** Of the master. */
  repetition?: string[];
  /** Of an exception. */
  exceptionTo?: number;
}

function eventsOf(entry: FeedEntry): Event[] {
  const { schedule, only } = entry;
  if (schedule.recurrence !== null && !only) return seriesEvents(entry);
  const names = only ?? [schedule.originalStart ?? schedule.startsAt];
  return names.flatMap((name) => {
    const event = eventNamed(entry, name);
    return event ? [schedule.recurrence === null ? event : { ...event, uid: uidOf(entry.uid, name) }] : [];
  });
}

function eventNamed(entry: FeedEntry, name: number): Event | null {
  const times = occurrenceAt(entry.schedule, name) ?? takenOut(entry, name);
  return times && { uid: entry.uid, times, cancelled: entry.cancelled.includes(name) };
}

/** A cancelled occurrence that is an exdate too: still shown as cancelled. */
function takenOut({ schedule, cancelled }: FeedEntry, name: number): Occurrence | null {
  if (!cancelled.includes(name) || !schedule.recurrence?.exdates.includes(name)) return null;
  return originally(schedule, name);
}

function originally({ startsAt, endsAt }: Schedule, name: number): Occurrence {
  return { occurrence: name, startsAt: name, endsAt: name + endsAt - startsAt, location: null };
}

function uidOf(uid: string, name: number): string {
  const at = uid.indexOf("@");
  return at < 0 ? `${uid}-${utc(name)}` : `${uid.slice(0, at)}-${utc(name)}${uid.slice(at)}`;
}

/** The master, then an exception for each occurrence that is not as the rule says. */
function seriesEvents(entry: FeedEntry): Event[] {
  const { uid, schedule, cancelled } = entry;
  const series = seriesOfCalendar(schedule);
  if (!series) return [];
  const { firstStart, rrule } = series;
  const { exdates = [], overrides = [] } = schedule.recurrence ?? {};
  const unsaid = isShownOnce(schedule.timezone, firstStart) ? [] : [firstStart];
  const names = new Set([...unsaid, ...overrides.map(({ occurrence }) => occurrence), ...cancelled]);
  const repetition = [
    `RRULE:${rrule}`,
    ...exdates
      .filter((exdate) => !names.has(exdate))
      .map((exdate) => zoned("EXDATE", exdate, schedule.timezone)),
  ];
  const master: Event = { uid, times: originally(schedule, firstStart), cancelled: false, repetition };
  const exceptions = [...names]
    .toSorted((a, b) => a - b)
    .flatMap((name) => {
      const event = eventNamed(entry, name);
      return event ? [{ ...event, exceptionTo: name }] : [];
    });
  return [master, ...exceptions];
}

function linesOf(
  { uid, times, cancelled, repetition, exceptionTo }: Event,
  entry: FeedEntry,
  now: number,
): string[] {
  const { timezone } = entry.schedule;
  const place = times.location ?? entry.location;
  const time = repetition ? zoned : exact;
  return [
    "BEGIN:VEVENT",
    `UID:${escaped(uid)}`,
    `DTSTAMP:${utc(now)}`,
    time("DTSTART", times.startsAt, timezone),
    time("DTEND", times.endsAt, timezone),
    ...(exceptionTo === undefined ? [] : [zoned("RECURRENCE-ID", exceptionTo, timezone)]),
    ...(repetition ?? []),
    `SUMMARY:${escaped(entry.title)}`,
    ...(entry.description ? [`DESCRIPTION:${escaped(entry.description)}`] : []),
    ...(place ? [`LOCATION:${escaped(place)}`] : []),
    ...(entry.url ? [`URL:${withoutControls(entry.url)}`] : []),
    `STATUS:${cancelled ? "CANCELLED" : entry.status}`,
    `SEQUENCE:${entry.sequence}`,
    `CREATED:${utc(entry.createdAt)}`,
    `LAST-MODIFIED:${utc(entry.updatedAt)}`,
    "END:VEVENT",
  ];
}

function utc(instant: number): string {
  return `${basic(instant)}Z`;
}

function basic(time: number): string {
  return new Date(time).toISOString().slice(0, 19).replace(/[-:]/g, "");
}

const isUtc = (timezone: string): boolean => /^(Etc\/)?(UTC|UCT|Universal|Zulu)$/.test(timezone);

/** On the wall clock, as a series has to be. */
function zoned(name: string, instant: number, timezone: string): string {
  if (isUtc(timezone)) return `${name}:${utc(instant)}`;
  return `${name};TZID=${timezone}:${basic(wallOf(timezone, instant))}`;
}

/** In UTC where the wall clock would name another instant. */
function exact(name: string, instant: number, timezone: string): string {
  return isShownOnce(timezone, instant) ? zoned(name, instant, timezone) : `${name}:${utc(instant)}`;
}

function isShownOnce(timezone: string, instant: number): boolean {
  return instantOf(timezone, wallOf(timezone, instant)) === instant;
}

function zonesOf(entries: FeedEntry[]): string[] {
  const names = new Set(entries.map(({ schedule }) => schedule.timezone).filter((name) => !isUtc(name)));
  return [...names].toSorted().flatMap(zoneLines);
}

/** The library calls some names by newer ones; where it has none there is no block, and calendars know the name or not. */
function zoneLines(timezone: string): string[] {
  const [block = ""] = tzlib_get_ical_block(timezone);
  if (!block.startsWith("BEGIN:VTIMEZONE")) return [];
  return block.split("\r\n").map((line) => (line.startsWith("TZID:") ? `TZID:${timezone}` : line));
}

/** TEXT (3.3.11). */
function escaped(text: string): string {
  return withoutControls(
    text
      .replace(/\r\n?/g, "\n")
      .replace(/[\\;,]/g, "\\$&")
      .replaceAll("\n", "\\n"),
  );
}

function withoutControls(text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what has to go
  return text.replace(/[\u0000-\u0008\u000a-\u001f\u007f]/g, "").toWellFormed();
}

/** Lines of at most 75 octets (3.1), never cut within a character. */
function folded(line: string): string {
  if (Buffer.byteLength(line) <= LINE) return line;
  let [result, room] = ["", LINE];
  for (const character of line) {
    const size = Buffer.byteLength(character);
    if (size > room) {
      result += "\r\n ";
      room = LINE - 1;
    }
    result += character;
    room -= size;
  }
  return result;
}
