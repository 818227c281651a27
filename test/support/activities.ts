/** The activities domain behind the public gateway, beside small stand-ins of the domains that it asks. */
import type { Answer } from "../../lib/declare.ts";
import type { ActivityDocument, Store } from "../../services/activities/records.ts";
import type { Activity } from "../../services/activities/activities.contract.ts";
import { DomainUnderTest, signer } from "./domain.ts";
import type { CallOptions, Club, Problem } from "./domain.ts";
import { eventually } from "./federation.ts";
import { serves, startPlace } from "./place.ts";
import { standIns } from "./stand-ins.ts";
import type { World } from "./stand-ins.ts";

export { eventually };
export type { CallOptions, Club, Problem };
export type { Activity };
export type Participation = Answer<"participations.mine">;
export type Participants = Answer<"participations.list">;

/** Milliseconds. */
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** A time so far from now, as the contract writes it. */
export const later = (ms: number): string => new Date(Date.now() + ms).toISOString();
export const plus = (time: string, ms: number): string => new Date(Date.parse(time) + ms).toISOString();

type Fields = Record<string, unknown>;

export class Hall extends DomainUnderTest<World, Activity> {
  /** The domain's collections, to set the time back and to look at what is stored. */
  get store(): Store {
    return (this.broker.getLocalService("activities") as unknown as { store: Store }).store;
  }

  people(count: number): string[] {
    return Array.from({ length: count }, (_, i) => this.person(`Person ${i + 1}`));
  }

  /** An answer's bytes, as they come. */
  async bytes(target: string, as: string): Promise<Buffer> {
    const authorization = `Bearer ${this.tokenOf(as)}`;
    const answer = await fetch(`${this.url}${target}`, { headers: { authorization } });
    return Buffer.from(await answer.arrayBuffer());
  }

  /** What a plan must have: a week ahead, for two hours. */
  fields(more: Fields = {}): Fields {
    const { startsAt = later(7 * DAY) } = more as { startsAt?: string };
    const endsAt = more["endsAt"] ?? plus(startsAt, 2 * HOUR);
    return { title: "Reading", startsAt, endsAt, timezone: "Asia/Shanghai", ...more };
  }

  draft(club: Club, more: Fields = {}): Promise<Activity> {
    return this.ok("POST", `/clubs/${club.id}/activities`, { as: club.president, body: this.fields(more) });
  }

  /** A published activity. */
  async activity(club: Club, more: Fields = {}): Promise<Activity> {
    const { id } = await this.draft(club, more);
    return this.ok("POST", `/activities/${id}/publish`, { as: club.president, body: {} });
  }

  /** A published daily series; its first occurrences have these names. */
  async series(club: Club, count: number, more: Fields = {}) {
    const startsAt = (more["startsAt"] as string | undefined) ?? later(7 * DAY);
    // Asia/Shanghai has no daylight saving time: a day of the series is always 24 hours.
    const recurrence = { rrule: `FREQ=DAILY;COUNT=${count}`, ...(more["recurrence"] as object) };
    const activity = await this.activity(club, { ...more, startsAt, recurrence });
    return { ...activity, names: Array.from({ length: count }, (_, i) => plus(startsAt, i * DAY)) };
  }

  get(id: string, as?: string): Promise<Activity> {
    return this.ok("GET", `/activities/${id}`, { as });
  }

  patch(club: Club, id: string, body: Fields): Promise<Activity> {
    return this.ok("PATCH", `/activities/${id}`, { as: club.president, body });
  }

  /** Signs up; status and what is answered. */
  async join(id: string, as: string, occurrence?: string): Promise<string> {
    const body = occurrence === undefined ? {} : { occurrence };
    const answer = await this.call<Participation & Problem>("PUT", `/activities/${id}/participation`, {
      as,
      body,
    });
    const { status, position, code } = answer.body;
    if (answer.status >= 400) return `${answer.status} ${code}`;
    return [answer.status, status, position].filter((part) => part !== undefined).join(" ");
  }

  leave(id: string, as: string, occurrence?: string): Promise<string> {
    return this.outcome("DELETE", participation(id, occurrence), { as });
  }

  /** The caller's participation as `confirmed`, `waitlisted 2`…; the refusal where there is none. */
  async mine(id: string, as: string, occurrence?: string): Promise<string> {
    const answer = await this.call<Participation & Problem>("GET", participation(id, occurrence), { as });
    const { status, position, code } = answer.body;
    if (answer.status >= 400) return `${answer.status} ${code}`;
    return position === undefined ? status : `${status} ${position}`;
  }

  /** Changes what is stored of an activity, as no request could. */
  async rewrite(id: string, change: Partial<Omit<ActivityDocument, "_id">>): Promise<void> {
    const { matched } = await this.store.activities.updateOne({ _id: id }, { $set: change });
    if (matched !== 1) throw new Error(`There is no activity ${id}`);
  }

  /** Data of the messages about an activity that have reached notifications. */
  told(id: string, type: string): Record<string, unknown>[] {
    return this.world.told
      .filter((each) => each.type === type)
      .map(({ data }) => data as Record<string, unknown>)
      .filter(({ activityId }) => activityId === id);
  }
}

function participation(id: string, occurrence: string | undefined): string {
  const query = occurrence === undefined ? "" : `?occurrence=${encodeURIComponent(occurrence)}`;
  return `/activities/${id}/participation${query}`;
}

export async function startHall(env: Record<string, string> = {}): Promise<Hall> {
  const world: World = {
    clubs: new Map(),
    members: new Map(),
    people: new Map(),
    roles: new Map(),
    told: [],
    onRoles: async () => undefined,
    clubsAway: false,
  };
  const place = await startPlace(["activities", "gateway"], env, standIns(world, signer));
  await serves(place.broker);
  return new Hall(place, world);
}
