/** The operator's own commands in the REPL; each says what it found, or in a sentence why it could not. */
import type { ServiceBroker } from "moleculer";
import repl from "moleculer-repl";
import { TELLING_DOMAINS } from "../lib/settings.ts";
import type { ActionName, Answer, Params } from "../lib/declare.ts";

type Args = Record<string, string | undefined>;
type Print = (text: string) => void;

export interface Command {
  command: string;
  description: string;
  run(call: Call, args: Args): Promise<string>;
}

type Call = <F extends ActionName>(action: F, params: Params<F>) => Promise<Answer<F>>;

const QUEUES = {
  users: "usersQueue",
  clubs: "clubsQueue",
  applications: "applicationsQueue",
  activities: "activitiesQueue",
  posts: "postsQueue",
  admin: "adminQueue",
} as const;

function queueOf(domain: string | undefined): (typeof QUEUES)[keyof typeof QUEUES] {
  const name = TELLING_DOMAINS.find((each) => each === domain);
  if (!name) throw new Error(`Name one of the domains with a queue: ${TELLING_DOMAINS.join(", ")}.`);
  return QUEUES[name];
}

const when = (at: number): string => new Date(at).toISOString();
const lines = (rows: string[], none: string): string => (rows.length > 0 ? rows.join("\n") : none);

export const COMMANDS: Command[] = [
  {
    command: "queues",
    description: "Messages that wait and dead letters, by domain",
    async run(call) {
      const rows = TELLING_DOMAINS.map(async (domain) => {
        const { waiting, oldest, dead } = await call(`${QUEUES[domain]}.depth`, {});
        return `${domain.padEnd(14)} waiting ${waiting}${oldest === null ? "" : ` (oldest ${when(oldest)})`}, dead ${dead}`;
      });
      return (await Promise.all(rows)).join("\n");
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
      const { replayed } = await call(`${queueOf(domain)}.replay`, id ? { id } : {});
      return replayed > 0 ? `${replayed} back in the queue.` : "There was nothing to replay.";
    },
  },
  {
    command: "sagas",
    description: "Sagas that have not ended",
    async run(call) {
      const rows = (await call("clubs.sagas", {})).map(
        (saga) =>
          `${saga.id}  ${saga.type}, ${saga.state} at step ${saga.step}, ${saga.tries} tries, since ${when(saga.createdAt)}`,
      );
      return lines(rows, "No open sagas.");
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
      const { ended } = await call("sessions.endOfUser", { user });
      return `${ended} ended; their tokens stop working within a second.`;
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
        ((action: string, params: object) => broker.call(action, params)) as unknown as Call,
        args,
      ),
    );
  } catch (error) {
    const { type, message } = error as { type?: string; message: string };
    print(`${command.command.split(" ")[0]} failed: ${message}${type ? ` (${type})` : ""}`);
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
