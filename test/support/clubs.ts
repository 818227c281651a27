/** The clubs domain behind the public gateway, beside small stand-ins of the domains that it asks. */
import type { ServiceBroker, ServiceSchema } from "moleculer";
import type { Database } from "../../lib/database.ts";
import type { ActionName, Answer, Envelope, Params, Role } from "../../lib/declare.ts";
import { AppError } from "../../lib/errors.ts";
import { newId } from "../../lib/ids.ts";
import { generateKeySet, parseKeySet } from "../../lib/keys.ts";
import { Signer } from "../../lib/tokens.ts";
import type { DatabaseMethods } from "../../mixins/database.ts";
import type { Club } from "../../services/clubs/clubs.contract.ts";
import { Federation } from "./federation.ts";
import type { Answer as Reply, RequestOptions } from "./http.ts";
import { startPlace } from "./place.ts";
import type { Place } from "./place.ts";

export type Task = Params<"reviews.open">;
type Named = Answer<"users.names">[number];

/** What the stand-ins answer with; tests change it. */
export class Neighbours {
  readonly people = new Map<string, Named>();
  readonly roles = new Map<string, Role[]>();
  /** Review tasks by the step that opened them. */
  readonly tasks = new Map<string, Task>();
  readonly undone = new Set<string>();
  /** Services that do not answer. */
  readonly away = new Set<string>();
  hits: Answer<"search.clubs"> = { items: [], facets: { category: [], tag: [] }, total: 0, nextCursor: null };
  asked: unknown = null;
  /** Runs when a review task is opened, before the answer. */
  onOpen: (task: Task) => Promise<void> = async () => undefined;
}

const signer = new Signer(parseKeySet(JSON.stringify(generateKeySet("ES256")), "TEST_KEYS"), "public");

export interface CallOptions extends RequestOptions {
  as?: string;
  ifMatch?: number;
  key?: string;
}

export class Campus {
  readonly broker: ServiceBroker;
  readonly world: Neighbours;
  readonly #http: Federation;
  #names = 0;

  constructor(place: Place, world: Neighbours) {
    this.broker = place.broker;
    this.world = world;
    this.#http = new Federation(place);
  }

  /** The domain's database, to set the time back and to look at what is stored. */
  get db(): Database {
    return (this.broker.getLocalService("clubs") as unknown as DatabaseMethods).db;
  }

  person(displayName = "Somebody", roles: Role[] = [], fields: Partial<Named> = {}): string {
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
    this.world.roles.set(id, roles);
    return id;
  }

  /** An answer's bytes, as they come. */
  async bytes(target: string, as: string): Promise<Buffer> {
    const authorization = `Bearer ${this.#tokenOf(as)}`;
    const answer = await fetch(`${this.#http.url}${target}`, { headers: { authorization } });
    return Buffer.from(await answer.arrayBuffer());
  }

