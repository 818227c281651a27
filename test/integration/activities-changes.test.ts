/** Changing an activity: versions, what people who are signed up keep, capacity. */
import { DAY, eventually, HOUR, later, plus, startHall } from "../support/activities.ts";
import type { Club, Hall } from "../support/activities.ts";

let hall: Hall;
let club: Club;
let officer: string;
let people: string[];
beforeAll(async () => void (hall = await startHall()), 60_000);
afterAll(async () => hall?.stop());
beforeEach(() => {
  club = hall.club();
  officer = hall.member(club, "officer");
  people = hall.people(5);
});

const patch = (id: string, body: unknown, as: string | undefined = officer, ifMatch?: number) =>
  hall.outcome("PATCH", `/activities/${id}`, { as, body, ...(ifMatch !== undefined && { ifMatch }) });
const standing = (id: string, occurrence?: string) =>
  Promise.all(people.map((person) => hall.mine(id, person, occurrence)));
/** Signs up all, one after another. */
async function joinAll(id: string, occurrence?: string): Promise<void> {
  for (const person of people) await hall.join(id, person, occurrence);
}

describe("a change", () => {
  test("of every field is answered and counts one version", async () => {
    const { id } = await hall.draft(club);
    const startsAt = later(9 * DAY);
    const body = {
      title: "New",
      description: "Other\ntext",
      startsAt,
      endsAt: plus(startsAt, HOUR),
      timezone: "Europe/Berlin",
      location: "B2",
      capacity: 3,
      waitlist: true,
      signUpOpensAt: later(DAY),
      signUpClosesAt: later(2 * DAY),
      audience: "members",
      recurrence: { rrule: "FREQ=WEEKLY;COUNT=2", exdates: [], overrides: [] },
      reminders: [5],
      attributes: { a: 1 },
    };
    const changed = await hall.ok("PATCH", `/activities/${id}`, { as: officer, body });
    expect(changed).toMatchObject({ ...body, version: 2, status: "draft" });
    const back = { capacity: null, signUpOpensAt: null, signUpClosesAt: null, recurrence: null };
    expect(await hall.ok("PATCH", `/activities/${id}`, { as: officer, body: back })).toMatchObject({
      title: "New",
      capacity: null,
      signUpOpensAt: null,
      signUpClosesAt: startsAt,
      recurrence: null,
      version: 3,
    });
    expect(await hall.get(id, officer)).toMatchObject({ version: 3 });
  });

  test("checks the whole that it makes", async () => {
    const { id, startsAt } = await hall.activity(club, { recurrence: { rrule: "FREQ=DAILY;COUNT=3" } });
    for (const [body, field] of [
      [{ endsAt: plus(startsAt, -1) }, "endsAt=ENDS_BEFORE_START"],
      [{ startsAt: "2030-13-01T00:00:00Z" }, "startsAt=INVALID_FORMAT"],
      [{ title: "" }, "title=TOO_SHORT"],
      [{ timezone: "Nowhere" }, "timezone=UNKNOWN_TIME_ZONE"],
      [{ signUpClosesAt: plus(startsAt, DAY) }, "signUpClosesAt=AFTER_END"],
      [
        { recurrence: { rrule: "FREQ=DAILY;COUNT=3", exdates: [later(0)] } },
        "recurrence.exdates[0]=NO_SUCH_OCCURRENCE",
      ],
      [{ clubId: club.id }, "clubId=UNKNOWN_FIELD"],
      [{ status: "published" }, "status=UNKNOWN_FIELD"],
    ] as const)
      expect(await patch(id, body)).toBe(`422 VALIDATION_FAILED ${field}`);
    expect(await hall.get(id)).toMatchObject({ version: 2 });
  });

  test("takes If-Match: one of two writers wins", async () => {
    const { id } = await hall.activity(club);
    expect(await patch(id, { title: "A" }, officer, 2)).toBe("200");
    expect(await patch(id, { title: "B" }, officer, 2)).toBe("412 PRECONDITION_FAILED");
    expect(await hall.get(id)).toMatchObject({ title: "A", version: 3 });
    const { headers } = await hall.call("GET", `/activities/${id}`, { as: officer });
    const tagged = { as: officer, body: { title: "C" }, headers: { "if-match": headers.etag as string } };
    expect(await hall.outcome("PATCH", `/activities/${id}`, tagged)).toBe("200");
    const outcomes = await Promise.all(["D", "E", "F"].map((title) => patch(id, { title }, officer, 4)));
    expect(outcomes.toSorted()).toEqual(["200", "412 PRECONDITION_FAILED", "412 PRECONDITION_FAILED"]);
  });

  test("by several at once without If-Match loses nobody's field", async () => {
    const { id } = await hall.activity(club);
    const changes = [{ title: "T" }, { location: "L" }, { description: "D" }];
    expect(await Promise.all(changes.map((body) => patch(id, body)))).toEqual(["200", "200", "200"]);
    expect(await hall.get(id)).toMatchObject({ title: "T", location: "L", description: "D", version: 5 });
  });

  test("is for its officers; what is wrong comes in the order of the contract", async () => {
    const { id } = await hall.activity(club);
    expect(await patch(id, { nonsense: 1 }, people[0])).toBe("403 FORBIDDEN");
    expect(await patch(id, { title: "X" }, hall.member(club))).toBe("403 FORBIDDEN");
    expect(await patch(id, { title: "X" }, hall.member(hall.club(), "officer"))).toBe("403 FORBIDDEN");
    expect(await hall.outcome("PATCH", `/activities/${id}`, { body: {} })).toBe("401 UNAUTHENTICATED");
    expect(await patch(id, { nonsense: 1 }, officer, 99)).toBe(
      "422 VALIDATION_FAILED nonsense=UNKNOWN_FIELD",
    );
    hall.setStatus(club, "suspended");
    expect(await patch(id, { title: "X" }, officer, 99)).toBe("412 PRECONDITION_FAILED");
    expect(await patch(id, { title: "X" })).toBe("409 CLUB_NOT_ACTIVE");
  });

  test("of a cancelled activity is refused", async () => {
    const { id } = await hall.activity(club);
    await hall.ok("POST", `/activities/${id}/cancel`, { as: officer, body: { reason: "Rain" } });
    expect(await patch(id, { title: "X" })).toBe("409 ACTIVITY_OVER");
  });
});

