/** A whole cluster behind nginx that people use, and that is restarted node by node meanwhile. */
import { setTimeout as sleep } from "node:timers/promises";
import { CampusLife } from "./campus-life.ts";
import { Edge } from "./edge.ts";
import { Pairs } from "./pairs.ts";

/** What a node's code takes to become fast, on cores that it shares with all others: `minReadySeconds` of Kubernetes. */
const SETTLED = 5_000;
/** The same for all of them at once. */
const WARM_UP = 20_000;

export class LivePairs {
  readonly pairs: Pairs;
  readonly life: CampusLife;
  readonly #edge: Edge;

  private constructor(pairs: Pairs, edge: Edge) {
    this.pairs = pairs;
    this.#edge = edge;
    this.life = new CampusLife(edge);
  }

  /** Warm, after requests at half of `rate` a second. */
  static async start(rate: number): Promise<LivePairs> {
    const pairs = await Pairs.start();
    const live = new LivePairs(pairs, await Edge.start(pairs.gatewayPorts));
    try {
      await live.life.begin();
      await live.life.goOn(rate / 2, () => sleep(WARM_UP));
    } catch (error) {
      await live.stop();
      throw error;
    }
    return live;
  }

  /** Every node in its turn, by SIGTERM, with `rate` requests a second. */
  async restartAll(rate: number): Promise<{ codes: (number | null)[]; due: number; said: string }> {
    const { life, pairs } = this;
    const codes: (number | null)[] = [];
    const [failed, deferred] = [life.failures.length, life.deferred];
    const { due, seconds } = await life.goOn(rate, async () => {
      for (const node of pairs.nodes.slice()) {
        codes.push(await pairs.restart(node, "SIGTERM"));
        await sleep(SETTLED);
      }
    });
    const said = `${due} requests in ${seconds.toFixed(1)} s, ${(due / seconds).toFixed(0)} a second; ${life.failures.length - failed} failed, ${life.deferred - deferred} sign-ups were told when to come again`;
    return { codes, due, said };
  }

  async stop(): Promise<void> {
    await this.#edge.stop();
    await this.pairs.stop();
  }
}
