import type { BrokerOptions } from "moleculer";

/** A broker's logger that keeps the warnings, as they were given, and nothing else. */
export function keepWarnings(kept: unknown[][]): BrokerOptions["logger"] {
  const nothing = (): void => {};
  const keep = (...words: unknown[]): void => void kept.push(words);
  const levels = {
    trace: nothing,
    debug: nothing,
    info: nothing,
    warn: keep,
    error: nothing,
    fatal: nothing,
  };
  return { type: "Pino", options: { level: "warn", createLogger: () => levels } };
}
