/** Reminders: to whom, when, and once; those that come too late are dropped and counted. */
import type { Answer } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import { rosterId } from "../../services/activities/records.ts";
import { DAY, eventually, HOUR, later, MINUTE, plus, startHall } from "../support/activities.ts";
import type { Club, Hall } from "../support/activities.ts";

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

const reminded = (id: string) => hall.told(id, "participations.reminded");
/** Data of the reminders, once there are so many. */
const reminders = (id: string, count: number) =>
  eventually(async () => (reminded(id).length >= count ? reminded(id) : undefined));
/** The activity as it would be had nobody seen to its reminders for so long. */
const asIfAway = (id: string, ms: number) =>
  hall.rewrite(id, { remindedUntil: Date.now() - ms, nextReminderAt: Date.now() - ms });
/** Waits until what is due has been seen to and told. */
const seenTo = (id: string) =>
  eventually(async () => {
    const waiting = await hall.store.tellings.count({ activityId: id });
    return (waiting === 0 && ((await dueAt(id)) ?? Infinity) > Date.now()) || undefined;
  });
const dueAt = async (id: string) =>
  (await hall.store.activities.findOne({ _id: id }))?.nextReminderAt ?? null;
const depth = () => hall.broker.call<Answer<"reminders.depth">, object>("reminders.depth", {});

test("reach who is confirmed, by themselves and once", async () => {
  const startsAt = later(MINUTE + 4_000);
  const { id } = await hall.activity(club, { startsAt, reminders: [1], capacity: 1, waitlist: true });
  await hall.join(id, ada);
  await hall.join(id, ben);
  const told = await reminders(id, 1);
  expect(told).toEqual([
    {
      activityId: id,
      clubId: club.id,
      occurrence: Date.parse(startsAt),
      users: [ada],
      startsAt: Date.parse(startsAt),
      location: "",
      minutes: 1,
    },
  ]);
  await seenTo(id);
  expect(await dueAt(id)).toBeNull();
});

test("that are seen to twice, as by a node that was paused, are one message", async () => {
  const { id } = await hall.activity(club, { startsAt: later(30 * MINUTE), reminders: [40] });
  await hall.join(id, ada);
  await asIfAway(id, 20 * MINUTE);
  await reminders(id, 1);
  await seenTo(id);
  await asIfAway(id, 20 * MINUTE);
  await seenTo(id);
  // What is told in order: once a later one is there, so is the repeat.
  const other = await hall.activity(club, { startsAt: later(30 * MINUTE), reminders: [40] });
  await hall.join(other.id, ada);
  await asIfAway(other.id, 20 * MINUTE);
  await reminders(other.id, 1);
  const messages = hall.world.told.filter(({ type }) => type === "participations.reminded");
  const ids = messages.flatMap((each) =>
    (each.data as { activityId: string }).activityId === id ? each.id : [],
  );
  expect(new Set(ids).size).toBe(1);
});

test("each of them when it is due", async () => {
  const { id, startsAt } = await hall.activity(club, { startsAt: later(2 * HOUR), reminders: [60, 180, 30] });
  await hall.join(id, ada);
  expect(await dueAt(id)).toBe(Date.parse(startsAt) - HOUR);
  await asIfAway(id, 90 * MINUTE);
  expect((await reminders(id, 1)).map(({ minutes }) => minutes)).toEqual([180]);
  await seenTo(id);
  expect(await dueAt(id)).toBe(Date.parse(startsAt) - HOUR);
});

test("who has left is not reminded, and nobody where nobody is signed up", async () => {
  const { id } = await hall.activity(club, { startsAt: later(30 * MINUTE), reminders: [40] });
  const empty = await hall.activity(club, { startsAt: later(30 * MINUTE), reminders: [40] });
  await hall.join(id, ada);
  await hall.join(id, ben);
  await hall.leave(id, ada);
  await asIfAway(id, 20 * MINUTE);
  await asIfAway(empty.id, 20 * MINUTE);
  expect((await reminders(id, 1)).flatMap(({ users }) => users)).toEqual([ben]);
  await seenTo(empty.id);
  expect(reminded(empty.id)).toEqual([]);
});

test("that were due before the publishing are not sent", async () => {
  const { id } = await hall.activity(club, { startsAt: later(30 * MINUTE), reminders: [40] });
  expect(await dueAt(id)).toBeNull();
});

