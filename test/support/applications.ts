/** The applications domain beside small stand-ins of the domains that it asks, in one process. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ServiceBroker, ServiceSchema } from "moleculer";
import type { Database } from "../../lib/database.ts";
import type { ActionName, Answer, Envelope, Params } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import type { Headers } from "../../lib/implement.ts";
import { generateKeySet, parseKeySet, Signer } from "../../lib/keys.ts";
import { readSettings } from "../../lib/settings.ts";
import { createNode } from "../../moleculer.config.ts";
import type { ClubRecord } from "../../services/clubs/clubs.contract.ts";

type Role = "president" | "officer" | "member";
type Named = Answer<"users.names">[number];

/** What the stand-ins answer with; tests change it. */
export interface World {
  clubs: Map<string, ClubRecord>;
  /** `<club>:<user>` → role. */
  members: Map<string, Role>;
  people: Map<string, Named>;
  /** Global roles. */
  roles: Map<string, string[]>;
  /** Every message that notifications would have got. */
  told: Envelope[];
  /** Runs when the role of somebody is asked for, before the answer. */
  onRoles: () => Promise<void>;
}

export class Stand {
  readonly broker: ServiceBroker;
  readonly world: World;
  readonly #signer: Signer;
  readonly #clean: () => Promise<void>;

  constructor(broker: ServiceBroker, world: World, signer: Signer, clean: () => Promise<void>) {
    this.broker = broker;
    this.world = world;
    this.#signer = signer;
    this.#clean = clean;
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

  /** Calls an action as `user` does through a gateway. */
  as<F extends ActionName>(
    user: string | null,
    action: F,
    params: Params<F>,
    headers: Headers = {},
  ): Promise<Answer<F>> {
    const passport = user === null ? undefined : this.#signer.sign({ sub: user, sid: newId() }, 600);
    return this.broker.call(action, params, { headers: { passport, edge: true, ...headers } });
  }

  /** Hands a message to one of its consumers. */
  async deliver(consumer: ActionName, message: Envelope): Promise<void> {
    await this.broker.call(consumer, message);
  }

  async stop(): Promise<void> {
    await this.broker.stop();
    await this.#clean();
  }
}

/** A message as another domain would tell it. */
export function message(
  type: string,
  aggregate: Envelope["aggregate"],
  data: object = {},
  at = Date.now(),
): Envelope {
  return { id: newId(), type, at, aggregate, actor: null, requestId: null, data };
}

/** Settings of each stand that starts, over those of an embedded one; the tests with servers set it. */
export const environment = { next: async (): Promise<Record<string, string>> => ({}) };

export async function startStand(): Promise<Stand> {
  const dataDir = await mkdtemp(path.join(tmpdir(), "applications-"));
  const settings = readSettings({
    DATA_DIR: dataDir,
    PORT: "0",
    HEALTH_PORT: "0",
    LOG_LEVEL: "fatal",
    LOG_FORMAT: "json",
    ...(await environment.next()),
  });
  const world: World = {
    clubs: new Map(),
    members: new Map(),
    people: new Map(),
    roles: new Map(),
    told: [],
    onRoles: async () => undefined,
  };
  const signer = new Signer(parseKeySet(JSON.stringify(generateKeySet("ES256")), "TEST_KEYS"), "public");
  const broker = await createNode(settings, ["applications"]);
  for (const schema of standIns(world, signer)) broker.createService(schema);
  await broker.start();
  return new Stand(broker, world, signer, () => rm(dataDir, { recursive: true, force: true }));
}

const RANK = { visible: 0, member: 1, officer: 2, president: 3 };

function standIns(world: World, signer: Signer): ServiceSchema[] {
  const roleOf = (clubId: string, userId: string | null) => world.members.get(`${clubId}:${userId}`) ?? null;
  return [
    { name: "auth", actions: { keys: () => signer.publicJwks() } },
    {
      name: "users",
      actions: {
        names: (ctx) => (ctx.params as Params<"users.names">).ids.flatMap((id) => world.people.get(id) ?? []),
        rolesOf: (ctx) => world.roles.get((ctx.params as Params<"users.rolesOf">).id) ?? [],
      },
    },
    {
      name: "clubs",
      actions: {
        records: (ctx) =>
          (ctx.params as Params<"clubs.records">).ids.flatMap((id) => world.clubs.get(id) ?? []),
        allows(ctx): Answer<"clubs.allows"> {
          const { id, relation, user } = ctx.params as Params<"clubs.allows">;
          const club = world.clubs.get(id);
          if (!club) return { verdict: "missing", grant: {} };
          const role = roleOf(id, user);
          const grant = { status: club.status, role };
          if (club.status !== "active" && !role) return { verdict: "hidden", grant };
          const enough = (role ? RANK[role] : 0) >= RANK[relation as keyof typeof RANK];
          return { verdict: enough ? "yes" : "forbidden", grant };
        },
      },
    },
    {
      name: "members",
      actions: {
        async rolesOf(ctx): Promise<Answer<"members.rolesOf">> {
          await world.onRoles();
          return (ctx.params as Params<"members.rolesOf">).pairs.flatMap(({ clubId, userId }) => {
            const role = roleOf(clubId, userId);
            return role ? [{ clubId, userId, role }] : [];
          });
        },
        onApplicationDecided: () => undefined,
      },
    },
    {
      name: "notifications",
      actions: {
        onMessage(ctx) {
          world.told.push(ctx.params as Envelope);
        },
      },
    },
  ];
}
