/** What the tests of a domain behind the public gateway have in common: people and clubs of its world, and requests. */
import type { ServiceBroker } from "moleculer";
import type { ActionName, Answer } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import { generateKeySet, parseKeySet } from "../../lib/keys.ts";
import { Signer } from "../../lib/tokens.ts";
import type { ClubRecord } from "../../services/clubs/clubs.contract.ts";
import { Federation } from "./federation.ts";
import type { Answer as Reply, RequestOptions } from "./http.ts";
import type { Place } from "./place.ts";
import { message } from "./stand-ins.ts";
import type { Role, World } from "./stand-ins.ts";

export const signer = new Signer(parseKeySet(JSON.stringify(generateKeySet("ES256")), "TEST_KEYS"), "public");

export interface CallOptions extends RequestOptions {
  as?: string | undefined;
  ifMatch?: number;
  key?: string;
}

/** A club with its president. */
export interface Club {
  id: string;
  president: string;
}

export interface Problem {
  code: string;
  errors?: { field: string; code: string }[];
}

/** @template B what is answered most */
export class DomainUnderTest<W extends World, B> {
  readonly broker: ServiceBroker;
  readonly world: W;
  readonly #http: Federation;

  constructor(place: Place, world: W) {
    this.broker = place.broker;
    this.world = world;
    this.#http = new Federation(place);
  }

  /** Of its gateway. */
  get url(): string {
    return this.#http.url;
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

  /** A request; the answer is held to its contract. */
  call<T = B>(
    method: string,
    target: string,
    { as, ifMatch, key, headers, ...options }: CallOptions = {},
  ): Promise<Reply<T>> {
    return this.#http.call<T>(method, target, {
      ...(as !== undefined && { token: this.tokenOf(as) }),
      ...options,
      headers: {
        ...(ifMatch !== undefined && { "if-match": `"${ifMatch}"` }),
        ...(key !== undefined && { "idempotency-key": key }),
        ...headers,
      },
    });
  }

  /** The body of an answer that must not be a refusal. */
  async ok<T = B>(method: string, target: string, options: CallOptions = {}): Promise<T> {
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

  /** Hands a message to one of its consumers, as the relay of another domain does. */
  async deliver(consumer: ActionName, type: string, aggregate: { type: string; id: string }): Promise<void> {
    await this.broker.call(consumer, message(type, { ...aggregate, version: 2 }));
  }

  stop(): Promise<void> {
    return this.#http.stop();
  }
}
