/** On every node, whatever it runs: what administrators have set reaches it here. */
import type { Told } from "../lib/live-settings.ts";
import { implement } from "../lib/implement.ts";
import { runtimeOf } from "../mixins/runtime.ts";
import { node } from "./node.contract.ts";

export default implement(node, {
  actions: {},
  events: {
    "settings.told"(ctx: { params: unknown; broker: Parameters<typeof runtimeOf>[0] }) {
      runtimeOf(ctx.broker).live.take(ctx.params as Told);
    },
  },
});
