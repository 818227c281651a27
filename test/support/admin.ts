/** The admin domain behind both gateways: administrators on theirs, everybody else on the public one. */
import type { ServiceBroker, ServiceSchema } from "moleculer";
import type { Database } from "../../lib/database.ts";
import type { DatabaseMethods } from "../../mixins/database.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { isAdministrative } from "../../services/gateway/paths.ts";
import { contractCheck } from "./contract-check.ts";
import { eventually, Federation } from "./federation.ts";
import { Client, comingAgain } from "./http.ts";
import type { Answer, RequestOptions } from "./http.ts";
import { serves, startPlace } from "./place.ts";

export const ADMIN = { email: "admin@example.edu", password: "correct horse battery" };

export interface OfficeOptions {
  /** Beside users, admin and both gateways. */
  domains?: readonly string[];
  env?: Record<string, string>;
  /** Schemas that stand in for services of domains that are not there. */
  services?: ServiceSchema[];
}

export interface Administrator {
  id: string;
  token: string;
}

interface Signed {
  user: { id: string };
  accessToken: string;
}

export class Office {
  /** Speaks to the public gateway. */
  readonly public: Federation;
  readonly broker: ServiceBroker;
  readonly adminUrl: string;
  readonly #client: Client;
  readonly #check: ReturnType<typeof contractCheck>;

  constructor(federation: Federation, adminUrl: string) {
    this.public = federation;
    this.broker = federation.broker;
    this.adminUrl = adminUrl;
    this.#client = new Client(adminUrl);
    this.#check = contractCheck(runtimeOf(this.broker).contracts, isAdministrative);
  }

  /** The admin domain's database. */
  get db(): Database {
    return (this.broker.getLocalService("adminAuth") as unknown as DatabaseMethods).db;
  }

  /** A request to the admin gateway; throws when the answer of a known route departs from its contract. */
  async call<T = unknown>(method: string, target: string, options: RequestOptions = {}): Promise<Answer<T>> {
    const answer = await comingAgain(() => this.#client.send<T>(method, target, options));
    this.#check(method, target, answer);
    return answer;
  }

  /** The body of a request that must not be refused. */
  async ok<T = unknown>(method: string, target: string, options: RequestOptions = {}): Promise<T> {
    const { status, body } = await this.call<T>(method, target, options);
    if (status >= 400) throw new Error(`${method} ${target}: ${status} ${JSON.stringify(body)}`);
    return body;
  }

  /** Status and code; of a 422 also the fields with theirs. */
  async outcome(method: string, target: string, options: RequestOptions = {}): Promise<string> {
    const { status, body } = await this.call<Problem | undefined>(method, target, options);
    if (status < 400) return String(status);
    const fields = body?.errors?.map(({ field, code }) => ` ${field}=${code}`) ?? [];
    return `${status} ${body?.code}${fields.join("")}`;
  }

  /** An administrator in a new session of the admin gateway: the first one, or another. */
  async admin(
    login = ADMIN.email,
    password = ADMIN.password,
    more: Record<string, unknown> = {},
  ): Promise<Administrator> {
    const body = { login, password, ...more };
    const { user, accessToken } = await this.ok<Signed>("POST", "/admin/auth/login", { body });
    return { id: user.id, token: accessToken };
  }

  /** Somebody new with the role of an admin, and their password. */
  async another(): Promise<{ id: string; username: string; password: string; email: string }> {
    const person = await this.public.register();
    await this.give(person.id, ["admin"]);
    return person;
  }

  /** Gives somebody these roles and no others, as the first administrator on the public gateway does. */
  async give(id: string, roles: string[]): Promise<void> {
    const { token } = await this.public.admin();
    await this.public.ok("PUT", `/users/${id}/roles`, { token, body: { roles } });
  }

  async stop(): Promise<void> {
    this.#client.close();
    await this.public.stop();
  }
}

interface Problem {
  code: string;
  errors?: { field: string; code: string }[];
}

/** Starts users, the admin domain and both gateways, and waits until the gateways serve. */
export async function startOffice({
  domains = [],
  env = {},
  services = [],
}: OfficeOptions = {}): Promise<Office> {
  const all = [...new Set(["gateway", "admin-gateway", "users", "admin", ...domains])];
  const place = await startPlace(
    all,
    { ADMIN_EMAIL: ADMIN.email, ADMIN_PASSWORD: ADMIN.password, ...env },
    services,
  );
  const { readiness } = runtimeOf(place.broker);
  await serves(place.broker);
  await eventually(
    async () =>
      !["admin-api: sessions", "admin-api: settings"].some((each) => each in readiness.reasons) || undefined,
    40_000,
    () => JSON.stringify(readiness.reasons),
  );
  return new Office(new Federation(place), place.adminUrl);
}
