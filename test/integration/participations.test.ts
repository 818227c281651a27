/** Signing up: who gets a place, when, and once only. */
import { randomUUID } from "node:crypto";
import { newId } from "../../lib/ids.ts";
import { DAY, eventually, HOUR, later, plus, startHall } from "../support/activities.ts";
import type { Club, Hall, Participation } from "../support/activities.ts";

let hall: Hall;
let club: Club;
let ada: string;
let ben: string;
beforeAll(async () => void (hall = await startHall()), 60_000);
afterAll(async () => hall?.stop());
beforeEach(() => {
  club = hall.club();
  [ada, ben] = hall.people(2) as [string, string];
});

const put = (id: string, body: unknown, as?: string) =>
  hall.outcome("PUT", `/activities/${id}/participation`, { as, body });

describe("a sign-up", () => {
  test("is 201 with a place, and the same again 200", async () => {
    const { id } = await hall.activity(club, { capacity: 2 });
    const first = await hall.call<Participation>("PUT", `/activities/${id}/participation`, {
      as: ada,
      body: {},
    });
    expect([first.status, first.body]).toEqual([201, { status: "confirmed" }]);
    const again = await hall.call<Participation>("PUT", `/activities/${id}/participation`, {
      as: ada,
      body: {},
    });
    expect([again.status, again.body]).toEqual([200, { status: "confirmed" }]);
    expect(await hall.get(id)).toMatchObject({ confirmedCount: 1, waitlistCount: 0 });
  });

  test("takes a place by its own name, also of what is no series", async () => {
    const { id, startsAt } = await hall.activity(club);
    expect(await hall.join(id, ada, startsAt)).toBe("201 confirmed");
    expect(await hall.join(id, ada)).toBe("200 confirmed");
    expect(await hall.join(id, ada, startsAt.replace("Z", "+00:00"))).toBe("200 confirmed");
  });

  test("ten at once of one person give one place", async () => {
    const { id } = await hall.activity(club, { capacity: 5, waitlist: true });
    const answers = await Promise.all(Array.from({ length: 10 }, () => hall.join(id, ada)));
    expect(answers.toSorted()).toEqual([
      ...Array.from({ length: 9 }, () => "200 confirmed"),
      "201 confirmed",
    ]);
    expect(await hall.get(id)).toMatchObject({ confirmedCount: 1, waitlistCount: 0 });
  });

  test("of thirty at once as many get in as there is room, the others are told", async () => {
    const { id } = await hall.activity(club, { capacity: 7 });
    const answers = await Promise.all(hall.people(30).map((person) => hall.join(id, person)));
    const count = (answer: string) => answers.filter((each) => each === answer).length;
    expect([count("201 confirmed"), count("409 ACTIVITY_FULL"), answers.length]).toEqual([7, 23, 30]);
    expect(await hall.get(id)).toMatchObject({ confirmedCount: 7, waitlistCount: 0 });
  });

  test("is refused when it is full; one's own place is not", async () => {
    const { id } = await hall.activity(club, { capacity: 1 });
    expect(await hall.join(id, ada)).toBe("201 confirmed");
    for (let i = 0; i < 3; i++) expect(await hall.join(id, ben)).toBe("409 ACTIVITY_FULL");
    expect(await hall.join(id, ada)).toBe("200 confirmed");
    expect(await hall.mine(id, ben)).toBe("404 NOT_FOUND");
    await hall.leave(id, ada);
    expect(await hall.join(id, ben)).toBe("201 confirmed");
  });

  test("needs a user, a known activity and a body in form", async () => {
    const { id } = await hall.activity(club);
    expect(await put(id, {})).toBe("401 UNAUTHENTICATED");
    expect(await put(newId(), {}, ada)).toBe("404 NOT_FOUND");
    expect(await put(randomUUID(), {}, ada)).toContain("422 VALIDATION_FAILED id=");
    expect(await put(id, { nonsense: 1 }, ada)).toBe("422 VALIDATION_FAILED nonsense=UNKNOWN_FIELD");
    expect(await put(id, { occurrence: "soon" }, ada)).toBe(
      "422 VALIDATION_FAILED occurrence=INVALID_FORMAT",
    );
    expect(await put(id, { occurrence: later(0) }, ada)).toBe(
      "422 VALIDATION_FAILED occurrence=NO_SUCH_OCCURRENCE",
    );
  });
});

