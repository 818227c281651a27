/** Random lives of a federation as its messages, and what statistics must make of them, counted naively. */
import fc from "fast-check";
import { v7 } from "uuid";
import type { Envelope } from "../../lib/declare.ts";
import { activityFact, applicationFact, clubFact, contentFact, memberFact } from "../../lib/facts.ts";
import { participationFact, personFact } from "../../lib/facts.ts";
import type { Counted, Fact, HistoryPage, RosterFact } from "../../lib/facts.ts";
import { newId } from "../../lib/ids.ts";

const HOUR = 3_600_000;

/** What happened, by whom where that is known to the end, and in which club. */
export interface Happened {
  metric: Counted;
  at: number;
  user: string | null;
  club: string | null;
  took?: number;
}

/** A whole life: its messages, what happened in it, and what its domains know at the end. */
export interface Life {
  messages: Envelope[];
  happened: Happened[];
  erased: Set<string>;
  totals: Record<string, number>;
  rosters: { startsAt: number; endsAt: number; cancelled: boolean; confirmed: number; checkedIn: number }[];
  history: Record<"users" | "clubs" | "applications" | "activities" | "posts", Omit<HistoryPage, "next">>;
}

const moment = (from: number, hours: number) => fc.integer({ min: from, max: from + hours * HOUR });
const who = fc.nat({ max: 5 });

/** What is drawn; `lifeOf` makes messages of it. */
export function plans(from: number, hours: number) {
  const at = moment(from, hours);
  return fc.record({
    people: fc.array(fc.record({ at, end: fc.constantFrom("stays", "stays", "erased", "undone") }), {
      minLength: 6,
      maxLength: 6,
    }),
    clubs: fc.array(
      fc.record({
        at,
        by: who,
        statuses: fc.array(fc.constantFrom("active", "suspended", "deleted"), { maxLength: 4 }),
        moves: fc.array(who, { maxLength: 8 }),
      }),
      { minLength: 2, maxLength: 3 },
    ),
    applications: fc.array(
      fc.record({
        at,
        by: who,
        decision: fc.constantFrom("approved", "rejected", null),
        took: fc.integer({ min: 0, max: 20 * HOUR }),
      }),
      { maxLength: 8 },
    ),
    activities: fc.array(fc.record({ at, cancelled: fc.boolean() }), { maxLength: 3 }),
    rosters: fc.array(
      fc.record({
        startsAt: at,
        writes: fc.array(
          fc.record({
            at,
            cancelled: fc.constantFrom(false, false, false, true),
            people: fc.uniqueArray(
              fc.record({ who, status: fc.constantFrom("confirmed", "waitlisted", "cancelled") }),
              { maxLength: 4, selector: (one) => one.who },
            ),
            checkIn: fc.boolean(),
          }),
          { maxLength: 5 },
        ),
      }),
      { maxLength: 3 },
    ),
    contents: fc.array(
      fc.record({
        kind: fc.constantFrom("post" as const, "comment" as const),
        at,
        by: who,
        statuses: fc.array(fc.constantFrom("published", "held", "removed"), { minLength: 1, maxLength: 4 }),
      }),
      { maxLength: 8 },
    ),
  });
}
export type Plan = ReturnType<typeof plans> extends fc.Arbitrary<infer P> ? P : never;

export function message(
  type: string,
  aggregate: Envelope["aggregate"],
  data: object,
  actor: string | null = null,
): Envelope {
  return { id: newId(), type, at: 0, aggregate, actor, requestId: null, data };
}

const idAt = (msecs: number): string => v7({ msecs });

/** The messages of a plan, in the order in which things happened. */
export function lifeOf(plan: Plan): Life {
  const page = (): Omit<HistoryPage, "next"> => ({ facts: [], rosters: [] });
  const life: Life = {
    messages: [],
    happened: [],
    erased: new Set(),
    totals: {
      users: 0,
      clubs: 0,
      members: 0,
      applications: 0,
      activities: 0,
      participations: 0,
      posts: 0,
      comments: 0,
    },
    rosters: [],
    history: { users: page(), clubs: page(), applications: page(), activities: page(), posts: page() },
  };
  const people = plan.people.map(({ at }) => idAt(at));
  const person = (index: number): string => people[index] as string;
  const clubs = plan.clubs.map((club) => livedClub(life, club, person));
  for (const [i, each] of plan.people.entries()) livedPerson(life, person(i), each);
  for (const [i, each] of plan.applications.entries())
    livedApplication(life, each, person(each.by), clubs[i % clubs.length] as string);
  for (const [i, { at, cancelled }] of plan.activities.entries())
    livedActivity(life, idAt(at), at, clubs[i % clubs.length] as string, cancelled);
  for (const [i, each] of plan.rosters.entries())
    livedRoster(life, `${idAt(0)}:${each.startsAt}`, each, clubs[i % clubs.length] as string, person);
  for (const [i, each] of plan.contents.entries())
    livedContent(life, each, person(each.by), i % 2 ? null : (clubs[0] as string));
  return life;
}

