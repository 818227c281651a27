/** Some domains and the public gateway in this process, with what they ask of other domains answered from tables. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ServiceBroker, ServiceSchema } from "moleculer";
import type { Answer, Envelope, Language, Role } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import { generateKeySet, parseKeySet } from "../../lib/keys.ts";
import { Signer } from "../../lib/tokens.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import type { ClubRecord } from "../../services/clubs/clubs.contract.ts";
import type { messages } from "../../services/contracts.ts";
import { contractCheck } from "./contract-check.ts";
import { Client, comingAgain } from "./http.ts";
import type { Answer as HttpAnswer, RequestOptions } from "./http.ts";
import { startPlace } from "./place.ts";
import type { Place } from "./place.ts";

export interface Neighbour {
  id: string;
  displayName: string;
  locale: Language;
  status: "active" | "suspended" | "erased";
  roles: Role[];
}

/** What the neighbours answer; tests change it as they like. */
export class World {
  readonly people = new Map<string, Neighbour>();
  readonly clubs = new Map<string, ClubRecord>();
  /** Club → its officers and president. */
  readonly officers = new Map<string, { userId: string; role: "president" | "officer" }[]>();
  readonly activities = new Map<string, Answer<"activities.records">[number]>();
  /** Services that do not answer. */
  readonly away = new Set<string>();
  /** Waited for before clubs.records answers. */
  beforeRecords: () => Promise<void> = async () => undefined;

  person(displayName: string, fields: Partial<Neighbour> = {}): string {
    const id = newId();
    this.people.set(id, { id, displayName, locale: "en", status: "active", roles: [], ...fields });
    return id;
  }

  club(name: string, fields: Partial<ClubRecord> = {}): ClubRecord {
    const at = new Date().toISOString();
    const club: ClubRecord = {
      id: newId(),
      name,
      summary: "-",
      description: "",
      category: "academic",
      tags: [],
      logoFileId: null,
      joinPolicy: "review",
      questions: [],
      reviewStages: ["officer"],
      status: "active",
      version: 1,
      createdAt: at,
      updatedAt: at,
      memberCount: 1,
      favoriteCount: 0,
      createdBy: newId(),
      revision: 1,
      ...fields,
    };
    this.clubs.set(club.id, club);
    return club;
  }

  activity(clubId: string, title: string, timezone = "Asia/Shanghai"): string {
    const id = newId();
    this.activities.set(id, { id, clubId, title, timezone });
    return id;
  }

  /** A change of a club with its next revision, and its next version unless it is given. */
  change(id: string, fields: Partial<ClubRecord>): ClubRecord {
    const before = this.clubs.get(id) as ClubRecord;
    const club = { ...before, version: before.version + 1, ...fields, revision: before.revision + 1 };
    this.clubs.set(id, club);
    return club;
  }
}

const keys = parseKeySet(JSON.stringify(generateKeySet("ES256")), "TEST_KEYS");
const signer = new Signer(keys, "public");

export class Neighbourhood {
  readonly broker: ServiceBroker;
  readonly world: World;
  readonly dataDir: string;
  readonly #client: Client;
  readonly #check: ReturnType<typeof contractCheck>;
  readonly #place: Place;

  constructor(place: Place, world: World) {
    const { contracts, settings } = runtimeOf(place.broker);
    this.broker = place.broker;
    this.#place = place;
    this.world = world;
    this.dataDir = settings.dataDir;
    this.#client = new Client(place.url);
    this.#check = contractCheck(contracts);
  }

  /** A request of `person`; throws when the answer departs from its contract. */
  async call<T>(
    method: string,
    target: string,
    { person, ...options }: RequestOptions & { person?: string } = {},
  ): Promise<HttpAnswer<T>> {
    const token = person && signer.sign({ sub: person, sid: newId() }, 600);
    const answer = await comingAgain(() => this.#client.send<T>(method, target, { token, ...options }));
    this.#check(method, target, answer);
    return answer;
  }

  /** A message as the relay brings it; returns its id. */
  async tell(
    consumer: string,
    type: keyof typeof messages,
    message: Omit<Partial<Envelope>, "type">,
  ): Promise<string> {
    const envelope = {
      id: newId(),
      at: Date.now(),
      actor: null,
      requestId: null,
      data: {},
      ...message,
      type,
    };
    await this.broker.call(consumer, envelope, { timeout: 8_000, retries: 0 });
    return envelope.id;
  }

  async stop({ keep = false } = {}): Promise<void> {
    this.#client.close();
    await this.#place.stop();
    if (!keep) await rm(this.dataDir, { recursive: true, force: true });
  }
}

/** Starts `domains` behind a gateway. `env` is over the defaults of the tests. */
export async function startNeighbourhood(
  domains: string[],
  { env = {}, world = new World() }: { env?: Record<string, string>; world?: World } = {},
): Promise<Neighbourhood> {
  const dataDir = env["DATA_DIR"] ?? (await mkdtemp(path.join(tmpdir(), "neighbourhood-")));
  const place = await startPlace(["gateway", ...domains], { ...env, DATA_DIR: dataDir }, servicesOf(world));
  return new Neighbourhood(place, world);
}

function servicesOf(world: World): ServiceSchema[] {
  const answer =
    <P, R>(service: string, work: (params: P) => R) =>
    async ({ params }: { params: P }): Promise<R> => {
      if (world.away.has(service)) throw new Error(`${service} does not answer`);
      return work(params);
    };
  const found = <V>(table: Map<string, V>, ids: string[]): V[] => {
    // As the contracts have it.
    if (ids.length > 1000) throw new Error(`${ids.length} ids are too many`);
    return ids.flatMap((id) => table.get(id) ?? []);
  };
  const person = ({ roles: _roles, ...known }: Neighbour) => ({
    ...known,
    username: null,
    avatarFileId: null,
    college: null,
    major: null,
    grade: null,
  });
  const service = (name: string, actions: Record<string, unknown>): ServiceSchema =>
    ({ name, actions }) as ServiceSchema;
  return [
    service("auth", { keys: async () => signer.publicJwks() }),
    service("sessions", { revokedSince: async () => ({ now: Date.now(), sids: [] }) }),
    service("users", {
      names: answer("users", ({ ids }: { ids: string[] }) => found(world.people, ids).map(person)),
      // Nobody here has mail.
      mailAddresses: answer("users", () => []),
      withRole: answer("users", ({ role }: { role: Role }) =>
        [...world.people.values()].filter(({ roles }) => roles.includes(role)).map(({ id }) => id),
      ),
    }),
    service("clubs", {
      async records(ctx: { params: { ids: string[] } }) {
        const read = await answer("clubs", ({ ids }: { ids: string[] }) => found(world.clubs, ids))(ctx);
        await world.beforeRecords();
        return read;
      },
      page: answer("clubs", ({ after, limit }: { after: string | null; limit: number }) =>
        [...world.clubs.values()]
          .filter(({ id, status }) => status === "active" && (after === null || id > after))
          .toSorted((a, b) => (a.id < b.id ? -1 : 1))
          .slice(0, limit),
      ),
    }),
    service("activities", {
      records: answer("activities", ({ ids }: { ids: string[] }) => found(world.activities, ids)),
    }),
    service("members", {
      officersOf: answer("members", ({ clubId }: { clubId: string }) => world.officers.get(clubId) ?? []),
    }),
  ];
}