describe("the time of sign-up", () => {
  test("begins with publishing, or when it is said", async () => {
    const { id } = await hall.activity(club, { signUpOpensAt: later(DAY) });
    expect(await hall.join(id, ada)).toBe("409 SIGN_UP_CLOSED");
    await hall.patch(club, id, { signUpOpensAt: later(-HOUR) });
    expect(await hall.join(id, ada)).toBe("201 confirmed");
  });

  test("opens by itself", async () => {
    const { id } = await hall.activity(club, { signUpOpensAt: later(1_500) });
    await eventually(async () => (await hall.join(id, ada)) === "201 confirmed" || undefined);
    const { signUpOpensAt } = await hall.get(id);
    const { items } = await hall.ok<{ items: { user: { id: string } }[] }>(
      "GET",
      `/activities/${id}/participants`,
      {
        as: club.president,
      },
    );
    expect(items.map(({ user }) => user.id)).toEqual([ada]);
    expect(Date.parse(signUpOpensAt as string)).toBeLessThanOrEqual(Date.now());
  });

  test("ends with the start, or when it is said; who is in keeps the place and hears so", async () => {
    const { id } = await hall.activity(club);
    await hall.join(id, ada);
    await hall.patch(club, id, { signUpClosesAt: later(-1_000) });
    expect(await hall.join(id, ben)).toBe("409 SIGN_UP_CLOSED");
    expect(await hall.join(id, ada)).toBe("200 confirmed");
    await hall.patch(club, id, { signUpClosesAt: null, startsAt: later(-HOUR), endsAt: later(HOUR) });
    expect(await hall.join(id, ben)).toBe("409 SIGN_UP_CLOSED");
    await hall.patch(club, id, { signUpClosesAt: later(HOUR / 2) });
    expect(await hall.join(id, ben)).toBe("201 confirmed");
  });

  test("a place may be given up until the end, and not after", async () => {
    const { id } = await hall.activity(club);
    await hall.join(id, ada);
    await hall.join(id, ben);
    await hall.patch(club, id, { startsAt: later(-HOUR), endsAt: later(HOUR) });
    expect(await hall.leave(id, ada)).toBe("204");
    await hall.patch(club, id, { startsAt: later(-3 * HOUR), endsAt: later(-HOUR) });
    expect(await hall.leave(id, ben)).toBe("409 SIGN_UP_CLOSED");
    expect(await hall.mine(id, ben)).toBe("confirmed");
  });
});

describe("who may", () => {
  test("members alone where it says so; who leaves the club keeps the place", async () => {
    const { id } = await hall.activity(club, { audience: "members" });
    const member = hall.member(club);
    expect(await hall.join(id, ada)).toBe("403 MEMBERS_ONLY");
    expect(await hall.join(id, member)).toBe("201 confirmed");
    expect(await hall.join(id, club.president)).toBe("201 confirmed");
    hall.world.members.set(`${club.id}:${ada}`, "member");
    expect(await hall.join(id, ada)).toBe("201 confirmed");
    hall.world.members.delete(`${club.id}:${member}`);
    expect(await hall.mine(id, member)).toBe("confirmed");
    expect(await hall.leave(id, member)).toBe("204");
    expect(await hall.join(id, member)).toBe("403 MEMBERS_ONLY");
  });

  test("nobody in a club that is suspended; a place may still be given up", async () => {
    const { id } = await hall.activity(club, { startsAt: later(HOUR / 2) });
    await hall.join(id, ada);
    hall.setStatus(club, "suspended");
    expect(await hall.join(id, ben)).toBe("409 CLUB_NOT_ACTIVE");
    const check = { as: club.president, body: { userId: ada } };
    expect(await hall.outcome("POST", `/activities/${id}/check-ins`, check)).toBe("409 CLUB_NOT_ACTIVE");
    expect(await hall.mine(id, ada)).toBe("confirmed");
    expect(await hall.leave(id, ada)).toBe("204");
    hall.setStatus(club, "active");
    expect(await hall.join(id, ben)).toBe("201 confirmed");
  });
});

