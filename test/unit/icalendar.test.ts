/** Feeds, read again by ical.js. */
import fc from "fast-check";
import ICAL from "ical.js";
import { feedOf } from "../../lib/icalendar.ts";
import type { FeedEntry } from "../../lib/icalendar.ts";
import { occurrencesBetween } from "../../lib/recurrence.ts";
import type { Schedule } from "../../lib/recurrence.ts";
import { instantOf } from "../../lib/time-zones.ts";
import { DAY, HOUR, schedule, walls, ZONES } from "../support/random-rules.ts";

const NOW = Date.UTC(2026, 8, 1);
const at = (iso: string): number => Date.parse(`${iso}Z`);

const entry = (plan: Schedule, more: Partial<FeedEntry> = {}): FeedEntry => ({
  uid: "0199-a@clubs.example",
  schedule: plan,
  title: "读书会, 第一次; 「诗」 📚",
  description: "带上书\nBring a book\\pen, please; 谢谢",
  location: "图书馆 3 楼, A 室",
  url: "https://clubs.example/a?x=1,2;3",
  status: "CONFIRMED",
  sequence: 3,
  createdAt: NOW - DAY,
  updatedAt: NOW - HOUR,
  cancelled: [],
  ...more,
});

const feed = (...entries: FeedEntry[]): string =>
  feedOf({ name: "读书社 📖, 日历", productId: "-//Club Alliance//Calendar//EN", entries, now: NOW });

const parse = (text: string): ICAL.Component => new ICAL.Component(ICAL.parse(text));
const eventsIn = (text: string): ICAL.Component[] => parse(text).getAllSubcomponents("vevent");
const property = (component: ICAL.Component | null | undefined, name: string): string =>
  String(component?.getFirstPropertyValue(name) ?? "");

