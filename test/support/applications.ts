/** The applications domain behind the public gateway, beside small stand-ins of the domains that it asks. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ServiceBroker } from "moleculer";
import type { Database } from "../../lib/database.ts";
import { pathParams, routeOf } from "../../lib/declare.ts";
import type { ActionName, Answer, Envelope, Params } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import { generateKeySet, parseKeySet } from "../../lib/keys.ts";
import { Signer } from "../../lib/tokens.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import type { ClubRecord } from "../../services/clubs/clubs.contract.ts";
import { actionContracts } from "../../services/contracts.ts";
import { eventually, Federation } from "./federation.ts";
import { serves, startPlace } from "./place.ts";
import type { Place } from "./place.ts";
import { standIns } from "./stand-ins.ts";
import type { Role, World } from "./stand-ins.ts";

type Application = Answer<"applications.get">;

export interface CallHeaders {
  /** Version for If-Match. */
  ifMatch?: number;
  /** Idempotency-Key. */
  key?: string;
  others?: Record<string, string>;
}

/** A refusal as it came over HTTP. */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;
  readonly errors: { field: string; code: string }[];

  constructor(status: number, { code, errors = [] }: Problem) {
    super(`${status} ${code}`);
    this.status = status;
    this.code = code;
    this.errors = errors.map((each) => ({ field: each.field, code: each.code }));
  }
}

interface Problem {
  code: string;
  errors?: { field: string; code: string }[];
}

export class Stand {
  readonly broker: ServiceBroker;
  readonly world: World;
  readonly #http: Federation;

  constructor(place: Place, world: World) {
    this.broker = place.broker;
    this.world = world;
    this.#http = new Federation(place);
  }

  /** The domain's database, to set the time back and to look at what is stored. */
  get db(): Database {
    return (this.broker.getLocalService("applications") as unknown as { db: Database }).db;
  }

  person(displayName = "Somebody"): string {
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
    });
    return id;
  }

  club(fields: Partial<ClubRecord> = {}): ClubRecord {
    const now = new Date().toISOString();
    const club: ClubRecord = {
      id: newId(),
      name: "Chess",
      summary: "We play.",
      description: "",
      category: "sport",
      tags: [],
      logoFileId: null,
      joinPolicy: "review",
      questions: [],
      reviewStages: ["officer"],
      status: "active",
      version: 1,
      revision: 1,
      createdAt: now,
      updatedAt: now,
      memberCount: 1,
      favoriteCount: 0,
      createdBy: this.person("Founder"),
      ...fields,
    };
    this.world.clubs.set(club.id, club);
    return club;
  }

  /** Somebody with a role in the club. */
  member(club: ClubRecord, role: Role): string {
    const id = this.person(role);
    this.world.members.set(`${club.id}:${id}`, role);
    return id;
  }

  reviewer(): string {
    const id = this.person("Reviewer");
    this.world.roles.set(id, ["reviewer"]);
    return id;
  }

  /** A request of `user` (null: nobody) to the action's route; the answer is held to the contract. @throws Refused */
  async as<F extends ActionName>(
    user: string | null,
    action: F,
    params: Params<F>,
    headers: CallHeaders = {},
  ): Promise<Answer<F>> {
    const answer = await this.send(user, action, params as object, headers);
    if (answer.status >= 400) throw new Refused(answer.status, answer.body as Problem);
    return answer.body as Answer<F>;
  }

  /** The same, with status and headers. */
  async send(user: string | null, action: ActionName, params: object, headers: CallHeaders = {}) {
    const { method, path } = routeOf(actionContracts.get(action)?.rest ?? "");
    const rest = new Map<string, unknown>(Object.entries(params));
    let target = path;
    for (const name of pathParams(path)) {
      target = target.replace(`:${name}`, String(rest.get(name)));
      rest.delete(name);
    }
    const read = method === "GET";
    const query = new URLSearchParams(
      Object.fromEntries([...rest].map(([name, value]) => [name, String(value)])),
    );
    if (read && rest.size > 0) target += `?${query.toString()}`;
    const { ifMatch, key, others } = headers;
    return this.#http.call(method, target, {
      ...(user !== null && { token: signer.sign({ sub: user, sid: newId() }, 600) }),
      ...(!read && { body: Object.fromEntries(rest) }),
      headers: {
        ...(ifMatch !== undefined && { "if-match": `"${ifMatch}"` }),
        ...(key !== undefined && { "idempotency-key": key }),
        ...others,
      },
    });
  }

  /** Applies to the club. */
  async apply(club: ClubRecord, user = this.person("Applicant"), more: object = {}) {
    const { application } = await this.as(user, "applications.submit", { id: club.id, ...more });
    return { user, id: application.id, application };
  }

  get(user: string, id: string): Promise<Application> {
    return this.as(user, "applications.get", { id });
  }

  /** The application once it has the status. */
  reaches(user: string, id: string, status: Application["status"] = "under_review"): Promise<Application> {
    return eventually(async () => {
      const application = await this.get(user, id);
      return application.status === status ? application : undefined;
    });
  }

  decide(
    user: string,
    id: string,
    decision: "approve" | "reject" = "approve",
    comment?: string,
    headers: CallHeaders = {},
  ): Promise<Application> {
    const params = { id, decision, ...(comment !== undefined && { comment }) };
    return this.as(user, "applications.decide", params, headers);
  }

  /** Types of the messages about a thing that have reached notifications. */
  told(id: string): string[] {
    return this.world.told.filter((each) => each.aggregate.id === id).map(({ type }) => type);
  }

  /** Waits until notifications has such a message. */
  async tells(id: string, type: string): Promise<void> {
    await eventually(async () => this.told(id).includes(type) || undefined);
  }

  /** Hands a message to one of its consumers. */
  async deliver(consumer: ActionName, message: Envelope): Promise<void> {
    await this.broker.call(consumer, message);
  }

  async stop(): Promise<void> {
    await this.#http.stop();
    await rm(this.#dataDir, { recursive: true, force: true });
  }

  /** Stops it, and starts another on what it has stored. */
  async restart(): Promise<Stand> {
    await this.#http.stop();
    return start(this.#dataDir, this.world);
  }

  get #dataDir(): string {
    return runtimeOf(this.broker).settings.dataDir;
  }
}

/** @param env over the defaults of the tests */
export async function startStand(env: Record<string, string> = {}): Promise<Stand> {
  const world = {
    clubs: new Map(),
    members: new Map(),
    people: new Map(),
    roles: new Map(),
    told: [],
    onRoles: async () => undefined,
    clubsAway: false,
  };
  return start(await mkdtemp(path.join(tmpdir(), "applications-")), world, env);
}

const signer = new Signer(parseKeySet(JSON.stringify(generateKeySet("ES256")), "TEST_KEYS"), "public");

async function start(dataDir: string, world: World, env: Record<string, string> = {}): Promise<Stand> {
  const all = { DATA_DIR: dataDir, ...env };
  const place = await startPlace(["applications", "gateway"], all, standIns(world, signer));
  await serves(place.broker);
  return new Stand(place, world);
}
