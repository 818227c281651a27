/** Feeds in iCalendar (RFC 5545), as Apple, Google and Outlook calendars subscribe to them. */
import ICAL from "ical.js";
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

// The library does not count the space that a continued line begins with.
ICAL.foldLength = 74;
// Of RFC 7986 and of vendors; the library writes what it does not know as it is.
Object.assign(ICAL.design.icalendar.property, {
  name: { defaultType: "text" },
  "x-wr-calname": { defaultType: "text" },
  "refresh-interval": { defaultType: "duration" },
});

/** The feed as text. */
export function feedOf({ name, productId, entries, now }: Feed): string {
  const calendar = new ICAL.Component("vcalendar");
  const lines = {
    version: "2.0",
    prodid: clean(productId),
    calscale: "GREGORIAN",
    name: clean(name),
    "x-wr-calname": clean(name),
    "x-published-ttl": REFRESH,
  };
  for (const [key, value] of Object.entries(lines)) calendar.addPropertyWithValue(key, value);
  const refresh = calendar.addPropertyWithValue("refresh-interval", ICAL.Duration.fromString(REFRESH));
  // RFC 7986 has no default for it.
  refresh.setParameter("value", "DURATION");
  for (const zone of zonesOf(entries)) calendar.addSubcomponent(zone);
  for (const entry of entries)
    for (const event of eventsOf(entry)) calendar.addSubcomponent(componentOf(event, entry, now));
  return `${calendar.toString()}\r\n`;
}

/** What a VEVENT says beyond its entry. */
interface Event {
  uid: string;
  times: Occurrence;
  cancelled: boolean;
  /** Of the master. */
  repetition?: Repetition;
  /** Of an exception. */
  exceptionTo?: number;
}

interface Repetition {
  rrule: string;
  exdates: number[];
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
  const repetition = { rrule, exdates: exdates.filter((exdate) => !names.has(exdate)) };
  const master: Event = { uid, times: originally(schedule, firstStart), cancelled: false, repetition };
  const exceptions = [...names]
    .toSorted((a, b) => a - b)
    .flatMap((name) => {
      const event = eventNamed(entry, name);
      return event ? [{ ...event, exceptionTo: name }] : [];
    });
  return [master, ...exceptions];
}

function componentOf(
  { uid, times, cancelled, repetition, exceptionTo }: Event,
  entry: FeedEntry,
  now: number,
): ICAL.Component {
  const { timezone } = entry.schedule;
  const { rrule, exdates = [] } = repetition ?? {};
  const event = new ICAL.Component("vevent");
  const time = repetition ? zoned : exact;
  const stamps = { dtstamp: now, created: entry.createdAt, "last-modified": entry.updatedAt };
  event.addProperty(time("dtstart", times.startsAt, timezone));
  event.addProperty(time("dtend", times.endsAt, timezone));
  for (const [name, at] of Object.entries(stamps)) event.addProperty(inUtc(name, at));
  if (exceptionTo !== undefined) event.addProperty(zoned("recurrence-id", exceptionTo, timezone));
  if (rrule !== undefined) event.addPropertyWithValue("rrule", ICAL.Recur.fromString(rrule));
  for (const exdate of exdates) event.addProperty(zoned("exdate", exdate, timezone));
  const texts = {
    uid,
    summary: entry.title,
    description: entry.description,
    location: times.location ?? entry.location,
    url: entry.url ?? "",
    status: cancelled ? "CANCELLED" : entry.status,
  };
  const always = new Set(["uid", "summary"]);
  for (const [name, text] of Object.entries(texts))
    if (text || always.has(name))
      event.addPropertyWithValue(name, name === "url" ? oneLine(text) : clean(text));
  event.addPropertyWithValue("sequence", entry.sequence);
  return event;
}

function utc(instant: number): string {
  return `${new Date(instant).toISOString().slice(0, 19).replace(/[-:]/g, "")}Z`;
}

const isUtc = (timezone: string): boolean => /^(Etc\/)?(UTC|UCT|Universal|Zulu)$/.test(timezone);

function inUtc(name: string, instant: number): ICAL.Property {
  return property(name, `${new Date(instant).toISOString().slice(0, 19)}Z`);
}

/** On the wall clock, as a series has to be. */
function zoned(name: string, instant: number, timezone: string): ICAL.Property {
  if (isUtc(timezone)) return inUtc(name, instant);
  const made = property(name, new Date(wallOf(timezone, instant)).toISOString().slice(0, 19));
  made.setParameter("tzid", timezone);
  return made;
}

function property(name: string, time: string): ICAL.Property {
  const made = new ICAL.Property(name);
  made.setValue(ICAL.Time.fromDateTimeString(time));
  return made;
}

/** In UTC where the wall clock would name another instant. */
function exact(name: string, instant: number, timezone: string): ICAL.Property {
  return isShownOnce(timezone, instant) ? zoned(name, instant, timezone) : inUtc(name, instant);
}

function isShownOnce(timezone: string, instant: number): boolean {
  return instantOf(timezone, wallOf(timezone, instant)) === instant;
}

function zonesOf(entries: FeedEntry[]): ICAL.Component[] {
  const names = new Set(entries.map(({ schedule }) => schedule.timezone).filter((name) => !isUtc(name)));
  return [...names].toSorted().flatMap(zoneNamed);
}

/** Some names are called by newer ones; where there is no block, calendars know the name or not. */
function zoneNamed(timezone: string): ICAL.Component[] {
  const [block = ""] = tzlib_get_ical_block(timezone);
  if (!block.startsWith("BEGIN:VTIMEZONE")) return [];
  const zone = ICAL.Component.fromString(block);
  zone.updatePropertyWithValue("tzid", timezone);
  return [zone];
}

/** What TEXT (RFC 5545, 3.3.11) may hold; the library escapes the rest. */
function clean(text: string): string {
  const lines = text.replace(/\r\n?/g, "\n");
  return lines.replace(/[^\P{Cc}\n\t]/gu, "").toWellFormed();
}

function oneLine(text: string): string {
  return clean(text).replaceAll("\n", "");
}
