/** Cancelling: the whole, one occurrence, and with a club that is dissolved. */
import { newId } from "../../lib/ids.ts";
import { DAY, eventually, HOUR, later, plus, startHall } from "../support/activities.ts";
import type { Club, Hall } from "../support/activities.ts";

let hall: Hall;
let club: Club;
let officer: string;
let ada: string;
let ben: string;
let cleo: string;
beforeAll(async () => void (hall = await startHall()), 60_000);
afterAll(async () => hall?.stop());
beforeEach(() => {
  club = hall.club();
  officer = hall.member(club, "officer");
  [ada, ben, cleo] = hall.people(3) as [string, string, string];
});

const cancel = (id: string, body: unknown, as: string | undefined = officer) =>
  hall.outcome("POST", `/activities/${id}/cancel`, { as, body });
/** Who has been told that it is called off, once that are so many. */
const calledOff = (id: string, count: number) =>
  eventually(async () => {
    const told = hall.told(id, "participations.calledOff");
    const users = told.flatMap((each) => each["users"] as string[]);
    return users.length >= count ? told : undefined;
  });

describe("the whole", () => {
  test("is called off for all who are signed up or wait, with the reason", async () => {
    const { id, startsAt } = await hall.activity(club, { capacity: 1, waitlist: true });
    for (const person of [ada, ben, cleo]) await hall.join(id, person);
    await hall.leave(id, cleo);
    const cancelled = await hall.ok("POST", `/activities/${id}/cancel`, {
      as: officer,
      body: { reason: "Rain.\nSorry" },
    });
    expect(cancelled).toMatchObject({ status: "cancelled", cancelReason: "Rain.\nSorry", version: 3 });
    expect(await hall.get(id)).toMatchObject({ status: "cancelled", cancelReason: "Rain.\nSorry" });
    const told = await calledOff(id, 2);
    expect(told.flatMap((each) => each["users"] as string[]).toSorted()).toEqual([ada, ben].toSorted());
    expect(told[0]).toMatchObject({
      reason: "Rain.\nSorry",
      startsAt: Date.parse(startsAt),
      clubId: club.id,
    });
  });

  test("takes no one in, promotes nobody, and lets go who wants to", async () => {
    const { id } = await hall.activity(club, { capacity: 1, waitlist: true });
    await hall.join(id, ada);
    await hall.join(id, ben);
    expect(await cancel(id, { reason: "Rain" })).toBe("200");
    for (const person of [ada, cleo]) expect(await hall.join(id, person)).toBe("409 SIGN_UP_CLOSED");
    expect(await hall.leave(id, ada)).toBe("204");
    expect(await hall.mine(id, ada)).toBe("cancelled");
    expect(await hall.mine(id, ben)).toBe("waitlisted 1");
    const check = { as: officer, body: { userId: ben } };
    expect(await hall.outcome("POST", `/activities/${id}/check-ins`, check)).toBe("403 NOT_CONFIRMED");
  });

  test("stays cancelled, with its first reason, and tells nobody twice", async () => {
    const { id } = await hall.activity(club);
    await hall.join(id, ada);
    await cancel(id, { reason: "Rain" });
    await calledOff(id, 1);
    expect(await cancel(id, { reason: "Snow" })).toBe("200");
    expect(await hall.get(id)).toMatchObject({ cancelReason: "Rain", version: 3 });
    expect(await hall.outcome("POST", `/activities/${id}/publish`, { as: officer, body: {} })).toBe(
      "409 ACTIVITY_OVER",
    );
    expect(hall.told(id, "participations.calledOff")).toHaveLength(1);
  });

  test("needs a reason, an officer and something that is not over", async () => {
    const { id } = await hall.activity(club);
    expect(await cancel(id, {})).toBe("422 VALIDATION_FAILED reason=REQUIRED");
    expect(await cancel(id, { reason: " " })).toBe("422 VALIDATION_FAILED reason=TOO_SHORT");
    expect(await cancel(id, { reason: "x".repeat(2_001) })).toBe("422 VALIDATION_FAILED reason=TOO_LONG");
    for (const as of [ada, hall.member(club)]) expect(await cancel(id, {}, as)).toBe("403 FORBIDDEN");
    expect(await hall.outcome("POST", `/activities/${id}/cancel`, { body: {} })).toBe("401 UNAUTHENTICATED");
    expect(await cancel(newId(), {})).toBe("404 NOT_FOUND");
    const stale = { as: officer, body: { reason: "Rain" }, ifMatch: 1 };
    expect(await hall.outcome("POST", `/activities/${id}/cancel`, stale)).toBe("412 PRECONDITION_FAILED");
    await hall.patch(club, id, { startsAt: later(-3 * HOUR), endsAt: later(-HOUR) });
    expect(await cancel(id, { reason: "Rain" })).toBe("409 ACTIVITY_OVER");
    hall.setStatus(club, "suspended");
    expect(await cancel(id, { reason: "Rain" })).toBe("409 CLUB_NOT_ACTIVE");
  });

  test("of a draft leaves it to its officers", async () => {
    const { id } = await hall.draft(club);
    expect(await cancel(id, { reason: "Never mind" })).toBe("200");
    expect(await hall.get(id, officer)).toMatchObject({ status: "cancelled" });
    expect(await hall.outcome("GET", `/activities/${id}`, { as: ada })).toBe("404 NOT_FOUND");
  });

  test("with an Idempotency-Key answers the same again", async () => {
    const { id } = await hall.activity(club);
    const send = () =>
      hall.call("POST", `/activities/${id}/cancel`, { as: officer, body: { reason: "Rain" }, key: id });
    const first = await send();
    const again = await send();
    expect([again.status, again.body, again.headers["idempotency-replayed"]]).toEqual([
      200,
      first.body,
      "true",
    ]);
  });
});

