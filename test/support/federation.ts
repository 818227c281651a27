/** A federation, or some of its domains, with real HTTP. */
import { randomBytes } from "node:crypto";
import type { ServiceBroker } from "moleculer";
import { runtimeOf } from "../../mixins/runtime.ts";
import { DOMAINS } from "../../moleculer.config.ts";
import { contractCheck } from "./contract-check.ts";
import { eventually } from "./eventually.ts";
import { Client, comingAgain } from "./http.ts";
import type { Answer, RequestOptions } from "./http.ts";
import { serves, startPlace } from "./place.ts";
import type { Place } from "./place.ts";

export { eventually };

export interface Person {
  id: string;
  token: string;
  refreshToken: string;
  username: string;
  email: string;
  password: string;
}

const ADMIN = { email: "admin@example.edu", password: "correct horse battery" };
const PASSWORD = "a long enough passphrase";
const READY_MS = 40_000;

export interface FederationOptions {
  domains?: readonly string[];
  /** Over the defaults: free ports, no limits, logs of errors. DATA_DIR, where given, is left behind at the end. */
  env?: Record<string, string>;
  /** Some domains without the others, which are not waited for. */
  alone?: boolean;
}

export class Federation {
  readonly url: string;
  readonly broker: ServiceBroker;
  readonly #client: Client;
  readonly #check: ReturnType<typeof contractCheck>;
  readonly #place: Place;

  constructor(place: Place) {
    this.#place = place;
    this.broker = place.broker;
    this.url = place.url;
    this.#client = new Client(this.url);
    this.#check = contractCheck(runtimeOf(this.broker).contracts);
  }

  /** A request; throws when the answer of a known route departs from its contract. Who is asked to come again does so. */
  call<T = unknown>(method: string, target: string, options: RequestOptions = {}): Promise<Answer<T>> {
    return comingAgain(() => this.once<T>(method, target, options));
  }

  /** The same with the first answer, whatever it is. */
  async once<T = unknown>(method: string, target: string, options: RequestOptions = {}): Promise<Answer<T>> {
    const answer = await this.#client.send<T>(method, target, options);
    this.#check(method, target, answer);
    return answer;
  }

  /** The body of a request that must not be refused. */
  async ok<T = unknown>(method: string, target: string, options: RequestOptions = {}): Promise<T> {
    const { status, body } = await this.call<T>(method, target, options);
    if (status >= 400) throw new Error(`${method} ${target}: ${status} ${JSON.stringify(body)}`);
    return body;
  }

  /** Somebody new, signed in; `username` must not be taken. */
  async register(username = `person-${randomBytes(6).toString("hex")}`): Promise<Person> {
    const email = `${randomBytes(6).toString("hex")}@example.edu`;
    const made = await this.ok<Tokens>("POST", "/auth/register", {
      body: { username, email, password: PASSWORD },
    });
    return { ...signedIn(made), username, email, password: PASSWORD };
  }

  /** The first administrator, signed in anew. */
  async admin(): Promise<Pick<Person, "id" | "token" | "refreshToken">> {
    const body = { login: ADMIN.email, password: ADMIN.password };
    return signedIn(await this.ok<Tokens>("POST", "/auth/login", { body }));
  }

  /** An active club of `president`, approved by `reviewer`, who has that role; its id. */
  async foundClub(
    president: Caller,
    reviewer: Caller,
    fields: Record<string, unknown> = {},
  ): Promise<string> {
    const [category] = await this.ok<{ slug: string }[]>("GET", "/categories");
    const name = `Club ${randomBytes(6).toString("hex")}`;
    const body = { name, summary: "A club.", category: category?.slug, ...fields };
    const { id } = await this.ok<{ id: string }>("POST", "/clubs", { token: president.token, body });
    const { token } = reviewer;
    const task = await eventually(async () => {
      const { items } = await this.ok<{ items: { id: string; clubId: string }[] }>(
        "GET",
        "/reviews?status=open&limit=100",
        { token },
      );
      return items.find((each) => each.clubId === id);
    });
    await this.ok("POST", `/reviews/${task.id}/claim`, { token });
    await this.ok("POST", `/reviews/${task.id}/decision`, { token, body: { decision: "approve" } });
    await eventually(async () => {
      const club = await this.ok<{ status: string }>("GET", `/clubs/${id}`, { token: president.token });
      return club.status === "active" || undefined;
    });
    return id;
  }

  /** Makes `person` a member of the club, by an application that `president` approves. */
  async join(club: string, person: Caller, president: Caller): Promise<void> {
    const { application } = await this.ok<{ application: { id: string } }>(
      "POST",
      `/clubs/${club}/applications`,
      { token: person.token, body: {} },
    );
    const body = { decision: "approve" };
    await this.ok("POST", `/applications/${application.id}/decision`, { token: president.token, body });
    await eventually(async () => {
      const { myRole } = await this.ok<{ myRole?: string }>("GET", `/clubs/${club}`, { token: person.token });
      return myRole ?? undefined;
    });
  }

  async stop(): Promise<void> {
    this.#client.close();
    await this.#place.stop();
  }
}

export type Caller = Pick<Person, "id" | "token">;

interface Tokens {
  user: { id: string };
  accessToken: string;
  refreshToken: string;
}

function signedIn({ user, accessToken, refreshToken }: Tokens) {
  return { id: user.id, token: accessToken, refreshToken };
}

/** Starts the domains named, or all, and waits until the node is ready. */
export async function startFederation({
  domains = DOMAINS,
  env = {},
  alone = false,
}: FederationOptions = {}): Promise<Federation> {
  const place = await startPlace(domains, {
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
    LOG_LEVEL: "error",
    ...env,
  });
  const { readiness } = runtimeOf(place.broker);
  if (alone) await serves(place.broker);
  await eventually(
    async () => alone || readiness.ready || undefined,
    READY_MS,
    () => JSON.stringify(readiness.reasons),
  );
  return new Federation(place);
}
