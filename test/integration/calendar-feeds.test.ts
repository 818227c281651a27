/** Calendars to subscribe to, as ical.js reads them. */
import ICAL from "ical.js";
import { newId } from "../../lib/ids.ts";
import { DAY, HOUR, plus, startHall } from "../support/activities.ts";
import type { Club, Hall } from "../support/activities.ts";

let hall: Hall;
let club: Club;
let ada: string;
beforeAll(async () => void (hall = await startHall()), 60_000);
afterAll(async () => hall?.stop());
beforeEach(() => {
  club = hall.club();
  ada = hall.person("Ada");
});

/** An event of a feed, as a calendar takes it. */
interface Event {
  uid: string;
  title: string;
  status: string;
  sequence: number;
  location: string;
  start: string;
  end: string;
  rule: string;
  /** RECURRENCE-ID. */
  exceptionTo: string | null;
}

const utc = (time: ICAL.Time): string => time.toJSDate().toISOString();
const text = (event: ICAL.Component, name: string): string => String(event.getFirstPropertyValue(name) ?? "");

function eventsOf(feed: string): Event[] {
  const calendar = new ICAL.Component(ICAL.parse(feed));
  for (const zone of calendar.getAllSubcomponents("vtimezone"))
    ICAL.TimezoneService.register(new ICAL.Timezone(zone), text(zone, "tzid"));
  return calendar.getAllSubcomponents("vevent").map((component) => {
    const event = new ICAL.Event(component);
    return {
      uid: event.uid,
      title: event.summary,
      status: text(component, "status"),
      sequence: Number(text(component, "sequence")),
      location: event.location,
      start: utc(event.startDate),
      end: utc(event.endDate),
      rule: text(component, "rrule"),
      exceptionTo: component.hasProperty("recurrence-id") ? utc(event.recurrenceId) : null,
    };
  });
}

const feedOf = (target: string) => hall.ok<string>("GET", target);
const clubFeed = async () => eventsOf(await feedOf(`/clubs/${club.id}/calendar.ics`));
/** To the second, as calendars have it. */
const soon = (days: number) => new Date((Math.floor(Date.now() / 1000) + days * 86_400) * 1000).toISOString();
const cancel = (id: string, occurrence?: string) =>
  hall.ok("POST", `/activities/${id}/cancel`, {
    as: club.president,
    body: { reason: "Rain", ...(occurrence && { occurrence }) },
  });

describe("a club's feed", () => {
  test("has its published activities with their times and zones", async () => {
    const startsAt = soon(5);
    await hall.draft(club, { title: "Draft" });
    const { id } = await hall.activity(club, {
      title: "读书会, 第一次; 「诗」",
      startsAt,
      location: "图书馆",
    });
    await hall.activity(hall.club(), { title: "Of others" });
    const answer = await hall.call<string>("GET", `/clubs/${club.id}/calendar.ics`);
    expect(answer.headers["content-type"]).toBe("text/calendar; charset=utf-8");
    expect(answer.body).toContain("读书社");
    expect(eventsOf(answer.body)).toEqual([
      {
        uid: expect.stringContaining(id) as string,
        title: "读书会, 第一次; 「诗」",
        status: "CONFIRMED",
        sequence: 0,
        location: "图书馆",
        start: startsAt,
        end: plus(startsAt, 2 * HOUR),
        rule: "",
        exceptionTo: null,
      },
    ]);
  });

  test("has a series as a rule, with exceptions under its name", async () => {
    const startsAt = soon(5);
    const { id, names } = await hall.series(club, 4, { startsAt });
    const [, second, third] = names as [string, string, string];
    const overrides = [{ occurrence: second, startsAt: plus(second, HOUR), location: "B2" }];
    await hall.patch(club, id, { recurrence: { rrule: "FREQ=DAILY;COUNT=4", overrides } });
    await cancel(id, third);
    const events = await clubFeed();
    const master = events.find(({ exceptionTo }) => exceptionTo === null);
    expect(master).toMatchObject({ start: startsAt, status: "CONFIRMED" });
    expect(master?.rule).toMatch(/FREQ=DAILY/);
    expect(new Set(events.map(({ uid }) => uid)).size).toBe(1);
    expect(events.find(({ exceptionTo }) => exceptionTo === second)).toMatchObject({
      start: plus(second, HOUR),
      location: "B2",
      status: "CONFIRMED",
    });
    expect(events.find(({ exceptionTo }) => exceptionTo === third)).toMatchObject({ status: "CANCELLED" });
  });

  test("counts SEQUENCE with every change of time, place or title, and keeps what is cancelled", async () => {
    const startsAt = soon(5);
    const { id } = await hall.activity(club, { startsAt });
    const only = async () => (await clubFeed())[0] as Event;
    const uid = (await only()).uid;
    const sequences = [(await only()).sequence];
    for (const change of [
      { startsAt: plus(startsAt, DAY), endsAt: plus(startsAt, DAY + HOUR) },
      { location: "B2" },
      { title: "Other" },
    ]) {
      await hall.patch(club, id, change);
      sequences.push((await only()).sequence);
    }
    await cancel(id);
    const last = await only();
    expect(last).toMatchObject({ uid, status: "CANCELLED", start: plus(startsAt, DAY), title: "Other" });
    sequences.push(last.sequence);
    expect(sequences).toEqual(sequences.toSorted((a, b) => a - b));
    expect(new Set(sequences).size).toBe(5);
  });

  test("is there for everyone while the club is, and for nobody after", async () => {
    expect(await hall.outcome("GET", `/clubs/${newId()}/calendar.ics`)).toBe("404 NOT_FOUND");
    expect(await hall.outcome("GET", "/clubs/x/calendar.ics")).toContain("422 VALIDATION_FAILED id=");
    expect(await hall.outcome("GET", `/clubs/${club.id}/calendar.ics?x=1`)).toContain(
      "422 VALIDATION_FAILED x=",
    );
    hall.setStatus(club, "suspended");
    expect(await hall.outcome("GET", `/clubs/${club.id}/calendar.ics`)).toBe("404 NOT_FOUND");
    expect(await hall.outcome("GET", `/clubs/${club.id}/calendar.ics`, { as: club.president })).toBe("200");
  });
});

