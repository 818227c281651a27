/**
 * What the word list says of texts that people write, before a handler sees them: refused, masked, or held for a
 * moderator. Inside idempotency, so that a repeat gets the first answer though the list is another by now.
 */
import type { ServiceBroker } from "moleculer";
import type { ActionContract } from "../lib/declare.ts";
import { AppError } from "../lib/errors.ts";
import { userOf } from "../lib/implement.ts";
import type { Ctx } from "../lib/implement.ts";
import { lookThrough, textFields, textsAt } from "../lib/moderation/fields.ts";
import type { TextField } from "../lib/moderation/fields.ts";
import type { LiveWords } from "../lib/moderation/live.ts";
import type { ListedWord, WordFilter } from "../lib/moderation/filter.ts";
import { runtimeOf } from "../mixins/runtime.ts";
import type { Runtime } from "../mixins/runtime.ts";
import { asMiddleware } from "./middleware.ts";
import type { Middleware } from "./middleware.ts";

/** Text params of published actions that are not filtered, and why. */
export const NOT_MODERATED: Readonly<Record<string, string>> = {
  "auth.register email": "an address, which others do not see",
  "auth.changeEmail email": "an address, which others do not see",
  "auth.forgotPassword email": "an address, which others do not see",
  "auth.login login": "nobody reads it",
  "adminAuth.login login": "nobody reads it",
  "users.list q": "a search",
  "management.users q": "a search",
  "management.clubs q": "a search",
  "clubs.list tag": "a search",
  "clubs.search q": "a search",
  "clubs.search tag": "a search",
  "clubs.suggest q": "a search",
  "activities.list q": "a search",
  "posts.list tag": "a search",
  "posts.search q": "a search",
  "posts.search tag": "a search",
  "moderation.reportPost detail": "a moderator alone reads it, and it may quote what it is about",
  "moderation.reportComment detail": "a moderator alone reads it, and it may quote what it is about",
  "announcements.create title":
    "administrators' own words, which may warn of what the list forbids, and wait for no other domain",
  "announcements.create body":
    "administrators' own words, which may warn of what the list forbids, and wait for no other domain",
  "announcements.update title":
    "administrators' own words, which may warn of what the list forbids, and wait for no other domain",
  "announcements.update body":
    "administrators' own words, which may warn of what the list forbids, and wait for no other domain",
  "announcements.create audience.colleges[]": "a college's name, for comparison",
  "announcements.update audience.colleges[]": "a college's name, for comparison",
};

/** Text params that a contract neither moderates nor is excused for, as `service.action param`. */
export function unmoderated(name: string, contract: ActionContract): string[] {
  if (!contract.rest) return [];
  return textFields(contract.params)
    .map(({ path }) => path)
    .filter((path) => !contract.moderate?.includes(path) && !(`${name} ${path}` in NOT_MODERATED))
    .map((path) => `${name} ${path}`);
}

const opened = new WeakMap<ServiceBroker, () => Promise<LiveWords>>();

/** The word list in force, for actions of services that judge texts themselves. */
export async function wordsInForce(broker: ServiceBroker): Promise<WordFilter> {
  const open = opened.get(broker);
  if (!open) throw new Error("This node has no word filter.");
  return (await open()).current();
}

export function moderate(contracts: Runtime["contracts"]): Middleware {
  let live: LiveWords | null = null;
  let needed = false;
  let running = false;
  /** Loaded only where it is used: its tables take memory and time. */
  const open = async (broker: ServiceBroker): Promise<LiveWords> => {
    const { LiveWords: Words } = await import("../lib/moderation/live.ts");
    if (live) return live;
    live = new Words(sourceOf(broker), broker.logger);
    if (running) live.start();
    return live;
  };
  return asMiddleware({
    name: "Moderate",
    created(broker: ServiceBroker) {
      opened.set(broker, async () => live ?? (await open(broker)));
    },
    async starting(broker: ServiceBroker) {
      if (needed) await open(broker);
    },
    localAction(next, action) {
      const contract = contracts.get(action.name);
      if (!contract?.rest) return next;
      const missing = unmoderated(action.name, contract);
      if (missing.length > 0)
        throw new Error(
          `${missing.join(", ")}: text that people write, which its contract does not \`moderate\`.`,
        );
      if (!contract.moderate) return next;
      const fields = fieldsOf(action.name, contract);
      needed = true;
      return async (ctx) => {
        const words = live ?? (await open(ctx.broker));
        apply(ctx, contract, await words.current(), fields);
        if (contract.holds && !ctx.locals.held && (await isHeldAnyway(ctx))) ctx.locals.held = "everything";
        return next(ctx);
      };
    },
    async started() {
      running = true;
      live?.start();
    },
    async stopping() {
      live?.stop();
    },
  });
}

/** `moderation.holdEverything` holds what people write who are no moderators. */
async function isHeldAnyway(ctx: Ctx): Promise<boolean> {
  if (!runtimeOf(ctx.broker).live.get("moderation.holdEverything")) return false;
  const roles = await ctx.call("users.rolesOf", { id: userOf(ctx) });
  return !roles.includes("moderator");
}

function sourceOf(broker: ServiceBroker): ConstructorParameters<typeof LiveWords>[0] {
  const options = { timeout: 5_000 };
  return {
    async version() {
      // Asked beforehand, since the broker warns at each call of what is not there.
      if (!broker.registry.actions.isAvailable("moderation.wordsVersion"))
        throw new AppError("UNAVAILABLE", { retryAfter: 2 });
      return (await broker.call<{ version: string }, object>("moderation.wordsVersion", {}, options)).version;
    },
    part: (version, part) =>
      broker.call<{ words: ListedWord[] | null; parts: number }, object>(
        "moderation.wordsPart",
        { version, part },
        options,
      ),
  };
}

function fieldsOf(name: string, contract: ActionContract): TextField[] {
  const all = textFields(contract.params);
  return (contract.moderate ?? []).map((path) => {
    const field = all.find((each) => each.path === path);
    if (!field) throw new Error(`Action ${name} moderates ${path}, which is no text among its params.`);
    return field;
  });
}

function apply(ctx: Ctx, contract: ActionContract, filter: WordFilter, fields: TextField[]): void {
  const { refused, held, masked } = lookThrough(filter, ctx.params, fields);
  const all = contract.holds ? refused : [...refused, ...held];
  if (all.length > 0)
    throw new AppError("FORBIDDEN_CONTENT", {
      errors: all.map((field) => ({ field, code: "FORBIDDEN_CONTENT" as const })),
    });
  if (held.length > 0) ctx.locals.held = "word";
  if (masked.length === 0) return;
  ctx.params = structuredClone(ctx.params);
  for (const { field, path, text } of masked)
    textsAt(ctx.params, path)
      .find((each) => each.field === field)
      ?.replace(text);
}
