/** On every node, whatever it runs: how it is, its way to an orderly end, and what administrators have set. */
import { AppError } from "../lib/errors.ts";
import { implement } from "../lib/implement.ts";
import type { Mixin } from "../lib/implement.ts";
import type { Told } from "../lib/live-settings.ts";
import { shareRedis } from "../lib/redis.ts";
import { beginDrain, intending, isLeaving, lifeOf } from "../middlewares/drain.ts";
import { runtimeOf } from "../mixins/runtime.ts";
import { node } from "./node.contract.ts";
import { Lag, loneDomains, statusOf } from "./node-status.ts";

const own: Mixin<{ lag: Lag; releaseRedis: () => void }> = {};

export default implement(node, {
  mixins: [own],
  actions: {
    async status() {
      return statusOf(this.broker, runtimeOf(this.broker), this.lag);
    },
    async drain(ctx) {
      const runtime = runtimeOf(this.broker);
      await intending(runtime, async () => {
        const lone = ctx.params.force || isLeaving(runtime) ? [] : await loneDomains(this.broker, runtime);
        if (lone.length > 0) throw new AppError("LAST_NODE", { domains: lone.join(", ") });
        beginDrain(this.broker, runtime);
      });
      return { state: lifeOf(runtime) };
    },
  },
  events: {
    "settings.told"(ctx: { params: unknown; broker: Parameters<typeof runtimeOf>[0] }) {
      runtimeOf(ctx.broker).live.take(ctx.params as Told);
    },
  },
  created() {
    this.lag = new Lag();
    this.releaseRedis = () => undefined;
  },
  async started() {
    const { settings, probes } = runtimeOf(this.broker);
    if (!settings.redisUrl) return;
    const redis = shareRedis(settings.redisUrl, (text, data) => this.logger.warn(text, data));
    this.releaseRedis = () => redis.release();
    probes.set("redis", { kind: "redis", look: async () => void (await redis.client.ping()) });
  },
  async stopped() {
    this.releaseRedis();
    this.lag.stop();
  },
});