function livedPerson(life: Life, id: string, { at, end }: Plan["people"][number]): void {
  const aggregate = { type: "user", id, version: 1 };
  life.messages.push(message("users.registered", aggregate, {}, id));
  if (end === "undone") {
    // Nobody who was not there did anything; what this plan has them do is what erased people did.
    life.erased.add(id);
    life.messages.push(message("users.erased", { ...aggregate, version: 2 }, {}, null));
    return;
  }
  life.happened.push({ metric: "new_users", at, user: id, club: null });
  const erased = end === "erased";
  if (erased) {
    life.erased.add(id);
    life.messages.push(message("users.erased", { ...aggregate, version: 2 }, {}, id));
  } else add(life, "users");
  life.history.users.facts.push(personFact(id, erased ? "erased" : undefined));
}

function livedClub(
  life: Life,
  { at, by, statuses, moves }: Plan["clubs"][number],
  person: (index: number) => string,
): string {
  const id = idAt(at);
  const founder = person(by);
  const about = (version: number) => ({ type: "club", id, version });
  life.messages.push(message("clubs.created", about(1), { name: "", createdBy: founder }));
  life.happened.push({ metric: "new_clubs", at, user: null, club: id });
  let status = "pending";
  let version = 1;
  for (const to of statuses) {
    const data = { name: "", from: status, to, reason: null, by: null };
    life.messages.push(
      to === "deleted"
        ? message("clubs.deleted", about(++version), { name: "", from: status })
        : message("clubs.statusChanged", about(++version), data),
    );
    status = to;
  }
  const members = new Set([founder]);
  let revision = version;
  for (const index of moves) {
    const userId = person(index);
    const joins = !members.has(userId);
    const data = {
      clubId: id,
      userId,
      revision: ++revision,
      ...(joins ? { applicationId: null } : { by: null }),
    };
    life.messages.push(message(joins ? "clubs.memberJoined" : "clubs.memberLeft", about(version), data));
    if (joins) members.add(userId);
    else members.delete(userId);
  }
  if (status === "active") {
    add(life, "clubs");
    add(life, "members", members.size);
  }
  life.history.clubs.facts.push(clubFact(id, version, status === "active", revision));
  life.history.clubs.facts.push(...[...members].map((user) => memberFact(id, user, revision, true)));
  return id;
}

function livedApplication(
  life: Life,
  { at, decision, took }: Plan["applications"][number],
  user: string,
  club: string,
): void {
  const id = idAt(at);
  const about = (version: number) => ({ type: "application", id, version });
  life.messages.push(message("applications.submitted", about(1), { clubId: club, applicantId: user }));
  life.happened.push({ metric: "applications", at, user, club });
  add(life, "applications");
  if (decision) {
    const data = {
      clubId: club,
      applicantId: user,
      status: decision,
      by: null,
      at: at + took,
      submittedAt: at,
    };
    life.messages.push(message("applications.decided", about(3), data));
  }
  const approval = decision === "approved" ? { at: at + took, took } : null;
  if (approval) life.happened.push({ metric: "approvals", at: approval.at, user: null, club, took });
  life.history.applications.facts.push(applicationFact(id, club, user, approval));
}

function livedActivity(life: Life, id: string, at: number, club: string, cancelled: boolean): void {
  const about = (version: number) => ({ type: "activity", id, version });
  life.messages.push(message("activities.published", about(2), { clubId: club, title: "", publishedAt: at }));
  // One occurrence of it is no end.
  life.messages.push(
    message("activities.cancelled", about(3), { clubId: club, title: "", occurrence: at, reason: "" }),
  );
  if (cancelled)
    life.messages.push(
      message("activities.cancelled", about(4), { clubId: club, title: "", occurrence: null, reason: "" }),
    );
  else add(life, "activities");
  life.happened.push({ metric: "activities", at, user: null, club });
  life.history.activities.facts.push(activityFact(id, club, 5, at, !cancelled));
}

