/** The routes of the contracts in one radix tree of paths; a path's methods are looked up at its leaf. */
import findMyWay from "find-my-way";
import type { ActionContract } from "../../lib/declare.ts";
import { isResourceRule, routeOf, statusOf } from "../../lib/declare.ts";
import { AppError } from "../../lib/errors.ts";
import type { Runtime } from "../../mixins/runtime.ts";
import type { Exchange } from "./exchange.ts";
import { Lane } from "./lane.ts";
import { formOf } from "./params.ts";
import type { Form } from "./params.ts";
import type { Priority } from "./overload.ts";

/** A method of a path, with all that follows from its contract; made once. moleculer-web takes it for an alias. */
export interface Operation {
  method: string;
  /** The template, `/clubs/:id`. */
  path: string;
  /** `GET /clubs/:id`, for logs and metrics. */
  label: string;
  /** Full name of the action that answers; null where the gateway does (`page`). */
  action: string | null;
  page?: (exchange: Exchange) => void | Promise<void>;
  contract: ActionContract;
  status: number;
  needsUser: boolean;
  priority: Priority;
  /** Of a route that thousands may call at one moment. */
  lane: Lane | null;
  form: Form;
  /** A creation whose result has an address of its own: this path and its id. */
  locates: boolean;
  /** moleculer-web's route. */
  route: unknown;
}

/** A page that the gateway itself answers: of a path, or of an action, whose contract holds for it. */
export type Page = PathPage | ActionPage;

interface PathPage {
  path: string;
  /** GET where none is named. What a page does with a body is its own affair: the gateway reads none. */
  method?: "GET" | "PUT";
  priority?: Priority;
  answer: (exchange: Exchange) => void | Promise<void>;
}

interface ActionPage {
  action: string;
  answer: (exchange: Exchange) => void | Promise<void>;
}

interface Resource {
  methods: Map<string, Operation>;
  allow: string;
}

/** Longer than any request line that node takes, so that a long id is a wrong one (422) and no unknown route. */
const MAX_PARAM_LENGTH = 16_384;

export class Routes {
  readonly operations: Operation[];
  readonly #tree = findMyWay({ maxParamLength: MAX_PARAM_LENGTH });

  /** The routes of the contracts that `serves` says, and the gateway's own pages; throws when two are the same. */
  constructor(contracts: Runtime["contracts"], serves: (path: string) => boolean, pages: Page[]) {
    const published = [...contracts].filter(([, { rest }]) => rest && serves(routeOf(rest).path));
    const labels = new Set(published.map(([, { rest }]) => rest));
    const own = new Map(pages.flatMap((page) => ("action" in page ? [[page.action, page] as const] : [])));
    this.operations = [
      ...published.map(([action, contract]) =>
        answeredBy(own.get(action), operationOf(action, contract, labels)),
      ),
      ...pages.flatMap((page) => ("path" in page ? pageOperation(page) : [])),
    ];
    for (const [path, operations] of Map.groupBy(this.operations, (each) => each.path))
      this.#tree.on("GET", path, nothing, resourceOf(operations));
  }

  /** The operation and the decoded path parameters; throws a 404, or a 405 that knows what is allowed. */
  find(method: string, path: string): { alias: Operation; params: Record<string, string> } {
    const found = this.#find(path);
    if (!found) throw new AppError("ROUTE_NOT_FOUND");
    const alias = found.resource.methods.get(method === "HEAD" ? "GET" : method);
    if (!alias) throw new AppError("METHOD_NOT_ALLOWED", { allow: found.resource.allow });
    return { alias, params: found.params };
  }

  /** The operation of a route that thousands may call at one moment; null for others. */
  rushed(method: string, path: string): (Operation & { lane: Lane }) | null {
    const operation = this.#find(path)?.resource.methods.get(method);
    return operation?.lane ? (operation as Operation & { lane: Lane }) : null;
  }

  /** The methods of a path for `Allow`; null when the path is unknown. */
  allow(path: string): string | null {
    return this.#find(path)?.resource.allow ?? null;
  }

  #find(path: string): { resource: Resource; params: Record<string, string> } | null {
    // What cannot be decoded is taken as it stands: a known route with a malformed id.
    const found = this.#tree.find("GET", path) ?? this.#tree.find("GET", path.replaceAll("%", "%25"));
    // find-my-way does not know what `store` is, and types parameters as optional, which only optional segments are.
    return found && { resource: found.store as Resource, params: found.params as Record<string, string> };
  }
}

function nothing(): void {
  // find-my-way wants a handler; what is looked up is the store beside it.
}

function resourceOf(operations: Operation[]): Resource {
  const methods = new Map<string, Operation>();
  for (const each of operations) {
    if (methods.has(each.method)) throw new Error(`Two actions answer ${each.label}.`);
    methods.set(each.method, each);
  }
  const names = [...methods.keys()].flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method]));
  return { methods, allow: [...names, "OPTIONS"].join(", ") };
}

function operationOf(action: string, contract: ActionContract, labels: Set<string | undefined>): Operation {
  const label = contract.rest as string;
  const { method, path } = routeOf(label);
  const { access } = contract;
  return {
    method,
    path,
    label,
    action,
    contract,
    status: statusOf(contract),
    needsUser: access !== "any" && !(isResourceRule(access) && access.anonymous),
    priority: contract.priority ?? "normal",
    lane: contract.rush ? new Lane() : null,
    form: formOf(contract),
    locates: method === "POST" && labels.has(`GET ${path}/:id`),
    route: null,
  };
}

function answeredBy(page: ActionPage | undefined, operation: Operation): Operation {
  return page ? { ...operation, action: null, page: page.answer } : operation;
}

function pageOperation({ path, method = "GET", priority = "normal", answer }: PathPage): Operation {
  const contract: ActionContract = { rest: `${method} ${path}`, access: "any", priority };
  return { ...operationOf("", contract, new Set()), action: null, page: answer };
}
