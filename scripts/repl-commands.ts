/** The operator's own commands in the REPL; each says what it found, or in a sentence why it could not. */
import type { ServiceBroker } from "moleculer";
import repl from "moleculer-repl";
import { TELLING_DOMAINS } from "../lib/settings.ts";
import type { ActionName, Answer, Params } from "../lib/declare.ts";
import { isAppError, problemOf } from "../lib/errors.ts";
import { QUEUES, systemOf } from "../services/admin/system-view.ts";

type Args = Record<string, string | undefined>;
type Print = (text: string) => void;

export interface Command {
  command: string;
  description: string;
  run(call: Call, args: Args, broker: ServiceBroker): Promise<string>;
}

type Call = <F extends ActionName>(
  action: F,
  params: Params<F>,
  options?: { nodeID?: string; timeout?: number },
) => Promise<Answer<F>>;

function queueOf(domain: string | undefined): (typeof QUEUES)[keyof typeof QUEUES] {
  const name = TELLING_DOMAINS.find((each) => each === domain);
  if (!name) throw new Error(`Name one of the domains with a queue: ${TELLING_DOMAINS.join(", ")}.`);
  return QUEUES[name];
}

const when = (at: number): string => new Date(at).toISOString();
const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
const sagaLine = (saga: Answer<"clubs.endSaga">): string =>
  `${saga.id}  ${saga.type}, ${saga.state} at step ${saga.step}${saga.stepName ? ` (${saga.stepName})` : ""}, ${saga.tries} tries, since ${when(saga.createdAt)}`;
const lines = (rows: string[], none: string): string => (rows.length > 0 ? rows.join("\n") : none);

/** A line for each domain; one that is away says so and does not hide the others. */
function queueLines(queues: Answer<"system.overview">["queues"]): string {
  const rows = queues.map(({ domain, available, waiting, oldest, oldestSeconds, dead }) => {
    const age = oldest === null ? "" : ` (oldest ${oldest}, ${oldestSeconds} s)`;
    return `${domain.padEnd(14)} ${available ? `waiting ${waiting}${age}, dead ${dead}` : "away"}`;
  });
  return rows.join("\n");
}

function systemLines(system: Answer<"system.overview">): string {
  const nodes = system.nodes.map(({ id, answers, status }) =>
    status
      ? `${id}  ${status.state}, ${status.ready ? "ready" : `not ready (${Object.values(status.reasons).join("; ")})`}, up ${status.uptimeSeconds} s, ${mebibytes(status.memory.rss)}, loop late ${status.lag.p99} ms`
      : `${id}  ${answers}`,
  );
  const circuits = system.circuits.map(
    ({ by, action, node, state }) => `${by}: ${action} of ${node} ${state}`,
  );
  const stores = system.databases.map(
    ({ node, name, kind, reachable, milliseconds, error }) =>
      `${node}: ${name} (${kind}) ${reachable ? `${milliseconds} ms` : `not reachable: ${error}`}`,
  );
  const sagas = system.sagas === null ? "unknown" : String(system.sagas.length);
  return [
    "Nodes",
    ...nodes,
    `Missing: ${system.missing.join(", ") || "nothing"}`,
    "Queues",
    queueLines(system.queues),
    "Circuits that are not closed",
    lines(circuits, "none"),
    "Databases",
    lines(stores, "none"),
    `Open sagas: ${sagas}`,
  ].join("\n");
}

