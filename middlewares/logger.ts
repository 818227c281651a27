/** Logs: pretty on a terminal, JSON through an asynchronous sink elsewhere. */
import type { BrokerOptions } from "moleculer";
import { pino } from "pino";
import type { Settings } from "../lib/settings.ts";

type Log = (text: unknown, data?: unknown) => void;

/** The broker's logger by LOG_FORMAT and LOG_LEVEL. */
export function loggerOf(settings: Settings): BrokerOptions["logger"] {
  const level = settings.logLevel;
  if (settings.logFormat === "pretty")
    return {
      type: "Console",
      options: { level, formatter: "short", objectPrinter: null },
    };
  // Lines are collected and written in the background; pino writes what is left when the process exits.
  const root = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ sync: false, minLength: 4096 }),
  );
  const timer = setInterval(() => root.flush(), 500);
  timer.unref();
  return {
    type: "Pino",
    options: {
      level,
      createLogger(_level: string, bindings: Record<string, unknown>) {
        const child = root.child({ node: bindings["nodeID"], mod: bindings["mod"] });
        const at =
          (name: "trace" | "debug" | "info" | "warn" | "error" | "fatal"): Log =>
          (text, data) =>
            text instanceof Error
              ? child[name]({ error: text.stack })
              : child[name](data === undefined ? {} : data, String(text));
        return {
          trace: at("trace"),
          debug: at("debug"),
          info: at("info"),
          warn: at("warn"),
          error: at("error"),
          fatal: at("fatal"),
        };
      },
    },
  };
}
