/**
 * The life of an application as pure functions: submitted → under_review → approved, rejected, withdrawn or expired.
 * A step says the new state and what the timeline gets; each entry of the timeline is one version.
 */
import { AppError } from "../../lib/errors.ts";
import type { CLUB_ROLES, STAGES } from "../clubs/clubs.contract.ts";
import type { APPLICATION_STATUSES } from "./applications.contract.ts";

export type Status = (typeof APPLICATION_STATUSES)[number];
export type Stage = (typeof STAGES)[number];
export type Role = (typeof CLUB_ROLES)[number];

export interface State {
  status: Status;
  /** Fixed when the review begins; empty before. */
  stages: readonly Stage[];
  /** Who approved each stage that is passed. */
  deciders: readonly string[];
}

/** What others are told of an entry. */
export type Notice =
  | { type: "applications.submitted" }
  | { type: "applications.advanced"; stage: Stage; first: boolean }
  | { type: "applications.decided"; status: "approved" | "rejected"; by: string | null }
  | { type: "applications.withdrawn" }
  | { type: "applications.expired" };

export interface Entry {
  from: Status | null;
  to: Status;
  by: string | null;
  comment: string | null;
  tell: Notice | null;
}

export interface Step {
  state: State;
  entries: Entry[];
}

export interface Decision {
  decision: "approve" | "reject";
  comment: string | null;
  by: string;
  role: Role | null;
  /** How many stages were passed when the decider looked: a decision is about that stage and no later one. */
  passed: number;
}

/** How a club takes members at the moment when the review begins. */
export interface Rules {
  joinPolicy: "open" | "review" | "closed";
  reviewStages: readonly Stage[];
}

/** Waits for a decision. */
export function isOpen({ status }: { status: Status }): boolean {
  return status === "submitted" || status === "under_review";
}

/** The stage waited for, else null. */
export function stageOf({ status, stages, deciders }: State): Stage | null {
  return status === "under_review" ? (stages[deciders.length] ?? null) : null;
}

/** A president may decide any stage; an officer no president's, and never two of one application. */
export function mayDecide(state: State, role: Role | null, user: string): boolean {
  if (role === "president") return true;
  return role === "officer" && stageOf(state) !== "president" && !state.deciders.includes(user);
}

/** A new application. */
export function submit(by: string): Step {
  return {
    state: { status: "submitted", stages: [], deciders: [] },
    entries: [{ from: null, to: "submitted", by, comment: null, tell: { type: "applications.submitted" } }],
  };
}

/** The review begins: its stages are fixed; an open club approves by itself. */
export function begin(state: State, { joinPolicy, reviewStages }: Rules): Step {
  const stage = reviewStages[0];
  if (joinPolicy === "open" || !stage)
    return chain(enterReview(state, [], null), (reviewed) => end(reviewed, "approved", null, null));
  return enterReview(state, reviewStages, { type: "applications.advanced", stage, first: true });
}

/**
 * A decision on the stage waited for.
 * @throws FORBIDDEN it is not this person's stage
 * @throws COMMENT_REQUIRED a rejection says why
 * @throws ALREADY_DECIDED it waits for nobody, or not for what the decider saw
 */
export function decide(state: State, { decision, comment, by, role, passed }: Decision): Step {
  const late = stageOf(state) === null || state.deciders.length !== passed;
  if (!late && !mayDecide(state, role, by)) throw new AppError("FORBIDDEN");
  demandComment(decision, comment);
  if (late) throw new AppError("ALREADY_DECIDED");
  if (decision === "reject") return end(state, "rejected", by, comment);
  const passedNow: State = { ...state, deciders: [...state.deciders, by] };
  const stage = stageOf(passedNow);
  if (!stage) return end(passedNow, "approved", by, comment);
  const tell: Notice = { type: "applications.advanced", stage, first: false };
  return { state: passedNow, entries: [{ from: "under_review", to: "under_review", by, comment, tell }] };
}

/** @throws COMMENT_REQUIRED for a rejection without one */
export function demandComment(decision: "approve" | "reject", comment: string | null): void {
  if (decision === "reject" && !comment)
    throw new AppError("COMMENT_REQUIRED", { errors: [{ field: "comment", code: "REQUIRED" }] });
}

/** Ends an open application without a decision; `by` null when nobody does. @throws ALREADY_DECIDED */
export function close(state: State, to: "withdrawn" | "expired", by: string | null): Step {
  if (!isOpen(state)) throw new AppError("ALREADY_DECIDED");
  if (state.status === "under_review") return end(state, to, by, null);
  return chain(enterReview(state, [], null), (reviewed) => end(reviewed, to, by, null));
}

/** One step and, from where it leads, the next. */
export function chain(first: Step, next: (state: State) => Step): Step {
  const { state, entries } = next(first.state);
  return { state, entries: [...first.entries, ...entries] };
}

function enterReview(state: State, stages: readonly Stage[], tell: Notice | null): Step {
  return {
    state: { ...state, status: "under_review", stages },
    entries: [{ from: "submitted", to: "under_review", by: null, comment: null, tell }],
  };
}

type Ending = Exclude<Status, "submitted" | "under_review">;

function end(state: State, to: Ending, by: string | null, comment: string | null): Step {
  const tell: Notice =
    to === "withdrawn" || to === "expired"
      ? { type: `applications.${to}` }
      : { type: "applications.decided", status: to, by };
  return { state: { ...state, status: to }, entries: [{ from: state.status, to, by, comment, tell }] };
}
