/** Logs: pretty on a terminal, JSON through an asynchronous sink elsewhere. */
import { inspect } from "node:util";
import type { BrokerOptions } from "moleculer";
import { pino } from "pino";
import { scrubError, scrubStack } from "../lib/scrub.ts";
import type { Settings } from "../lib/settings.ts";
import { isSampled, traceIdOf } from "../lib/traces.ts";

type Log = (text: unknown, data?: unknown) => void;

/** The broker's logger by LOG_FORMAT and LOG_LEVEL. */
export function loggerOf(settings: Settings): BrokerOptions["logger"] {
  const level = settings.logLevel;
  if (settings.logFormat === "pretty")
    return {
      type: "Console",
      options: { level, formatter: "short", objectPrinter: printed },
    };
  const fields = settings.tracingUrl ? tracedFieldsOf : fieldsOf;
  const root = pino({ level, base: null, timestamp }, output());
  return {
    type: "Pino",
    options: {
      level,
      createLogger(_level: string, bindings: Record<string, unknown>) {
        const child = root.child({ node: bindings["nodeID"], mod: bindings["mod"] });
        const at =
          (name: "trace" | "debug" | "info" | "warn" | "error" | "fatal"): Log =>
          (text, data) =>
            text instanceof Error ? child[name](fields({}, text)) : child[name](fields(data), String(text));
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

type Fields = Record<string, unknown>;

/** What a line carries. Errors of drivers and parsers quote what they were given; Moleculer spells the request's id its own way. */
function fieldsOf(data: unknown, error: unknown = data): Fields {
  if (error instanceof Error) return { error: scrubError(error) };
  if (typeof data !== "object" || data === null) return data === undefined ? {} : { data };
  const { requestID, ...others } = data as Fields;
  const fields = requestID === undefined ? (data as Fields) : { ...others, requestId: requestID };
  return typeof fields["error"] === "string" ? { ...fields, error: scrubStack(fields["error"]) } : fields;
}

/** What follows the text of a line on a terminal. */
function printed(data: unknown): string {
  if (data instanceof Error) return scrubError(data);
  return inspect(fieldsOf(data), { depth: 2, colors: process.stdout.hasColors?.(), breakLength: Infinity });
}

/** With the id of the trace, of a request that has one. */
function tracedFieldsOf(data: unknown, error: unknown = data): Fields {
  const fields = fieldsOf(data, error);
  const id = fields["requestId"];
  return typeof id === "string" && isSampled(id) ? { ...fields, trace: traceIdOf(id) } : fields;
}

/** Characters that are written together, and milliseconds that a line waits for others. */
const CHUNK = 32_768;
const WAIT_MS = 500;

interface Output {
  write(line: string): void;
}
let stdout: Output | undefined;

/** Standard output for all brokers of the process: lines are collected and written in the background, together. */
function output(): Output {
  if (stdout) return stdout;
  const sink = pino.destination({ sync: false });
  let lines = "";
  const flush = (): void => {
    if (lines !== "") sink.write(lines);
    lines = "";
  };
  setInterval(flush, WAIT_MS).unref();
  process.once("exit", () => {
    flush();
    sink.flushSync();
  });
  stdout = {
    write(line) {
      lines += line;
      if (lines.length >= CHUNK) flush();
    },
  };
  return stdout;
}

let second = -1;
let upToSecond = "";

/** As pino's isoTime, which formats the date anew for each line. */
function timestamp(): string {
  const now = Date.now();
  const milliseconds = now % 1_000;
  if (now - milliseconds !== second) {
    second = now - milliseconds;
    upToSecond = new Date(now).toISOString().slice(0, 20);
  }
  return `,"time":"${upToSecond}${String(milliseconds).padStart(3, "0")}Z"`;
}
