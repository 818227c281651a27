/**
 * The federation's own nodes with the domains answering from memory, so that no database drowns what is measured:
 * the contracts, the broker's configuration and every middleware are the shipped ones.
 *
 * `service`: all domains on NATS. `local`: the gateway and all domains in this process. `routes N`: the gateway with N
 * routes, and what answers them, in this process.
 */
import { ServiceBroker } from "moleculer";
import type { ServiceSchema } from "moleculer";
import { Type as T } from "typebox";
import { declare } from "../../lib/declare.ts";
import type { ActionContract, Contract } from "../../lib/declare.ts";
import { implement } from "../../lib/implement.ts";
import type { Ctx } from "../../lib/implement.ts";
import type { JwkSet } from "../../lib/keys.ts";
import { readSettings } from "../../lib/settings.ts";
import { Id } from "../../lib/types.ts";
import { brokerOptions, newRuntime } from "../../moleculer.config.ts";
import api from "../../services/gateway/api.service.ts";
import { contracts } from "../../services/contracts.ts";
import { club, CLUB_ID } from "../peers/club.ts";

type Handler = (ctx: Ctx<never>) => Promise<unknown>;

const { myRole: _role, isFavorite: _favorite, ...stored } = club;
const record = { ...stored, createdBy: CLUB_ID, revision: 3 };

/** Answers of the actions that are called; each makes the calls that the clubs' own service makes. */
const handlers: Record<string, Handler> = {
  "auth.keys": async () => JSON.parse(process.env["PUBLIC_KEYS"] ?? "{}") as JwkSet,
  "sessions.revokedSince": async () => ({ now: Date.now(), sids: [] }),
  "clubs.record": async () => record,
  "clubs.allows": async () => ({
    verdict: "yes",
    grant: { status: record.status, revision: record.revision, role: null },
  }),
  "clubs.get": async (ctx: Ctx<{ id: string }>) => {
    const {
      createdBy: _by,
      revision: _revision,
      ...shown
    } = (await ctx.call("clubs.record", ctx.params)) ?? record;
    return { ...shown, myRole: null, isFavorite: false };
  },
  "clubs.create": async (ctx: Ctx<object>) => ({ ...club, ...ctx.params }),
};

const unused: Handler = () => Promise.reject(new Error("This action is not measured."));

function fromMemory({ name, actions }: Contract): ServiceSchema {
  const own = Object.keys(actions).map((key) => [key, handlers[`${name}.${key}`] ?? unused]);
  return implement({ name, actions }, { actions: Object.fromEntries(own) as Record<string, never> });
}

/** The last of the routes is the one that is asked for. */
function manyRoutes(count: number): Contract {
  const actions: Record<string, ActionContract> = {};
  for (let n = count; n >= 1; n -= 1) {
    actions[`get${n}`] = {
      rest: `GET /${n === 1 ? "" : `of-${n}/`}clubs/:id`,
      summary: { en: "A club", "zh-CN": "社团详情" },
      params: T.Object({ id: Id }),
      returns: T.Object({}),
      access: "any",
    };
    handlers[`many.get${n}`] = async () => club;
  }
  return declare("many", actions);
}

async function main([role, count]: string[]): Promise<void> {
  const runtime = newRuntime(
    readSettings(process.env),
    role === "service" ? ["clubs"] : ["gateway", "clubs"],
  );
  let served = contracts;
  if (role === "routes") {
    const sessions = contracts.find(({ name }) => name === "sessions") as Contract;
    const revokedSince = sessions.actions["revokedSince"] as ActionContract;
    served = [manyRoutes(Number(count)), { name: "sessions", actions: { revokedSince } }];
    runtime.contracts = new Map(
      served.flatMap(({ name, actions }) =>
        Object.entries(actions).map(([key, action]) => [`${name}.${key}`, action] as const),
      ),
    );
  }
  const broker = new ServiceBroker(brokerOptions(runtime));
  for (const each of served) broker.createService(fromMemory(each));
  if (role !== "service") broker.createService(api);
  process.on("SIGTERM", () => void broker.stop().then(() => process.exit(0)));
  await broker.start();
  process.stdout.write("ready\n");
}

await main(process.argv.slice(2));