test("move with the activity", async () => {
  const { id } = await hall.activity(club, { startsAt: later(2 * HOUR), reminders: [60] });
  await hall.join(id, ada);
  const away = later(9 * DAY);
  await hall.patch(club, id, { startsAt: away, endsAt: plus(away, HOUR) });
  expect(await dueAt(id)).toBe(Date.parse(away) - HOUR);
  const near = later(HOUR + 2_000);
  await hall.patch(club, id, { startsAt: near, endsAt: plus(near, HOUR) });
  expect(await reminders(id, 1)).toMatchObject([{ startsAt: Date.parse(near), minutes: 60 }]);
  // Who has been reminded of the old time is reminded of the new one.
  const again = later(HOUR + 3_000);
  await hall.patch(club, id, { startsAt: again, endsAt: plus(again, HOUR) });
  const told = await reminders(id, 2);
  expect(told.map(({ startsAt }) => startsAt)).toEqual([near, again].map((time) => Date.parse(time)));
});

test("others may be asked for, or none", async () => {
  const { id, startsAt } = await hall.activity(club, { startsAt: later(2 * HOUR), reminders: [60] });
  await hall.patch(club, id, { reminders: [30] });
  expect(await dueAt(id)).toBe(Date.parse(startsAt) - HOUR / 2);
  await hall.patch(club, id, { reminders: [] });
  expect(await dueAt(id)).toBeNull();
  const draft = await hall.draft(club, { startsAt: later(2 * HOUR), reminders: [60] });
  expect(await dueAt(draft.id)).toBeNull();
});

test("of a series are for those who are in that occurrence", async () => {
  const startsAt = later(30 * MINUTE - DAY);
  const { id, names } = await hall.series(club, 3, { startsAt, reminders: [40] });
  await hall.join(id, ada, names[1]);
  await hall.join(id, ben, names[2]);
  await asIfAway(id, 20 * MINUTE);
  const told = await reminders(id, 1);
  expect(told).toMatchObject([{ users: [ada], occurrence: Date.parse(names[1] as string) }]);
  await seenTo(id);
  expect(await dueAt(id)).toBe(Date.parse(names[2] as string) - 40 * MINUTE);
});

test("of what is called off are not sent", async () => {
  const { id, names } = await hall.series(club, 3, { startsAt: later(30 * MINUTE - DAY), reminders: [40] });
  await hall.join(id, ada, names[1]);
  const body = { reason: "Rain", occurrence: names[1] };
  await hall.ok("POST", `/activities/${id}/cancel`, { as: club.president, body });
  await asIfAway(id, 20 * MINUTE);
  await seenTo(id);
  expect(reminded(id)).toEqual([]);
  await hall.ok("POST", `/activities/${id}/cancel`, { as: club.president, body: { reason: "All" } });
  expect(await dueAt(id)).toBeNull();
});

test("that come after the start are dropped and counted", async () => {
  const { id } = await hall.activity(club, {
    startsAt: later(-10 * MINUTE),
    signUpClosesAt: later(HOUR),
    reminders: [5, 10],
  });
  await hall.join(id, ada);
  const { dropped } = await depth();
  await asIfAway(id, HOUR);
  await eventually(async () => (await depth()).dropped === dropped + 2 || undefined);
  expect(reminded(id)).toEqual([]);
});

test("that were not told before the start are dropped and counted, later ones wait for nobody", async () => {
  const { id, startsAt } = await hall.activity(club, {
    startsAt: later(-MINUTE),
    signUpClosesAt: later(HOUR),
  });
  await hall.join(id, ada);
  const { dropped } = await depth();
  const occurrence = Date.parse(startsAt);
  await hall.store.tellings.insertOne({
    _id: newId(),
    roster: rosterId(id, occurrence),
    activityId: id,
    clubId: club.id,
    occurrence,
    version: 1,
    type: "participations.reminded",
    data: { startsAt: occurrence, minutes: 5 },
    parts: 1,
    told: 0,
    dueAt: Date.now() - 5 * MINUTE,
    expiresAt: occurrence,
  });
  await eventually(async () => (await depth()).dropped === dropped + 1 || undefined);
  expect(reminded(id)).toEqual([]);
  await eventually(async () => (await depth()).waiting === 0 || undefined);
  expect(await depth()).toEqual({ waiting: 0, oldest: null, dropped: dropped + 1 });
});
