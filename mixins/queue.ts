/** A domain's queue service: runs the relay of its outbox and gives operators its messages and dead letters. */
import { AppError } from "../lib/errors.ts";
import type { Contract, Envelope } from "../lib/declare.ts";
import { implement } from "../lib/implement.ts";
import type { Mixin } from "../lib/implement.ts";
import { RECEIPTED } from "../lib/queue-contract.ts";
import type { queueActions } from "../lib/queue-contract.ts";
import type { DocumentDomain, SqlDomain } from "../lib/settings.ts";
import { Watched } from "../lib/watched.ts";
import { database } from "./database.ts";
import { documents } from "./documents.ts";
import { gauges } from "./gauges.ts";
import type { DeadLetter, Outbox } from "./outbox.ts";
import type { Relay } from "./relay.ts";
import { consumersOf, runtimeOf } from "./runtime.ts";
import { takeBack } from "./taking-back.ts";
import { sweeper } from "./sweeper.ts";

/** Dead letters of one page of a replay, and the milliseconds that one may take: whoever asks has ten seconds. */
const PAGE = 500;
const REPLAY_FOR = 5_000;

type Depth = Awaited<ReturnType<Outbox["depth"]>>;
type QueueContract = Contract<string, typeof queueActions>;

/** What the service has of its domain's store, of either kind. */
interface Store {
  outbox: Outbox;
  relay: Relay;
}

/** The service for the queue of a domain of SQL, by its contract. */
export function queueService(domain: SqlDomain, contract: QueueContract) {
  return serviceOn(domain, database(domain), contract);
}

/** The service for the queue of a domain of documents, by its contract. */
export function documentQueueService(domain: DocumentDomain, contract: QueueContract) {
  return serviceOn(domain, documents(domain, { tells: true }), contract);
}

function serviceOn(domain: string, store: Mixin<Store>, contract: QueueContract) {
  return implement(contract, {
    mixins: [store, sweeper(), gauges()],
    actions: {
      async depth() {
        return this.outbox.depth();
      },
      async dead(ctx) {
        return (await this.outbox.letters(ctx.params.limit, ctx.params.after)).map(present);
      },
      async inspect(ctx) {
        const letter = await this.outbox.letter(ctx.params.id);
        if (!letter) throw new AppError("NOT_FOUND");
        return { ...present(letter), envelope: JSON.parse(letter.envelope) as Record<string, unknown> };
      },
      async again(ctx) {
        const { envelope, consumer } = ctx.params;
        const all = consumersOf(runtimeOf(this.broker).contracts, envelope.type);
        const others = all.filter((each) => each !== consumer);
        await takeBack(this.outbox, ctx.params, others, this.logger);
        this.relay.nudge();
      },
      async receipt(ctx) {
        await this.outbox.receipt(ctx.params.id, ctx.params.consumer);
      },
      async drop(ctx) {
        const letter = await this.outbox.letter(ctx.params.id);
        if (letter?.type === RECEIPTED) throw new AppError("ERASURE_OWED");
        // Somebody may have replayed or dropped it meanwhile.
        if (!letter || !(await this.outbox.dropLetter(letter.id))) throw new AppError("NOT_FOUND");
        this.logger.warn("A dead letter was dropped", {
          letter: letter.id,
          type: letter.type,
          requestId: ctx.requestID,
        });
      },
      async replay(ctx) {
        const { id } = ctx.params;
        const { contracts } = runtimeOf(this.broker);
        const again = (letter: DeadLetter): Promise<void> =>
          replay(this.outbox, letter, consumersOf(contracts, letter.type));
        const until = Date.now() + REPLAY_FOR;
        let replayed = 0;
        try {
          for await (const letter of id ? one(this.outbox, id) : all(this.outbox)) {
            if (Date.now() > until) return { replayed, more: true as const };
            await again(letter);
            replayed++;
          }
        } finally {
          this.relay.nudge();
        }
        return { replayed };
      },
    },
    async started() {
      this.relay.start();
      const depth = new Watched(() => this.outbox.depth());
      const read = (value: (of: Depth) => number) => async () => {
        const known = await depth.get();
        return known ? [{ value: value(known), labels: { domain } }] : [];
      };
      this.measure(
        "club_alliance_outbox_waiting",
        read(({ waiting }) => waiting),
      );
      this.measure("club_alliance_outbox_oldest_seconds", read(ageOf));
      this.measure(
        "club_alliance_dead_letters",
        read(({ dead }) => dead),
      );
      this.every(300_000, () => this.outbox.sweep(Date.now()));
    },
  });
}

function ageOf({ oldest }: Depth): number {
  return oldest === null ? 0 : Math.max(0, Date.now() - oldest) / 1_000;
}

function present({ id, type, consumer, error, attempts, createdAt }: DeadLetter) {
  return { id, type, consumer, error, attempts, createdAt };
}

async function* one(outbox: Outbox, id: string): AsyncGenerator<DeadLetter> {
  const letter = await outbox.letter(id);
  if (letter) yield letter;
}

/** All dead letters in the order of their ids. */
async function* all(outbox: Outbox): AsyncGenerator<DeadLetter> {
  for (let after = ""; ;) {
    const page = await outbox.letters(PAGE, after);
    yield* page;
    if (page.length < PAGE) return;
    after = page.at(-1)?.id ?? "";
  }
}

/** The consumer is called again with the same message: what it has done already it will not do twice. */
async function replay(outbox: Outbox, letter: DeadLetter, consumers: string[]): Promise<void> {
  await outbox.putBack(
    JSON.parse(letter.envelope) as Envelope,
    (known) => ({
      done: (known?.done ?? consumers).filter((consumer) => consumer !== letter.consumer),
      attempts: 0,
      dueAt: Date.now(),
    }),
    letter.id,
  );
}
