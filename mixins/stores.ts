/** Looks at what a node leans on; what stands still keeps nobody waiting, and is asked once, however often it is looked for. */
import { PATIENCE } from "../lib/watched.ts";
import type { Probe, Runtime } from "./runtime.ts";

const ERROR_LENGTH = 200;

export interface StoreState {
  name: string;
  kind: string;
  reachable: boolean;
  /** Until it answered, or was given up. */
  milliseconds: number;
  error: string | null;
  details: Record<string, unknown>;
}

export class Stores {
  readonly #asked = new Map<Probe, Promise<Record<string, unknown> | void>>();

  look(probes: ReadonlyMap<string, Probe>): Promise<StoreState[]> {
    return Promise.all([...probes].map(([name, probe]) => this.#lookAt(name, probe)));
  }

  async #lookAt(name: string, probe: Probe): Promise<StoreState> {
    const begun = performance.now();
    const told = (
      reachable: boolean,
      error: string | null,
      details: Record<string, unknown> = {},
    ): StoreState => ({
      name,
      kind: probe.kind,
      reachable,
      milliseconds: Math.round(performance.now() - begun),
      error,
      details,
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE} ms`)), PATIENCE);
    });
    try {
      return told(true, null, (await Promise.race([this.#ask(probe), late])) ?? {});
    } catch (error) {
      return told(false, (error as Error).message.slice(0, ERROR_LENGTH));
    } finally {
      clearTimeout(timer);
    }
  }

  #ask(probe: Probe): Promise<Record<string, unknown> | void> {
    const known = this.#asked.get(probe);
    if (known) return known;
    const asked = Promise.resolve()
      .then(() => probe.look())
      .finally(() => this.#asked.delete(probe));
    asked.catch(() => undefined);
    this.#asked.set(probe, asked);
    return asked;
  }
}

const ofRuntime = new WeakMap<Runtime, Stores>();

/** The stores of a node, for all who look at them. */
export function storesOf(runtime: Runtime): Stores {
  const stores = ofRuntime.get(runtime) ?? new Stores();
  ofRuntime.set(runtime, stores);
  return stores;
}
