/** A node: the whole federation, or the domains named. */
import type { ServiceBroker } from "moleculer";
import { scrubError } from "../lib/scrub.ts";
import { readEnvironment, readSettings, SettingsError } from "../lib/settings.ts";
import { lastWords } from "../middlewares/sentry.ts";
import { runtimeOf } from "../mixins/runtime.ts";
import { createNode, DOMAINS } from "../moleculer.config.ts";

/** Milliseconds that a stop may take before the process ends all the same. */
const STOP_LIMIT = 20_000;

let life: "starting" | "running" | "stopping" = "starting";

async function main(): Promise<void> {
  const named = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
  for (const name of named)
    if (!DOMAINS.includes(name))
      throw new SettingsError(`There is no domain "${name}". The domains are: ${DOMAINS.join(", ")}.`);
  const settings = readSettings(readEnvironment());
  const broker = await createNode(settings, named.length > 0 ? named : DOMAINS);
  stopOnSignals(broker);
  await broker.start();
  if (isStopping()) return;
  life = "running";
  tellWhere(broker);
  // Loaded only when it is asked for: the prompt costs memory and start time.
  if (process.argv.includes("--repl")) (await import("./repl-commands.ts")).startRepl(broker);
}

/** Where things are, for whoever started it by hand. */
function tellWhere(broker: ServiceBroker): void {
  const { ports, settings, domains } = runtimeOf(broker);
  const at = (name: string): string => `http://${settings.host}:${ports.get(name)}`;
  const lines = [
    `Club Alliance is ready (${domains.length === DOMAINS.length ? "all domains" : domains.join(", ")}).`,
  ];
  if (ports.has("api")) lines.push(`  API        ${at("api")}`, `  Reference  ${at("api")}/docs`);
  if (ports.has("admin-api")) lines.push(`  Admin      ${at("admin-api")}`);
  lines.push(`  Health     ${at("health")}/health/ready`, `  Data       ${settings.dataDir}`);
  process.stdout.write(`${lines.join("\n")}\n`);
}

function stopOnSignals(broker: ServiceBroker): void {
  const stop = (): void => {
    if (isStopping()) return;
    life = "stopping";
    setTimeout(() => process.exit(1), STOP_LIMIT).unref();
    void broker.stop().then(() => process.exit(0));
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

/** Asked after waiting, when a signal may have come. */
function isStopping(): boolean {
  return life === "stopping";
}

/** A service that waits for its store gives up once the node stops: the stop goes on, and ends the process in order. */
function failToStart(error: unknown): void {
  if (!isStopping()) giveUp(error);
}

/**
 * What an operator can mend is told in a sentence; anything else with its stack, and without what drivers quote. Nothing
 * is left running.
 */
function giveUp(error: unknown): never {
  const sentence = error instanceof SettingsError ? error.message : scrubError(error);
  const how = life === "starting" ? "did not start" : "ended by an error nobody expected";
  process.stderr.write(`Club Alliance ${how}: ${sentence}\n`);
  process.exit(1);
}

/** Of what ends the process, Sentry hears first. */
async function fall(thrown: unknown): Promise<void> {
  await lastWords(thrown);
  giveUp(thrown);
}

process.on("unhandledRejection", (thrown) => void fall(thrown));
// By itself the process would print all that the error carries: statements, and what they were given.
process.on("uncaughtException", (thrown) => void fall(thrown));
main().catch(failToStart);