describe("while people are signed up ahead", () => {
  test("rule, zone and start of a series stay; overrides and the rest may change", async () => {
    const { id, names, startsAt, endsAt } = await hall.series(club, 5);
    await hall.join(id, people[0] as string, names[1]);
    for (const body of [
      { recurrence: { rrule: "FREQ=DAILY;COUNT=6" } },
      { recurrence: null },
      { timezone: "Asia/Tokyo" },
      { startsAt: plus(startsAt, HOUR), endsAt: plus(endsAt, HOUR) },
    ])
      expect(await patch(id, body)).toBe("409 HAS_SIGN_UPS");
    expect(await patch(id, { timezone: "Nowhere" })).toContain("422 VALIDATION_FAILED timezone=");
    const overrides = [{ occurrence: names[1], startsAt: plus(names[1] as string, HOUR), location: "B2" }];
    const body = {
      title: "New",
      endsAt: plus(endsAt, 60_000),
      recurrence: { rrule: "FREQ=DAILY;COUNT=5", overrides },
    };
    expect(await patch(id, body)).toBe("200");
    expect(await hall.mine(id, people[0] as string, names[1])).toBe("confirmed");
  });

  test("the waitlist counts too, and who has left does not", async () => {
    const { id, names } = await hall.series(club, 3, { capacity: 1, waitlist: true });
    const [first, second] = people as [string, string];
    await hall.join(id, first, names[0]);
    await hall.join(id, second, names[0]);
    expect(await patch(id, { timezone: "Asia/Tokyo" })).toBe("409 HAS_SIGN_UPS");
    await hall.leave(id, first, names[0]);
    await hall.leave(id, second, names[0]);
    expect(await patch(id, { timezone: "Asia/Tokyo" })).toBe("200");
  });

  test("sign-ups of what is over forbid nothing", async () => {
    const startsAt = later(-HOUR);
    const { id, names } = await hall.series(club, 5, { startsAt, signUpClosesAt: plus(startsAt, 2 * HOUR) });
    expect(await hall.join(id, people[0] as string, names[0])).toBe("201 confirmed");
    const recurrence = { rrule: "FREQ=DAILY;COUNT=9" };
    expect(await patch(id, { recurrence })).toBe("409 HAS_SIGN_UPS");
    await hall.patch(club, id, { endsAt: plus(startsAt, HOUR / 2), signUpClosesAt: null });
    expect(await patch(id, { recurrence })).toBe("200");
  });

  test("a single activity may move; its only occurrence keeps its name", async () => {
    const { id, startsAt, endsAt } = await hall.activity(club);
    const [person] = people as [string];
    await hall.join(id, person);
    expect(
      await patch(id, { startsAt: plus(startsAt, DAY), endsAt: plus(endsAt, DAY), timezone: "Asia/Tokyo" }),
    ).toBe("200");
    expect(await hall.mine(id, person)).toBe("confirmed");
    expect(await hall.mine(id, person, startsAt)).toBe("confirmed");
    expect(await hall.join(id, people[1] as string, plus(startsAt, DAY))).toBe("422 VALIDATION_FAILED");
  });

  test("an exdate is a cancellation of that occurrence", async () => {
    const { id, names } = await hall.series(club, 3);
    const [first, second] = people as [string, string];
    await hall.join(id, first, names[0]);
    await hall.join(id, first, names[1]);
    expect(await patch(id, { recurrence: { rrule: "FREQ=DAILY;COUNT=3", exdates: [names[0]] } })).toBe("200");
    expect(await hall.join(id, second, names[0])).toBe("409 SIGN_UP_CLOSED");
    expect(await hall.join(id, first, names[0])).toBe("409 SIGN_UP_CLOSED");
    expect(await hall.join(id, second, names[1])).toBe("201 confirmed");
    const [told] = await eventually(async () => {
      const all = hall.told(id, "participations.calledOff");
      return all.length > 0 ? all : undefined;
    });
    expect(told).toMatchObject({ occurrence: Date.parse(names[0] as string), users: [first] });
  });

  test("an exdate nobody is signed up for leaves an unknown occurrence", async () => {
    const { id, names } = await hall.series(club, 3);
    expect(await patch(id, { recurrence: { rrule: "FREQ=DAILY;COUNT=3", exdates: [names[2]] } })).toBe("200");
    expect(await hall.join(id, people[0] as string, names[2])).toBe("422 VALIDATION_FAILED");
  });

  test("who is signed up is told of another time or place, and of nothing else", async () => {
    const { id, startsAt } = await hall.activity(club);
    const [person] = people as [string];
    await hall.join(id, person);
    await hall.patch(club, id, { title: "Another title", description: "More", capacity: 9 });
    await hall.patch(club, id, { location: "B2" });
    await hall.patch(club, id, { endsAt: plus(startsAt, 3 * HOUR) });
    const told = await eventually(async () => {
      const all = hall.told(id, "participations.moved");
      return all.length === 2 ? all : undefined;
    });
    expect(told[0]).toMatchObject({ users: [person], location: "B2", startsAt: Date.parse(startsAt) });
    expect(hall.told(id, "participations.moved")).toHaveLength(2);
  });
});