function livedRoster(
  life: Life,
  id: string,
  { startsAt, writes }: Plan["rosters"][number],
  club: string,
  person: (index: number) => string,
): void {
  const all = new Map<string, Parameters<typeof participationFact>[2]>();
  let cancelled = false;
  const endsAt = startsAt + HOUR;
  for (const [i, write] of writes.entries()) {
    cancelled = write.cancelled;
    const people = write.people.map(({ who: index, status: asked }, place) => {
      const key = `${id.slice(0, 8)}${id.slice(-9)}-${index}`;
      const before = all.get(key);
      // Whoever has come does not leave.
      const status = before?.checkedInAt ? "confirmed" : asked;
      const comes = write.checkIn && status === "confirmed";
      const checkedInAt = before?.checkedInAt ?? (comes ? write.at : null);
      const admittedAt = before?.admittedAt ?? write.at;
      const state = {
        key,
        user: person(index),
        status,
        op: (i + 2) * 1_000 + place,
        admittedAt,
        checkedInAt,
      };
      all.set(key, state);
      return state;
    });
    const data = {
      activityId: id.split(":")[0],
      clubId: club,
      occurrence: startsAt,
      startsAt,
      endsAt,
      cancelled,
      people,
    };
    life.messages.push(message("participations.recorded", { type: "roster", id, version: i + 2 }, data));
  }
  const states = [...all.values()];
  for (const { user, admittedAt, checkedInAt, status } of states) {
    life.happened.push({ metric: "sign_ups", at: admittedAt, user, club });
    if (checkedInAt !== null) life.happened.push({ metric: "check_ins", at: checkedInAt, user, club });
    if (status === "confirmed") add(life, "participations");
  }
  const confirmed = states.filter(({ status }) => status === "confirmed");
  const checkedIn = confirmed.filter(({ checkedInAt }) => checkedInAt !== null).length;
  if (writes.length > 0)
    life.rosters.push({ startsAt, endsAt, cancelled, confirmed: confirmed.length, checkedIn });
  const roster: RosterFact = { id, version: writes.length + 1, startsAt, endsAt, cancelled };
  if (writes.length > 0) life.history.activities.rosters.push(roster);
  // The domain does not know any more who an erased person was.
  const known = states.map((state) => ({
    ...state,
    user: life.erased.has(state.user ?? "") ? null : state.user,
  }));
  life.history.activities.facts.push(...known.map((state) => participationFact(id, club, state)));
}

function livedContent(
  life: Life,
  { kind, at, statuses }: Plan["contents"][number],
  user: string,
  clubId: string | null,
): void {
  const id = idAt(at);
  const club = kind === "post" ? clubId : null;
  const data =
    kind === "post" ? { clubId, authorId: user, by: "author" } : { postId: idAt(0), authorId: user };
  for (const [i, status] of statuses.entries())
    life.messages.push(message(`${kind}s.${status}`, { type: kind, id, version: i + 1 }, data));
  const published = statuses.at(-1) === "published";
  if (published) add(life, `${kind}s`);
  life.happened.push({ metric: kind === "post" ? "posts" : "comments", at, user, club });
  const fact: Fact = contentFact(kind, id, club, user, statuses.length, published);
  life.history.posts.facts.push(fact);
}

function add(life: Life, total: string, by = 1): void {
  life.totals[total] = (life.totals[total] ?? 0) + by;
}

export type Numbers = Record<string, Record<string, number>>;

/** Every metric of a life by what `keyOf` calls the bucket of a time; nothing where nothing happened. */
export function countedNaively(life: Life, keyOf: (at: number) => string): Numbers {
  const numbers: Numbers = {};
  const put = (metric: string, key: string, value: number): void => {
    (numbers[metric] ??= {})[key] = value;
  };
  const byKey = Map.groupBy(life.happened, ({ at }) => keyOf(at));
  for (const [key, all] of byKey) {
    for (const [metric, own] of Map.groupBy(all, (each) => each.metric)) put(metric, key, own.length);
    const users = all.flatMap(({ user }) => (user !== null && !life.erased.has(user) ? [user] : []));
    if (users.length > 0) put("active_users", key, new Set(users).size);
    const took = all.flatMap((each) => each.took ?? []).toSorted((a, b) => a - b);
    // The nearest rank: the smallest value that so many are not above.
    const rank = (share: number): number | undefined =>
      took.find((value) => took.filter((each) => each <= value).length >= share * took.length);
    if (took.length > 0) put("approval_seconds_p50", key, (rank(0.5) as number) / 1_000);
    if (took.length > 0) put("approval_seconds_p90", key, (rank(0.9) as number) / 1_000);
  }
  const over = life.rosters.filter(({ cancelled }) => !cancelled);
  for (const [key, own] of Map.groupBy(over, ({ startsAt }) => keyOf(startsAt))) {
    const sum = (name: "confirmed" | "checkedIn"): number => own.reduce((all, each) => all + each[name], 0);
    if (sum("confirmed") > 0)
      put("attendance", key, Math.round((sum("checkedIn") / sum("confirmed")) * 10_000) / 10_000);
  }
  return numbers;
}

/** What buckets are called by the clock on the wall, by Intl: another way to the same. */
export function bucketNames(unit: string, timezone: string): (at: number) => string {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone: timezone,
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    hourCycle: "h23",
    timeZoneName: "longOffset",
  });
  return (at) => {
    const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
    const date = `${parts["year"]}-${parts["month"]}-${parts["day"]}`;
    if (unit === "month") return date.slice(0, 7);
    if (unit === "day") return date;
    if (unit === "hour") return `${date} ${parts["hour"]} ${parts["timeZoneName"]}`;
    const day = new Date(`${date}T00:00:00Z`);
    return new Date(day.getTime() - ((day.getUTCDay() + 6) % 7) * 24 * HOUR).toISOString().slice(0, 10);
  };
}