describe("a series", () => {
  test("is signed up for occurrence by occurrence", async () => {
    const { id, names } = await hall.series(club, 3, { capacity: 1 });
    expect(await put(id, {}, ada)).toBe("422 VALIDATION_FAILED occurrence=REQUIRED");
    expect(await hall.leave(id, ada)).toBe("422 VALIDATION_FAILED occurrence=REQUIRED");
    expect(await hall.mine(id, ada)).toBe("422 VALIDATION_FAILED");
    expect(await hall.join(id, ada, names[0])).toBe("201 confirmed");
    expect(await hall.join(id, ben, names[1])).toBe("201 confirmed");
    expect(await hall.join(id, ben, names[0])).toBe("409 ACTIVITY_FULL");
    expect(await hall.mine(id, ada, names[0])).toBe("confirmed");
    expect(await hall.mine(id, ada, names[1])).toBe("404 NOT_FOUND");
    for (const unknown of [plus(names[0] as string, HOUR), plus(names[2] as string, DAY)])
      expect(await put(id, { occurrence: unknown }, ada)).toBe(
        "422 VALIDATION_FAILED occurrence=NO_SUCH_OCCURRENCE",
      );
    expect(await hall.get(id, ada)).toMatchObject({
      confirmedCount: 2,
      myParticipation: { occurrence: names[0], status: "confirmed" },
    });
  });

  test("an occurrence that was moved keeps its name", async () => {
    const { id, names } = await hall.series(club, 3);
    const [, name] = names as [string, string];
    await hall.join(id, ada, name);
    const overrides = [{ occurrence: name, startsAt: plus(name, 5 * HOUR) }];
    await hall.patch(club, id, { recurrence: { rrule: "FREQ=DAILY;COUNT=3", overrides } });
    expect(await hall.mine(id, ada, name)).toBe("confirmed");
    expect(await hall.join(id, ben, name)).toBe("201 confirmed");
    expect(await put(id, { occurrence: plus(name, 5 * HOUR) }, ben)).toContain(
      "occurrence=NO_SUCH_OCCURRENCE",
    );
  });

  test("times of sign-up are those of the first, and as long before each", async () => {
    const startsAt = later(2 * DAY);
    const { id, names } = await hall.series(club, 4, { startsAt, signUpOpensAt: later(-HOUR) });
    expect(await hall.join(id, ada, names[0])).toBe("201 confirmed");
    expect(await hall.join(id, ada, names[1])).toBe("409 SIGN_UP_CLOSED");
    const past = await hall.series(club, 4, { startsAt: later(-DAY - HOUR) });
    expect(await hall.join(past.id, ada, past.names[1])).toBe("409 SIGN_UP_CLOSED");
    expect(await hall.join(past.id, ada, past.names[2])).toBe("201 confirmed");
  });
});

describe("one's own participation", () => {
  test("is there from the sign-up on, also after leaving", async () => {
    const { id } = await hall.activity(club);
    expect(await hall.mine(id, ada)).toBe("404 NOT_FOUND");
    expect(await hall.leave(id, ada)).toBe("404 NOT_FOUND");
    await hall.join(id, ada);
    const answer = await hall.ok<Participation>("GET", `/activities/${id}/participation`, { as: ada });
    expect(answer).toEqual({ status: "confirmed", checkedInAt: null });
    expect(await hall.mine(id, ben)).toBe("404 NOT_FOUND");
    await hall.leave(id, ada);
    expect(await hall.mine(id, ada)).toBe("cancelled");
    expect(await hall.leave(id, ada)).toBe("204");
  });

  test("is nobody's without a user, and none of what is not there", async () => {
    const { id } = await hall.activity(club);
    for (const method of ["GET", "DELETE"]) {
      expect(await hall.outcome(method, `/activities/${id}/participation`)).toBe("401 UNAUTHENTICATED");
      expect(await hall.outcome(method, `/activities/${newId()}/participation`, { as: ada })).toBe(
        "404 NOT_FOUND",
      );
      expect(await hall.outcome(method, `/activities/${id}/participation?occurrence=x`, { as: ada })).toBe(
        "422 VALIDATION_FAILED occurrence=INVALID_FORMAT",
      );
    }
  });
});