export const COMMANDS: Command[] = [
  {
    command: "system",
    description: "Nodes, services, queues, circuits and databases as they are now",
    async run(_call, _args, broker) {
      return systemLines(await systemOf(broker));
    },
  },
  {
    command: "node <id>",
    description: "All that a node tells of itself",
    async run(call, { id = "" }) {
      return JSON.stringify(await call("node.status", {}, { nodeID: id, timeout: 1_500 }), null, 2);
    },
  },
  {
    command: "drain <node> [force]",
    description: "Have a node take no more work (force: also the last one of a domain)",
    async run(call, { node = "", force }) {
      const { state } = await call(
        "node.drain",
        { force: force === "force" },
        { nodeID: node, timeout: 5_000 },
      );
      return `${node} is ${state}. When it is drained, end it or start it anew.`;
    },
  },
  {
    command: "queues",
    description: "Messages that wait and dead letters, by domain",
    async run(_call, _args, broker) {
      return queueLines((await systemOf(broker)).queues);
    },
  },
  {
    command: "reminders",
    description: "What people who are signed up are still to be told, and reminders that came too late",
    async run(call) {
      const { waiting, oldest, dropped } = await call("reminders.depth", {});
      return `waiting ${waiting}${oldest === null ? "" : ` (oldest ${when(oldest)})`}, dropped ${dropped}`;
    },
  },
  {
    command: "dead <domain>",
    description: "Dead letters of a domain, oldest first",
    async run(call, { domain }) {
      const found = await call(`${queueOf(domain)}.dead`, { limit: 100 });
      const rows = found.map(
        (each) =>
          `${each.id}\n  ${each.type}, ${each.attempts} tries, ${when(each.createdAt)}: ${each.error}`,
      );
      return lines(rows, "No dead letters.");
    },
  },
  {
    command: "inspect <domain> <id>",
    description: "A dead letter with its message",
    async run(call, { domain, id = "" }) {
      return JSON.stringify(await call(`${queueOf(domain)}.inspect`, { id }), null, 2);
    },
  },
  {
    command: "replay <domain> [id]",
    description: "Put a dead letter, or all of a domain, back into the queue",
    async run(call, { domain, id }) {
      const { replayed, more } = await call(`${queueOf(domain)}.replay`, id ? { id } : {});
      if (more) return `${replayed} back in the queue; repeat it for the rest.`;
      return replayed > 0 ? `${replayed} back in the queue.` : "There was nothing to replay.";
    },
  },
  {
    command: "drop <domain> <id>",
    description: "Drop a dead letter for good: its consumer never gets the message",
    async run(call, { domain, id = "" }) {
      await call(`${queueOf(domain)}.drop`, { id });
      return "Dropped.";
    },
  },
  {
    command: "sagas",
    description: "Sagas that have not ended",
    async run(call) {
      const rows = (await call("clubs.sagas", {})).map(sagaLine);
      return lines(rows, "No open sagas.");
    },
  },
  {
    command: "saga-finish <id>",
    description: "Run a saga's remaining steps now",
    async run(call, { id = "" }) {
      return sagaLine(await call("clubs.endSaga", { id, way: "finish" }));
    },
  },
  {
    command: "saga-undo <id>",
    description: "Run a saga's compensations now",
    async run(call, { id = "" }) {
      return sagaLine(await call("clubs.endSaga", { id, way: "undo" }));
    },
  },
  {
    command: "sessions <user>",
    description: "Sessions of a user (by id, user name or e-mail)",
    async run(call, { user = "" }) {
      const rows = (await call("sessions.ofUser", { user })).map(
        (session) =>
          `${session.id}  ${session.device}, ${session.address ?? "no address"}, last used ${when(session.lastUsedAt)}`,
      );
      return lines(rows, "No open sessions.");
    },
  },
  {
    command: "end-sessions <user>",
    description: "End all sessions of a user (by id, user name or e-mail)",
    async run(call, { user = "" }) {
      const { ended, id } = await call("sessions.endOfUser", { user });
      const { ended: admin } = await call("adminAuth.endSessionsOf", { user: id });
      return `${ended} ended, and ${admin} of the admin gateway; their tokens stop working within a second.`;
    },
  },
  {
    command: "search-rebuild",
    description: "Build the search indices of clubs and posts anew",
    async run(call) {
      const { clubs } = await call("search.rebuild", {});
      const { posts } = await call("search.rebuildPosts", {});
      return `The indices have ${clubs} clubs and ${posts} posts.`;
    },
  },
  {
    command: "statistics-rebuild",
    description: "Count all statistics anew from what the domains keep, or see how far that is",
    async run(call) {
      const { id, source, done } = await call("statistics.beginRebuild", {});
      return `Rebuild ${id} is at ${source ?? "its end"}, with ${done} facts read; it goes on by itself.`;
    },
  },
  {
    command: "erasure <user>",
    description: "Which domains have erased a user (by id)",
    async run(call, { user = "" }) {
      const { erasedAt, receipts } = await call("users.erasure", { id: user });
      const rows = receipts.map(
        ({ consumer, done }) => `${consumer.padEnd(32)} ${done ? "erased" : "waiting"}`,
      );
      return [`Asked for at ${when(erasedAt)}`, ...rows].join("\n");
    },
  },
];

/** Runs a command and prints its answer, or a sentence when it failed. */
export async function runCommand(
  broker: ServiceBroker,
  command: Command,
  args: Args,
  print: Print,
): Promise<void> {
  try {
    // The broker's own type knows nothing of contracts.
    print(
      await command.run(
        ((action: string, params: object, options?: object) =>
          broker.call(action, params, options)) as unknown as Call,
        args,
        broker,
      ),
    );
  } catch (error) {
    const { type, message } = error as { type?: string; message: string };
    const words = isAppError(error) ? problemOf(error, "en", "").detail : message;
    print(`${command.command.split(" ")[0]} failed: ${words}${type ? ` (${type})` : ""}`);
  }
}

/** Starts the prompt with Moleculer's commands and ours. */
export function startRepl(broker: ServiceBroker): void {
  const customCommands = COMMANDS.map((command) => ({
    command: command.command,
    description: command.description,
    action: (of: ServiceBroker, args: unknown) =>
      runCommand(of, command, args as Args, (text) => void process.stdout.write(`${text}\n`)),
  }));
  // Its types ask for all that is optional.
  repl(broker, { customCommands: customCommands as never, delimiter: "club-alliance $" });
}
