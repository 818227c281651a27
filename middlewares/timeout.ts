/**
 * Gives up on a call after its time; the calls within get what is left of it (Context.call sees to that). In place of
 * Moleculer's own, which makes a timer, a race and several promises for each call.
 */
import { Errors } from "moleculer";
import type { Middleware, ServiceBroker } from "moleculer";

interface TimedContext {
  id: string;
  nodeID: string;
  requestID: string | null;
  options: { timeout?: number | null };
  /** From when the time counts. */
  startHrTime: [number, number] | null;
}
interface TimedAction {
  name: string;
  timeout?: number;
}
type Handler = (ctx: TimedContext) => Promise<unknown>;

const STEP_MS = 50;

/** What happens unless it is cancelled; emptied then, so that it holds on to no request. */
class Deadline {
  readonly #all: Set<Deadline>;
  #giveUp: (() => void) | null;

  constructor(all: Set<Deadline>, giveUp: () => void) {
    this.#all = all;
    this.#giveUp = giveUp;
    all.add(this);
  }

  cancel(): void {
    this.#giveUp = null;
    this.#all.delete(this);
  }

  reach(): void {
    this.#giveUp?.();
  }
}

/** All that is due within the same 50 ms shares one timer. */
class Deadlines {
  readonly #due = new Map<number, Set<Deadline>>();

  /** Calls `giveUp` after `ms`, up to 50 ms late. */
  add(ms: number, giveUp: () => void): Deadline {
    const step = Math.ceil((performance.now() + ms) / STEP_MS);
    let all = this.#due.get(step);
    if (!all) this.#due.set(step, (all = this.#open(step)));
    return new Deadline(all, giveUp);
  }

  #open(step: number): Set<Deadline> {
    const all = new Set<Deadline>();
    const reach = (): void => {
      this.#due.delete(step);
      for (const each of all) each.reach();
    };
    // It keeps no process alive: who waits has a socket open.
    setTimeout(reach, step * STEP_MS - performance.now()).unref();
    return all;
  }
}

export function timeout(): Middleware {
  const deadlines = new Deadlines();

  function wrap(this: ServiceBroker, next: Handler, action: TimedAction): Handler {
    const { name } = action;
    const usual = action.timeout ?? this.options.requestTimeout ?? 0;
    return (ctx) => {
      const ms = (ctx.options.timeout ??= usual);
      if (!(ms > 0)) return next(ctx);
      ctx.startHrTime ??= process.hrtime();
      const { nodeID } = ctx;
      const called = next(ctx);
      return new Promise((resolve, reject) => {
        const deadline = deadlines.add(ms, () => {
          this.logger.warn("A call timed out", { action: name, node: nodeID, ms, requestId: ctx.requestID });
          const error = new Errors.RequestTimeoutError({ action: name, nodeID });
          reject(error);
          // Moleculer would forget it without an end, and who counts what is running would count it for ever.
          this.transit?.pendingRequests.get(ctx.id)?.reject(error);
        });
        called.then(
          (answer) => {
            deadline.cancel();
            resolve(answer);
          },
          (error: unknown) => {
            deadline.cancel();
            reject(error);
          },
        );
      });
    };
  }

  // Moleculer's types know neither the options that a context has nor those of an action.
  return { name: "Timeout", localAction: wrap, remoteAction: wrap } as unknown as Middleware;
}
