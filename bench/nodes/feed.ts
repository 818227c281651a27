/**
 * Nodes of the federation as it ships, with one service more that answers what the feed has answered once: a static
 * answer of the same size, on the same way. Arguments: the domains, none: all.
 */
import { Type as T } from "typebox";
import { declare } from "../../lib/declare.ts";
import type { ActionContract } from "../../lib/declare.ts";
import { implement } from "../../lib/implement.ts";
import { readSettings } from "../../lib/settings.ts";
import { Id } from "../../lib/types.ts";
import { createNode, DOMAINS } from "../../moleculer.config.ts";
import { actionContracts } from "../../services/contracts.ts";

const summary = { en: "Static", "zh-CN": "静态" };
const still = declare("still", {
  hot: { rest: "GET /still/hot", summary, returns: T.Object({}), access: "any" },
  post: {
    rest: "GET /still/posts/:id",
    summary,
    params: T.Object({ id: Id }),
    returns: T.Object({}),
    access: "any",
  },
});

let hot: Promise<object> | undefined;
let post: Promise<object> | undefined;

const service = implement(still, {
  actions: {
    hot: (ctx) => (hot ??= ctx.call("posts.hot", {})),
    post: (ctx) => (post ??= ctx.call("posts.get", ctx.params)),
  },
});

const domains = process.argv.slice(2);
// The gateway has its routes from the contracts; here they are one more than the federation's.
const all = actionContracts as Map<string, ActionContract>;
for (const [key, action] of Object.entries(still.actions)) all.set(`still.${key}`, action);
const broker = await createNode(readSettings(process.env), domains.length > 0 ? domains : DOMAINS);
if (domains.length === 0 || domains.includes("posts")) broker.createService(service);
process.on("SIGTERM", () => void broker.stop().then(() => process.exit(0)));
await broker.start();
process.stdout.write("ready\n");
