/** The life of an application against a plain model of the rules. */
import fc from "fast-check";
import { isAppError } from "../../lib/errors.ts";
import {
  begin,
  chain,
  close,
  decide,
  mayDecide,
  stageOf,
  submit,
} from "../../services/applications/state.ts";
import type { Entry, Role, Stage, State, Step } from "../../services/applications/state.ts";

const PEOPLE: Record<string, Role | null> = {
  president: "president",
  officer: "officer",
  secondOfficer: "officer",
  member: "member",
  applicant: null,
};

type Event =
  | { kind: "begin" }
  | { kind: "decide"; who: string; decision: "approve" | "reject"; comment: string | null; late: boolean }
  | { kind: "withdraw" }
  | { kind: "expire" };

const event: fc.Arbitrary<Event> = fc.oneof(
  fc.constant<Event>({ kind: "begin" }),
  fc.record({
    kind: fc.constant("decide" as const),
    who: fc.constantFrom(...Object.keys(PEOPLE)),
    decision: fc.constantFrom("approve" as const, "approve" as const, "reject" as const),
    comment: fc.constantFrom(null, "because"),
    late: fc.boolean(),
  }),
  fc.constant<Event>({ kind: "withdraw" }),
  fc.constant<Event>({ kind: "expire" }),
);

const stages = fc.constantFrom<Stage[]>(
  ["officer"],
  ["president"],
  ["officer", "president"],
  ["president", "officer"],
);
const joinPolicy = fc.constantFrom("open" as const, "review" as const);

/** The model: what one reads in the rules, with nothing but a status and a list of who approved. */
interface Model {
  status: string;
  approvals: string[];
}

function expected(model: Model, each: Event, all: Stage[], open: boolean): string {
  const waiting = model.status === "submitted" || model.status === "under_review";
  if (each.kind === "begin") return model.status === "submitted" ? "ok" : "none";
  if (each.kind !== "decide") return waiting ? "ok" : "ALREADY_DECIDED";
  const decidable = waiting && !(open && model.status === "submitted") && !each.late;
  const stage = all[model.approvals.length];
  const role = PEOPLE[each.who];
  const allowed =
    role === "president" ||
    (role === "officer" && stage === "officer" && !model.approvals.includes(each.who));
  if (decidable && !allowed) return "FORBIDDEN";
  if (each.decision === "reject" && !each.comment) return "COMMENT_REQUIRED";
  return decidable ? "ok" : "ALREADY_DECIDED";
}

function follow(model: Model, each: Event, all: Stage[], open: boolean): Model {
  if (each.kind === "begin") return { ...model, status: open ? "approved" : "under_review" };
  if (each.kind === "withdraw") return { ...model, status: "withdrawn" };
  if (each.kind === "expire") return { ...model, status: "expired" };
  if (each.decision === "reject") return { ...model, status: "rejected" };
  const approvals = [...model.approvals, each.who];
  return { approvals, status: approvals.length === all.length ? "approved" : "under_review" };
}

function run(state: State, each: Event, reviewStages: Stage[], open: boolean): Step | null {
  const rules = { joinPolicy: open ? ("open" as const) : ("review" as const), reviewStages };
  if (each.kind === "begin") return state.status === "submitted" ? begin(state, rules) : null;
  if (each.kind === "withdraw") return close(state, "withdrawn", "applicant");
  if (each.kind === "expire") return close(state, "expired", null);
  const { who, decision, comment, late } = each;
  const passed = state.deciders.length + (late ? 1 : 0);
  const choice = { decision, comment, by: who, role: PEOPLE[who] ?? null, passed };
  return state.status === "submitted"
    ? chain(begin(state, rules), (reviewed) => decide(reviewed, choice))
    : decide(state, choice);
}

function attempt(work: () => Step | null): { step: Step | null; outcome: string } {
  try {
    const step = work();
    return { step, outcome: step ? "ok" : "none" };
  } catch (error) {
    if (!isAppError(error)) throw error;
    return { step: null, outcome: error.type };
  }
}

test("it does what the rules say, whatever comes in whatever order", () => {
  fc.assert(
    fc.property(stages, joinPolicy, fc.array(event, { maxLength: 12 }), (all, policy, events) => {
      const open = policy === "open";
      let { state, entries: timeline } = submit("applicant");
      let model: Model = { status: "submitted", approvals: [] };
      for (const each of events) {
        const { step, outcome } = attempt(() => run(state, each, all, open));
        expect(outcome).toBe(expected(model, each, all, open));
        if (!step) continue;
        state = step.state;
        timeline = [...timeline, ...step.entries];
        model = follow(model, each, all, open);
        expect(state.status).toBe(model.status);
      }
      holds(timeline, state);
    }),
    { numRuns: 2000 },
  );
});

const NEXT: Record<string, string[]> = {
  submitted: ["under_review"],
  under_review: ["under_review", "approved", "rejected", "withdrawn", "expired"],
};

/** What is true of every timeline. */
function holds(timeline: Entry[], state: State): void {
  expect(timeline[0]).toMatchObject({ from: null, to: "submitted", by: "applicant" });
  for (const [i, entry] of timeline.entries()) {
    const before = timeline[i - 1];
    if (!before) continue;
    expect(entry.from).toBe(before.to);
    expect(NEXT[before.to]).toContain(entry.to);
  }
  expect(timeline.at(-1)?.to).toBe(state.status);
  expect(stageOf(state) === null).toBe(state.status !== "under_review");
  const told = timeline.flatMap(({ tell }) => tell?.type ?? []);
  const ends = ["applications.decided", "applications.withdrawn", "applications.expired"];
  const open = state.status === "submitted" || state.status === "under_review";
  expect(told.filter((type) => ends.includes(type))).toHaveLength(open ? 0 : 1);
  for (const { to, comment } of timeline) if (to === "rejected") expect(comment).toBeTruthy();
}

test("nobody but the president decides two stages", () => {
  const state: State = { status: "under_review", stages: ["president", "officer"], deciders: ["once"] };
  expect(mayDecide(state, "officer", "once")).toBe(false);
  expect(mayDecide(state, "officer", "other")).toBe(true);
  expect(mayDecide(state, "president", "once")).toBe(true);
  expect(mayDecide(state, "member", "other")).toBe(false);
  expect(mayDecide(state, null, "other")).toBe(false);
});