describe("one's own feed", () => {
  /** Path and query of a new address. */
  const renew = async (as = ada): Promise<string> => {
    const { url } = await hall.ok<{ url: string }>("POST", "/users/me/calendar-token", { as, body: {} });
    const { pathname, search } = new URL(url);
    expect(pathname).toBe("/users/me/calendar.ics");
    return `${pathname}${search}`;
  };
  const feed = async (address: string) => eventsOf(await feedOf(address));

  test("has what one is signed up for, and how one stands in it", async () => {
    const startsAt = soon(5);
    const one = await hall.activity(club, { title: "One", startsAt });
    const full = await hall.activity(club, { title: "Full", startsAt, capacity: 1, waitlist: true });
    await hall.activity(club, { title: "Not mine" });
    const series = await hall.series(club, 3, { title: "Series", startsAt });
    await hall.join(one.id, ada);
    await hall.join(full.id, hall.person());
    await hall.join(full.id, ada);
    await hall.join(series.id, ada, series.names[1]);
    const address = await renew();
    const events = (await feed(address)).toSorted((a, b) => (a.title < b.title ? -1 : 1));
    expect(events.map(({ title, status, start }) => [title, status, start])).toEqual([
      ["Full", "TENTATIVE", startsAt],
      ["One", "CONFIRMED", startsAt],
      ["Series", "CONFIRMED", series.names[1]],
    ]);
    const before = events.map(({ sequence }) => sequence);
    await hall.leave(one.id, ada);
    await cancel(full.id);
    await cancel(series.id, series.names[1]);
    const after = (await feed(address)).toSorted((a, b) => (a.title < b.title ? -1 : 1));
    expect(after.map(({ status }) => status)).toEqual(["CANCELLED", "CANCELLED", "CANCELLED"]);
    expect(after.map(({ uid }) => uid)).toEqual(events.map(({ uid }) => uid));
    after.forEach(({ sequence }, i) => expect(sequence).toBeGreaterThan(before[i] as number));
  });

  test("an occurrence that was moved shows where it is now, and counts", async () => {
    const startsAt = soon(5);
    const { id } = await hall.activity(club, { startsAt });
    await hall.join(id, ada);
    const address = await renew();
    const [before] = await feed(address);
    await hall.patch(club, id, { startsAt: plus(startsAt, DAY), endsAt: plus(startsAt, DAY + HOUR) });
    const [after] = await feed(address);
    expect(after).toMatchObject({ uid: before?.uid, start: plus(startsAt, DAY) });
    expect(after?.sequence).toBeGreaterThan(before?.sequence as number);
  });

  test("opens to its token alone: none 422, a wrong or renewed one 401", async () => {
    const first = await renew();
    expect(await hall.outcome("GET", first)).toBe("200");
    expect(await hall.outcome("GET", "/users/me/calendar.ics")).toBe("422 VALIDATION_FAILED token=REQUIRED");
    expect(await hall.outcome("GET", "/users/me/calendar.ics?token=")).toContain(
      "422 VALIDATION_FAILED token=",
    );
    for (const wrong of ["x", `${ada}.x`, `${newId()}.x`, `${first.split("=")[1]}x`])
      expect(await hall.outcome("GET", `/users/me/calendar.ics?token=${wrong}`)).toBe("401 INVALID_TOKEN");
    const second = await renew();
    expect(await hall.outcome("GET", first)).toBe("401 INVALID_TOKEN");
    expect(await hall.outcome("GET", second)).toBe("200");
    const others = await renew(hall.person("Ben"));
    expect(await feed(others)).toEqual([]);
    expect(await hall.outcome("GET", second)).toBe("200");
  });

  test("a new address is a secret that no key keeps, for who is signed in", async () => {
    expect(await hall.outcome("POST", "/users/me/calendar-token", { body: {} })).toBe("401 UNAUTHENTICATED");
    const send = () =>
      hall.call<{ url: string }>("POST", "/users/me/calendar-token", { as: ada, body: {}, key: "the-same" });
    const [first, second] = [await send(), await send()];
    expect(first.status).toBe(201);
    expect(first.headers["cache-control"]).toContain("no-store");
    expect(second.headers).not.toHaveProperty("idempotency-replayed");
    expect(second.body.url).not.toBe(first.body.url);
    const stored = await hall.store.calendarTokens.findOne({ _id: ada });
    const secret = new URL(second.body.url).searchParams.get("token")?.split(".")[1] as string;
    expect(JSON.stringify(stored)).not.toContain(secret);
  });

  test("of somebody who is suspended or erased stops", async () => {
    const address = await renew();
    const person = hall.world.people.get(ada);
    if (person) person.status = "suspended";
    expect(await hall.outcome("GET", address)).toBe("401 INVALID_TOKEN");
    if (person) person.status = "active";
    expect(await hall.outcome("GET", address)).toBe("200");
    await hall.deliver("participations.onUserErased", "users.erased", { type: "user", id: ada });
    expect(await hall.outcome("GET", address)).toBe("401 INVALID_TOKEN");
  });
});