describe("capacity", () => {
  test("raised, it confirms from the waitlist in order", async () => {
    const { id } = await hall.activity(club, { capacity: 1, waitlist: true });
    await joinAll(id);
    expect(await standing(id)).toEqual([
      "confirmed",
      "waitlisted 1",
      "waitlisted 2",
      "waitlisted 3",
      "waitlisted 4",
    ]);
    expect(await hall.patch(club, id, { capacity: 3 })).toMatchObject({
      confirmedCount: 3,
      waitlistCount: 2,
    });
    expect(await standing(id)).toEqual([
      "confirmed",
      "confirmed",
      "confirmed",
      "waitlisted 1",
      "waitlisted 2",
    ]);
    await hall.patch(club, id, { capacity: null });
    expect(await standing(id)).toEqual(people.map(() => "confirmed"));
    const users = await eventually(async () => {
      const all = hall.told(id, "participations.promoted").flatMap((each) => each["users"] as string[]);
      return all.length >= 4 ? all : undefined;
    });
    expect(users).toEqual(people.slice(1));
  });

  test("raised for a series, in each of its occurrences", async () => {
    const { id, names } = await hall.series(club, 3, { capacity: 1, waitlist: true });
    for (const name of [names[0], names[2]]) await joinAll(id, name);
    await hall.patch(club, id, { capacity: 2 });
    for (const name of [names[0], names[2]])
      expect(await standing(id, name)).toEqual([
        "confirmed",
        "confirmed",
        "waitlisted 1",
        "waitlisted 2",
        "waitlisted 3",
      ]);
  });

  test("lowered, it drops nobody and admits nobody until there is room", async () => {
    const { id } = await hall.activity(club, { capacity: 3, waitlist: true });
    await joinAll(id);
    await hall.patch(club, id, { capacity: 1 });
    expect(await standing(id)).toEqual([
      "confirmed",
      "confirmed",
      "confirmed",
      "waitlisted 1",
      "waitlisted 2",
    ]);
    await hall.leave(id, people[0] as string);
    await hall.leave(id, people[1] as string);
    expect(await standing(id)).toEqual([
      "cancelled",
      "cancelled",
      "confirmed",
      "waitlisted 1",
      "waitlisted 2",
    ]);
    await hall.leave(id, people[2] as string);
    expect(await standing(id)).toEqual(["cancelled", "cancelled", "cancelled", "confirmed", "waitlisted 1"]);
  });

  test("without a waitlist a freed place is the next one's to come", async () => {
    const { id } = await hall.activity(club, { capacity: 2 });
    const [a, b, c] = people as [string, string, string];
    await hall.join(id, a);
    await hall.join(id, b);
    expect(await hall.join(id, c)).toBe("409 ACTIVITY_FULL");
    await hall.patch(club, id, { capacity: 1 });
    await hall.leave(id, a);
    expect(await hall.join(id, c)).toBe("409 ACTIVITY_FULL");
    await hall.leave(id, b);
    expect(await hall.join(id, c)).toBe("201 confirmed");
  });

  test("a waitlist that is opened later takes from then on; one that is closed keeps its people", async () => {
    const { id } = await hall.activity(club, { capacity: 1 });
    const [a, b, c] = people as [string, string, string];
    await hall.join(id, a);
    expect(await hall.join(id, b)).toBe("409 ACTIVITY_FULL");
    await hall.patch(club, id, { waitlist: true });
    expect(await hall.join(id, b)).toBe("201 waitlisted 1");
    await hall.patch(club, id, { waitlist: false });
    expect(await hall.join(id, c)).toBe("409 ACTIVITY_FULL");
    await hall.leave(id, a);
    expect(await hall.mine(id, b)).toBe("confirmed");
  });
});