describe("one occurrence", () => {
  test("is called off for those who are in it, the others go on", async () => {
    const { id, names } = await hall.series(club, 3);
    const [first, second] = names as [string, string];
    await hall.join(id, ada, first);
    await hall.join(id, ada, second);
    await hall.join(id, ben, second);
    const after = await hall.ok("POST", `/activities/${id}/cancel`, {
      as: officer,
      body: { reason: "No room", occurrence: first },
    });
    expect(after).toMatchObject({
      status: "published",
      cancelledOccurrences: [{ occurrence: first, reason: "No room" }],
    });
    expect(await hall.join(id, cleo, first)).toBe("409 SIGN_UP_CLOSED");
    expect(await hall.join(id, cleo, second)).toBe("201 confirmed");
    const told = await calledOff(id, 1);
    expect(told).toMatchObject([{ occurrence: Date.parse(first), users: [ada], reason: "No room" }]);
    const { items } = await hall.ok<{ items: { occurrence: string; status: string }[] }>(
      "GET",
      `/calendar?from=${plus(first, -DAY)}&to=${plus(first, 10 * DAY)}&clubId=${club.id}`,
    );
    expect(items.map(({ status }) => status)).toEqual(["cancelled", "published", "published"]);
  });

  test("again changes nothing; one that is none is named", async () => {
    const { id, names } = await hall.series(club, 3);
    const [occurrence] = names;
    expect(await cancel(id, { reason: "A", occurrence })).toBe("200");
    expect(await cancel(id, { reason: "B", occurrence })).toBe("200");
    expect((await hall.get(id)).cancelledOccurrences).toEqual([{ occurrence, reason: "A" }]);
    const wrong = plus(names[0] as string, HOUR);
    expect(await cancel(id, { reason: "A", occurrence: wrong })).toBe(
      "422 VALIDATION_FAILED occurrence=NO_SUCH_OCCURRENCE",
    );
    expect(await cancel(id, { reason: "A", occurrence: "first" })).toBe(
      "422 VALIDATION_FAILED occurrence=INVALID_FORMAT",
    );
  });

  test("that is over stays as it was", async () => {
    const { id, names } = await hall.series(club, 3, { startsAt: later(-DAY - 3 * HOUR) });
    expect(await cancel(id, { reason: "A", occurrence: names[0] })).toBe("409 ACTIVITY_OVER");
    expect(await cancel(id, { reason: "A", occurrence: names[2] })).toBe("200");
  });

  test("of a single activity is the whole; another is none", async () => {
    const { id, startsAt } = await hall.activity(club);
    const other = { reason: "A", occurrence: plus(startsAt, DAY) };
    expect(await cancel(id, other)).toBe("422 VALIDATION_FAILED occurrence=NO_SUCH_OCCURRENCE");
    expect(await cancel(id, { reason: "A", occurrence: startsAt })).toBe("200");
    expect(await hall.get(id)).toMatchObject({ status: "cancelled" });
  });
});

describe("a club that is dissolved", () => {
  const dissolve = async () => {
    hall.setStatus(club, "deleted");
    await hall.deliver("activities.onClubDeleted", "clubs.deleted", { type: "club", id: club.id });
  };

  test("cancels what is to come and tells people; what is over stays", async () => {
    const coming = await hall.activity(club);
    await hall.join(coming.id, ada);
    const draft = await hall.draft(club);
    const past = await hall.activity(club);
    await hall.join(past.id, ben);
    await hall.patch(club, past.id, { startsAt: later(-3 * HOUR), endsAt: later(-HOUR) });
    const others = await hall.activity(hall.club());
    await dissolve();
    expect(await hall.get(coming.id)).toMatchObject({ status: "cancelled", cancelReason: null });
    expect(await hall.get(draft.id, officer)).toMatchObject({ status: "cancelled" });
    expect(await hall.get(past.id)).toMatchObject({ status: "finished" });
    expect(await hall.get(others.id)).toMatchObject({ status: "published" });
    expect(await calledOff(coming.id, 1)).toMatchObject([{ users: [ada], reason: null }]);
    expect(hall.told(past.id, "participations.calledOff")).toEqual([]);
    expect(await hall.join(coming.id, ben)).toMatch(/^409 (CLUB_NOT_ACTIVE|SIGN_UP_CLOSED)$/);
    expect(await hall.leave(coming.id, ada)).toBe("204");
  });

  test("told twice cancels once", async () => {
    const { id } = await hall.activity(club);
    await hall.join(id, ada);
    await dissolve();
    await calledOff(id, 1);
    await dissolve();
    expect(await hall.get(id)).toMatchObject({ version: 3 });
    expect(hall.told(id, "participations.calledOff")).toHaveLength(1);
  });
});
