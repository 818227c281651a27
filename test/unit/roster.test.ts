/** Rules of a roster that show only with many people, or on occurrences that were moved. */
import { isRefusal } from "../../lib/errors.ts";
import type { RosterDocument, Terms } from "../../services/activities/records.ts";
import { MAX_REQUESTS, Roster } from "../../services/activities/roster.ts";
import type { Standing } from "../../services/activities/roster.ts";
import { newTerms } from "../support/roster.ts";

function rosterOf(terms: Terms): Roster {
  const none = { activityId: "a", clubId: "c", occurrence: 0, notice: null, pending: false, touchedAt: 0 };
  const counters = { confirmed: 0, waitlisted: 0, nextSeq: 1 };
  return new Roster({
    _id: "r",
    version: 0,
    terms,
    journal: [],
    ...none,
    ...counters,
  } satisfies RosterDocument);
}

/** Lets people join, as many in a batch as there may be. */
function join(roster: Roster, users: string[], now = Date.now(), terms = roster.terms): Standing[] {
  const standings: Standing[] = [];
  for (let from = 0; from < users.length; from += MAX_REQUESTS) {
    roster.begin(now, terms.revision, terms);
    for (const user of users.slice(from, from + MAX_REQUESTS))
      standings.push(roster.decide({ kind: "join", user, by: `by-${user}`, member: true }));
    roster.keep(roster.version + 1);
  }
  return standings;
}

const people = (count: number, name = "u"): string[] =>
  Array.from({ length: count }, (_, n) => `${name}${n}`);

test("who comes now does not overtake those who wait, also where more get a place than one batch confirms", () => {
  const terms = newTerms({ capacity: 1, waitlist: true });
  const roster = rosterOf(terms);
  join(roster, people(1_000));
  const larger = { ...terms, capacity: 601, revision: 2 };
  expect(join(roster, ["late"], Date.now(), larger)).toMatchObject([{ status: "waitlisted", position: 600 }]);
  join(roster, ["later"]);
  expect([roster.confirmed, roster.waitlisted]).toEqual([601, 401]);
  const look = (user: string): Standing => {
    roster.begin(Date.now(), 2, larger);
    return roster.decide({ kind: "look", user, by: "look" });
  };
  expect(look("u600").status).toBe("confirmed");
  expect(look("u601")).toMatchObject({ status: "waitlisted", position: 1 });
});

test("a batch that is taken back leaves the waitlist as it was", () => {
  const roster = rosterOf(newTerms({ capacity: 1, waitlist: true }));
  join(roster, people(5));
  roster.begin(Date.now(), 1, null);
  roster.decide({ kind: "leave", user: "u0", by: "x" });
  roster.decide({ kind: "join", user: "new", by: "y", member: true });
  roster.takeBack();
  roster.begin(Date.now(), 1, null);
  const positions = people(5).map((user) => roster.decide({ kind: "look", user, by: "z" }).position);
  expect(positions).toEqual([null, 1, 2, 3, 4]);
});

test("nobody signs up for what is over, though its sign-up would close later", () => {
  const now = Date.now();
  const roster = rosterOf(
    newTerms({ startsAt: now - 7_200_000, endsAt: now - 3_600_000, closesAt: now + 3_600_000 }),
  );
  roster.begin(now, 1, null);
  let refusal: unknown;
  try {
    roster.decide({ kind: "join", user: "u", by: "x", member: true });
  } catch (error) {
    refusal = error;
  }
  expect(isRefusal(refusal, "SIGN_UP_CLOSED")).toBe(true);
});