/** What RFC 5545 (and 7986) ask of a feed; what they do not is not looked at. */
function check(text: string): void {
  expect(text.endsWith("END:VCALENDAR\r\n")).toBe(true);
  expect(text.replaceAll("\r\n", "")).not.toMatch(/[\r\n]/);
  for (const line of text.split("\r\n")) {
    expect(Buffer.byteLength(line)).toBeLessThanOrEqual(75);
    expect(line).not.toContain("\uFFFD");
  }
  for (const line of text.replaceAll("\r\n ", "").split("\r\n").slice(0, -1))
    expect(line).toMatch(/^[A-Z][A-Z-]*(;[A-Z-]+=[^:;,"]+)*:/);
  const calendar = parse(text);
  for (const name of ["version", "prodid", "x-wr-calname", "refresh-interval", "x-published-ttl"])
    expect(calendar.getAllProperties(name)).toHaveLength(1);
  // With it RFC 5546 asks for an ORGANIZER.
  expect(calendar.hasProperty("method")).toBe(false);
  const zones = calendar.getAllSubcomponents("vtimezone").map((zone) => property(zone, "tzid"));
  expect(new Set(zones).size).toBe(zones.length);
  const names = new Set<string>();
  const events = calendar.getAllSubcomponents("vevent");
  for (const event of events) checkEvent(event, events, zones, names);
}

function checkEvent(event: ICAL.Component, all: ICAL.Component[], zones: string[], names: Set<string>): void {
  for (const name of [
    "uid",
    "dtstamp",
    "dtstart",
    "dtend",
    "summary",
    "status",
    "sequence",
    "last-modified",
    "created",
  ])
    expect(event.getAllProperties(name)).toHaveLength(1);
  for (const each of event.getAllProperties()) {
    const zone = each.getFirstParameter("tzid");
    if (zone) expect(zones).toContain(zone);
  }
  const exception = event.getFirstProperty("recurrence-id");
  const name = `${property(event, "uid")} ${property(event, "recurrence-id")}`;
  expect(names).not.toContain(name);
  names.add(name);
  if (!exception) return;
  const master = all.find(
    (each) => property(each, "uid") === property(event, "uid") && each.hasProperty("rrule"),
  );
  expect(master?.getFirstProperty("dtstart")?.getFirstParameter("tzid")).toBe(
    exception.getFirstParameter("tzid"),
  );
}

const weekly = (more: Partial<Schedule> = {}): Schedule =>
  schedule(null, {
    recurrence: {
      rrule: "freq=weekly;until=20261001",
      exdates: [at("2026-09-08T11:00")],
      overrides: [{ occurrence: at("2026-09-15T11:00"), startsAt: at("2026-09-16T09:00"), location: "礼堂" }],
    },
    ...more,
  });

describe("a feed", () => {
  test("keeps its texts", () => {
    const text = feed(entry(schedule(null)));
    check(text);
    const [event] = eventsIn(text);
    const { title, description, location, url, uid } = entry(schedule(null));
    const expected = { summary: title, description, location, url, uid, status: "CONFIRMED", sequence: "3" };
    for (const [name, value] of Object.entries(expected)) expect(property(event, name)).toBe(value);
    expect(text).toContain("X-WR-CALNAME:读书社 📖\\, 日历\r\n");
    expect(property(event, "dtstart")).toBe("2026-09-01T19:00:00");
    expect(property(event, "dtend")).toBe("2026-09-01T21:00:00");
    expect(property(event, "last-modified")).toBe("2026-08-31T23:00:00Z");
  });

  /** Not with the very character that a broken one is found by. */
  const graphemes = fc
    .string({ unit: "grapheme", maxLength: 200 })
    .filter((text) => !text.includes("\uFFFD"));

  test("any text is folded, escaped and read again", () => {
    fc.assert(
      fc.property(graphemes, (title) => {
        const text = feed(entry(schedule(null), { title: `x${title}`, description: "" }));
        check(text);
        // oxlint-disable-next-line no-control-regex -- they are taken out
        const clean = `x${title}`.replace(/\r\n?/g, "\n").replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, "");
        expect(property(eventsIn(text)[0], "summary")).toBe(clean);
      }),
    );
  });

  test("nothing in a text becomes a line of its own", () => {
    const evil = "x\r\nEND:VEVENT\rBEGIN:VEVENT\nUID:y\u0000";
    const text = feed(
      entry(schedule(null), { title: evil, description: evil, location: evil, url: evil, uid: evil }),
    );
    check(text);
    expect(eventsIn(text)).toHaveLength(1);
  });

  test("an empty one is a calendar too", () => check(feed()));
});

describe("a series", () => {
  test("is a master with its exceptions", () => {
    const text = feed(entry(weekly(), { cancelled: [at("2026-09-22T11:00")] }));
    check(text);
    const [master, moved, cancelled, ...more] = eventsIn(text);
    expect(more).toEqual([]);
    expect(text).toContain("RRULE:FREQ=WEEKLY;UNTIL=20261001T155959Z\r\n");
    expect(text).toContain("EXDATE;TZID=Asia/Shanghai:20260908T190000\r\n");
    expect(property(master, "dtstart")).toBe("2026-09-01T19:00:00");
    expect(property(moved, "recurrence-id")).toBe("2026-09-15T19:00:00");
    expect(property(moved, "dtstart")).toBe("2026-09-16T17:00:00");
    expect(property(moved, "location")).toBe("礼堂");
    expect(property(moved, "status")).toBe("CONFIRMED");
    expect(property(cancelled, "recurrence-id")).toBe("2026-09-22T19:00:00");
    expect(property(cancelled, "status")).toBe("CANCELLED");
  });

  test("what was cancelled and taken out is shown as cancelled", () => {
    const text = feed(entry(weekly(), { cancelled: [at("2026-09-08T11:00")] }));
    expect(text).not.toContain("EXDATE");
    expect(property(eventsIn(text)[1], "status")).toBe("CANCELLED");
  });

  test("begins with its first occurrence where its start is none", () => {
    const text = feed(entry(schedule("FREQ=WEEKLY;BYDAY=MO")));
    expect(property(eventsIn(text)[0], "dtstart")).toBe("2026-09-07T19:00:00");
  });

  test("single occurrences are events of their own", () => {
    const only = [at("2026-09-15T11:00"), at("2026-09-22T11:00"), at("2026-09-23T11:00")];
    const text = feed(entry(weekly(), { only, cancelled: [at("2026-09-22T11:00")] }));
    check(text);
    const events = eventsIn(text);
    expect(events.map((each) => property(each, "uid"))).toEqual([
      "0199-a-20260915T110000Z@clubs.example",
      "0199-a-20260922T110000Z@clubs.example",
    ]);
    expect(events.map((each) => property(each, "status"))).toEqual(["CONFIRMED", "CANCELLED"]);
    expect(text).not.toMatch(/RRULE:FREQ=WEEKLY|RECURRENCE-ID/);
  });

  test("in the second of two same hours it starts in UTC", () => {
    const again = { startsAt: at("2026-10-25T01:30"), timezone: "Europe/Berlin" };
    expect(feed(entry(schedule(null, again)))).toContain("DTSTART:20261025T013000Z\r\n");
    const text = feed(entry(schedule("FREQ=DAILY;COUNT=2", again)));
    check(text);
    expect(property(eventsIn(text)[1], "dtstart")).toBe("2026-10-25T01:30:00Z");
  });

  test("in UTC it needs no zone", () => {
    const text = feed(entry(schedule("FREQ=WEEKLY", { timezone: "UTC" })));
    check(text);
    expect(text).not.toContain("TZ");
  });

  test("an older name of a zone has its block", () => {
    const text = feed(entry(schedule("FREQ=WEEKLY", { timezone: "Asia/Calcutta" })));
    check(text);
    expect(property(parse(text).getFirstSubcomponent("vtimezone"), "tzid")).toBe("Asia/Calcutta");
  });

  test("is expanded by others as by us, away from hours that are skipped", () => {
    const cases = fc.tuple(
      // Few kinds: ical.js does not come back from some rules.
      fc.constantFrom(
        "FREQ=DAILY;INTERVAL=3",
        "FREQ=DAILY;UNTIL=20301231",
        "FREQ=WEEKLY;BYDAY=MO,TH;COUNT=9",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,TU;WKST=SU",
        "FREQ=MONTHLY;BYDAY=-1FR",
        "FREQ=MONTHLY;BYMONTHDAY=1,15;COUNT=7",
        "FREQ=YEARLY;BYMONTH=3;BYDAY=2SU",
      ),
      walls.map((wall) => wall - (wall % DAY) + DAY / 2),
      fc.constantFrom(...ZONES),
    );
    fc.assert(
      fc.property(cases, ([rrule, wall, timezone]) => {
        const startsAt = instantOf(timezone, wall);
        const plan = schedule(rrule, { startsAt, timezone });
        const expected = occurrencesBetween(plan, -Infinity, startsAt + 1500 * DAY, 12);
        fc.pre(expected.length > 0);
        expect(byIcal(feed(entry(plan)), expected.length)).toEqual(expected.map((each) => each.startsAt));
      }),
      { numRuns: 150 },
    );
  });
});

/** The first starts, by the zone that stands in the feed itself. */
function byIcal(text: string, limit: number): number[] {
  const calendar = parse(text);
  const zone = new ICAL.Timezone(calendar.getFirstSubcomponent("vtimezone") ?? undefined);
  const event = new ICAL.Event(calendar.getFirstSubcomponent("vevent") ?? undefined);
  const iterator = event.iterator();
  const found: number[] = [];
  for (let next = iterator.next(); next && found.length < limit; next = iterator.next()) {
    next.zone = zone;
    found.push(next.toUnixTime() * 1000);
  }
  return found;
}