  #tokenOf(user: string): string {
    return signer.sign({ sub: user, sid: newId() }, 600);
  }

  /** A request; the answer is held to its contract. */
  call<T = Club>(
    method: string,
    target: string,
    { as, ifMatch, key, headers, ...options }: CallOptions = {},
  ): Promise<Reply<T>> {
    return this.#http.call<T>(method, target, {
      ...(as !== undefined && { token: this.#tokenOf(as) }),
      ...options,
      headers: {
        ...(ifMatch !== undefined && { "if-match": `"${ifMatch}"` }),
        ...(key !== undefined && { "idempotency-key": key }),
        ...headers,
      },
    });
  }

  /** The body of an answer that must not be a refusal. */
  async ok<T = Club>(method: string, target: string, options: CallOptions = {}): Promise<T> {
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

  fields(more: Record<string, unknown> = {}): Record<string, unknown> {
    return { name: `Club ${++this.#names}`, summary: "A club.", category: "academic", ...more };
  }

  /** A club as it is founded. */
  async pending(president: string, more: Record<string, unknown> = {}): Promise<Club> {
    return this.ok("POST", "/clubs", { as: president, body: this.fields(more) });
  }

  /** A club that a review has approved. */
  async club(president: string, more: Record<string, unknown> = {}): Promise<Club> {
    const club = await this.pending(president, more);
    await this.review(club.id, 1);
    return this.get(club.id, president);
  }

  get(id: string, as: string): Promise<Club> {
    return this.ok("GET", `/clubs/${id}`, { as });
  }

  /** Hands a message to one of its consumers, as the relay does. */
  async deliver(consumer: ActionName, type: string, aggregateId: string, data: object = {}): Promise<void> {
    const aggregate = { type: "thing", id: aggregateId, version: 1 };
    const envelope = { id: newId(), type, at: Date.now(), aggregate, actor: null, requestId: null, data };
    await this.broker.call(consumer, envelope);
  }

  async review(clubId: string, clubVersion: number, decision = "approved", comment: string | null = null) {
    const by = newId();
    const data = { clubId, clubName: "-", clubVersion, filedBy: newId(), decision, comment, by };
    await this.deliver("clubs.onReviewDecided", "reviews.decided", newId(), data);
    return by;
  }

  /** Makes somebody a member, by an application that was approved, and what else they are. */
  async join(clubId: string, userId: string, role: "member" | "officer" = "member", president?: string) {
    const data = { clubId, applicantId: userId, status: "approved", by: null };
    await this.deliver("members.onApplicationDecided", "applications.decided", newId(), data);
    if (role === "officer")
      await this.ok("PATCH", `/clubs/${clubId}/members/${userId}`, {
        as: president as string,
        body: { role },
      });
  }

  /** The messages about a club, in the order of their telling: all of them but the audit log's, or those of a type. */
  async told(clubId: string, type?: string): Promise<Envelope<Record<string, unknown>>[]> {
    const rows = await this.db.primary.all<{ envelope: string }>("SELECT envelope FROM outbox ORDER BY id");
    return rows
      .map(({ envelope }) => JSON.parse(envelope) as Envelope<Record<string, unknown>>)
      .filter(({ aggregate }) => aggregate.id === clubId)
      .filter((each) => (type === undefined ? each.type !== "clubs.acted" : each.type === type));
  }

  stop(): Promise<void> {
    return this.#http.stop();
  }
}

interface Problem {
  code: string;
  errors?: { field: string; code: string }[];
}

export async function startCampus(
  env: Record<string, string> = {},
  world = new Neighbours(),
): Promise<Campus> {
  return new Campus(await startPlace(["gateway", "clubs"], env, standIns(world)), world);
}

/** Services under the names that clubs calls. */
export function standIns(world: Neighbours): ServiceSchema[] {
  const here = (name: string): void => {
    if (world.away.has(name)) throw new AppError("UNAVAILABLE", { retryAfter: 2 });
  };
  const hear = () => undefined;
  return [
    { name: "auth", actions: { keys: () => signer.publicJwks() } },
    {
      name: "sessions",
      actions: { revokedSince: () => ({ now: Date.now(), sids: [] }), signedInAt: () => Date.now() },
    },
    {
      name: "users",
      actions: {
        names(ctx) {
          here("users");
          return (ctx.params as Params<"users.names">).ids.flatMap((id) => world.people.get(id) ?? []);
        },
        rolesOf: (ctx) => world.roles.get((ctx.params as Params<"users.rolesOf">).id) ?? [],
      },
    },
    {
      name: "reviews",
      actions: {
        async open(ctx) {
          here("reviews");
          const task = ctx.params as Task;
          await world.onOpen(task);
          if (world.undone.has(task.sagaStep)) return { opened: false };
          world.tasks.set(task.sagaStep, task);
          return { opened: true };
        },
        undoOpen(ctx) {
          here("reviews");
          const { sagaStep } = ctx.params as Params<"reviews.undoOpen">;
          world.undone.add(sagaStep);
          world.tasks.delete(sagaStep);
        },
        onClubChanged: hear,
      },
    },
    {
      name: "search",
      actions: {
        clubs(ctx) {
          here("search");
          world.asked = ctx.params;
          return world.hits;
        },
        suggestClubs() {
          here("search");
          return world.hits.items.map(({ id }) => ({ id, name: "as the index knows it" }));
        },
        onClubChanged: hear,
      },
    },
    { name: "applications", actions: { onClubChanged: hear } },
    { name: "notifications", actions: { onMessage: hear } },
    { name: "activities", actions: { onClubDeleted: hear } },
    { name: "posts", actions: { onClubChanged: hear } },
  ];
}
