/** The activities domain behind the public gateway, beside small stand-ins of the domains that it asks. */
import type { ServiceBroker } from "moleculer";
import type { ActionName, Answer } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import { generateKeySet, parseKeySet, Signer } from "../../lib/keys.ts";
import type { ActivityDocument, Store } from "../../services/activities/records.ts";
import type { Activity } from "../../services/activities/activities.contract.ts";
import type { ClubRecord } from "../../services/clubs/clubs.contract.ts";
import { eventually, Federation } from "./federation.ts";
import type { Answer as Reply, RequestOptions } from "./http.ts";
import { serves, startPlace } from "./place.ts";
import type { Place } from "./place.ts";
import { message, standIns } from "./stand-ins.ts";
import type { Role, World } from "./stand-ins.ts";

export { eventually };
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

const signer = new Signer(parseKeySet(JSON.stringify(generateKeySet("ES256")), "TEST_KEYS"), "public");

export interface CallOptions extends RequestOptions {
  as?: string | undefined;
  ifMatch?: number;
  key?: string;
}
type Fields = Record<string, unknown>;

/** A club with its president, who plans. */
export interface Club {
  id: string;
  president: string;
}

export class Hall {
  readonly broker: ServiceBroker;
  readonly world: World;
  readonly #http: Federation;

  constructor(place: Place, world: World) {
    this.broker = place.broker;
    this.world = world;
    this.#http = new Federation(place);
  }

  /** The domain's collections, to set the time back and to look at what is stored. */
  get store(): Store {
    return (this.broker.getLocalService("activities") as unknown as { store: Store }).store;
  }

  person(displayName = "Somebody", fields: Partial<Answer<"users.names">[number]> = {}): string {
    const id = newId();
    this.world.people.set(id, {
      id,
      username: displayName.toLowerCase(),
      displayName,
      avatarFileId: null,
      college: null,
      major: null,
      grade: null,
      locale: "en",
      status: "active",
      ...fields,
    });
    return id;
  }

  people(count: number): string[] {
    return Array.from({ length: count }, (_, i) => this.person(`Person ${i + 1}`));
  }

  club(status: ClubRecord["status"] = "active"): Club {
    const id = newId();
    const president = this.person("President");
    const now = new Date().toISOString();
    this.world.clubs.set(id, {
      id,
      name: "读书社",
      summary: "We read.",
      description: "",
      category: "academic",
      tags: [],
      logoFileId: null,
      joinPolicy: "review",
      questions: [],
      reviewStages: ["officer"],
      status,
      version: 1,
      revision: 1,
      createdAt: now,
      updatedAt: now,
      memberCount: 1,
      favoriteCount: 0,
      createdBy: president,
    });
    this.world.members.set(`${id}:${president}`, "president");
    return { id, president };
  }

  /** Somebody with a role in the club. */
  member({ id }: Club, role: Role = "member"): string {
    const user = this.person(role);
    this.world.members.set(`${id}:${user}`, role);
    return user;
  }

  setStatus(club: Club, status: ClubRecord["status"]): void {
    this.world.clubs.set(club.id, { ...(this.world.clubs.get(club.id) as ClubRecord), status });
  }

  tokenOf(user: string): string {
    return signer.sign({ sub: user, sid: newId() }, 600);
  }

  /** A request; the answer is held to its contract. Who is asked to come again does so, as on a busy machine. */
  call<T = Activity>(
    method: string,
    target: string,
    { as, ifMatch, key, headers, ...options }: CallOptions = {},
  ): Promise<Reply<T>> {
    const request = {
      ...(as !== undefined && { token: this.tokenOf(as) }),
      ...options,
      headers: {
        ...(ifMatch !== undefined && { "if-match": `"${ifMatch}"` }),
        ...(key !== undefined && { "idempotency-key": key }),
        ...headers,
      },
    };
    return eventually(async () => {
      const answer = await this.#http.call<T>(method, target, request);
      const { code } = (answer.body ?? {}) as Partial<Problem>;
      return answer.status === 503 && code === "OVERLOADED" ? undefined : answer;
    });
  }

  /** An answer's bytes, as they come. */
  async bytes(target: string, as: string): Promise<Buffer> {
    const authorization = `Bearer ${this.tokenOf(as)}`;
    const answer = await fetch(`${this.#http.url}${target}`, { headers: { authorization } });
    return Buffer.from(await answer.arrayBuffer());
  }

  /** The body of an answer that must not be a refusal. */
  async ok<T = Activity>(method: string, target: string, options: CallOptions = {}): Promise<T> {
    const { status, body } = await this.call<T>(method, target, options);
    if (status >= 400) throw new Error(`${method} ${target}: ${status} ${JSON.stringify(body)}`);
    return body;
  }

  /** Status and code; of a 422 also the fields with theirs. */
  async outcome(method: string, target: string, options: CallOptions = {}): Promise<string> {
    const { status, body } = await this.call<Problem | undefined>(method, target, options);
    if (status < 400) return String(status);
    const fields = body?.errors?.map(({ field, code }) => ` ${field}=${code}`) ?? [];
    return `${status} ${body?.code}${fields.join("")}`;
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

  /** Hands a message to one of its consumers, as the relay of another domain does. */
  async deliver(consumer: ActionName, type: string, aggregate: { type: string; id: string }): Promise<void> {
    await this.broker.call(consumer, message(type, { ...aggregate, version: 2 }));
  }

  stop(): Promise<void> {
    return this.#http.stop();
  }
}

export interface Problem {
  code: string;
  errors?: { field: string; code: string }[];
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
