/** What relay, publisher and queue service ask of an outbox, of whichever kind. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Envelope } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import { RECEIPTED } from "../../lib/queue-contract.ts";
import { deadLetter } from "../../mixins/outbox.ts";
import type { Outbox, Turn } from "../../mixins/outbox.ts";
import { envelope, KINDS, kinds } from "../support/outbox-kinds.ts";
import type { Kind } from "../support/outbox-kinds.ts";

const HOUR = 3_600_000;

const idsOf = (messages: readonly { id: string }[]): string[] => messages.map(({ id }) => id);
const turn = (done: string[], dueAt = Date.now()): Turn => ({ done, attempts: 1, dueAt, error: "no" });

describe.each(kinds)("the outbox on %s", (name) => {
  let folder: string;
  let outbox: Outbox;
  let kind: Kind;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "outbox-"));
    kind = await KINDS[name]!(folder);
    ({ outbox } = kind);
  });
  afterEach(async () => {
    await kind.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function told(count: number, type?: string): Promise<Envelope[]> {
    const messages = Array.from({ length: count }, () => envelope(type));
    await kind.tell(messages);
    return messages;
  }

  test("claims go to one, and to another when they have run out", async () => {
    const ids = idsOf(await told(60));
    const claims = await Promise.all([1, 2, 3, 4].map(() => outbox.claim(20, Date.now() + HOUR)));
    expect(claims.flat().length).toBeGreaterThan(0);
    for (let more = 1; more > 0;) {
      const claimed = await outbox.claim(20, Date.now() + HOUR);
      claims.push(claimed);
      more = claimed.length;
    }
    expect(idsOf(claims.flat()).toSorted()).toEqual(ids.toSorted());
    const [late] = await told(1);
    expect(idsOf(await outbox.claim(20, Date.now() - 1))).toEqual([late?.id]);
    const [claimed] = await outbox.claim(20, Date.now() + HOUR);
    expect(claimed).toMatchObject({ id: late?.id, type: "clubs.updated", done: [], attempts: 0 });
    expect(JSON.parse(String(claimed?.envelope))).toEqual(late);
    await outbox.delivered(ids);
    expect(await outbox.depth()).toEqual({ waiting: 1, oldest: late?.at, dead: 0 });
  });

  test("what is postponed keeps who is done, and its letters once", async () => {
    const [message] = (await told(1)) as [Envelope];
    const [claimed] = await outbox.claim(1, Date.now() + HOUR);
    if (!claimed) throw new Error("Nothing was due.");
    const letters = [deadLetter(claimed, "a.b", "x".repeat(900), 12)];
    const tried = { done: ["a.b"], attempts: 12, error: "no", dueAt: Date.now() - 1 };
    await outbox.postpone(message.id, tried, letters);
    expect(await outbox.claim(1, Date.now() - 1)).toMatchObject([{ done: ["a.b"], attempts: 12 }]);
    await outbox.postpone(message.id, { ...tried, dueAt: null }, letters);
    expect(await outbox.claim(1, Date.now() + HOUR)).toEqual([]);
    expect(await outbox.depth()).toEqual({ waiting: 0, oldest: null, dead: 1 });
    const letter = await outbox.letter(`${message.id}:a.b`);
    expect(letter).toMatchObject({ consumer: "a.b", error: "x".repeat(500), attempts: 12 });
    expect(await outbox.letters(1)).toEqual([letter]);
    expect(await outbox.letter("nothing")).toBeNull();
  });

  test("the oldest is of those that no consumer has refused; one that is away refuses nothing", async () => {
    const aged = (hours: number): Envelope => ({ ...envelope(), at: Date.now() - hours * HOUR });
    const [refused, returned, away, fresh] = [aged(4), aged(3), aged(2), aged(1)] as const;
    const oldest = async (): Promise<unknown> => (await outbox.depth()).oldest;
    await kind.tell([refused, returned, away, fresh]);
    await outbox.claim(10, Date.now() + HOUR);
    expect(await oldest()).toBe(refused.at);
    const tried = { done: [], error: "no", dueAt: Date.now() + HOUR };
    await outbox.postpone(refused.id, { ...tried, attempts: 1 }, []);
    expect(await oldest()).toBe(returned.at);
    await outbox.putBack(returned, () => turn([]));
    await outbox.postpone(away.id, { ...tried, attempts: 0 }, []);
    expect(await oldest()).toBe(away.at);
    await outbox.putBack(away, () => ({ ...turn([]), attempts: 0 }));
    expect(await outbox.depth()).toEqual({ waiting: 4, oldest: away.at, dead: 0 });
    await outbox.delivered([fresh.id]);
    await outbox.putBack(away, () => turn([]));
    expect(await outbox.depth()).toEqual({ waiting: 3, oldest: null, dead: 0 });
  });

  test("what is put back after it was claimed is due, whatever whoever claimed it reports", async () => {
    const [one, two, three] = (await told(3)) as [Envelope, Envelope, Envelope];
    await outbox.claim(3, Date.now() + HOUR);
    for (const message of [one, two, three]) await outbox.putBack(message, () => turn(["c.d"]));
    await outbox.delivered([one.id]);
    const tried = { done: ["a.b", "c.d"], attempts: 3, error: "no" };
    await outbox.postpone(two.id, { ...tried, dueAt: null }, []);
    await outbox.postpone(three.id, { ...tried, dueAt: Date.now() + HOUR }, []);
    const due = await outbox.due(10);
    expect(due.map(({ done, attempts }) => ({ done, attempts }))).toEqual(
      Array.from({ length: 3 }, () => ({ done: ["c.d"], attempts: 1 })),
    );
  });

  test("what the queue has confirmed comes again in its order and as it was, if it is recent", async () => {
    const messages: Envelope[] = [];
    for (let n = 0; n < 5; n++) messages.push(...(await told(3)));
    const first = await outbox.due(100);
    expect(idsOf(first)).toEqual(idsOf(messages));
    expect(idsOf(await outbox.due(4))).toEqual(idsOf(messages.slice(0, 4)));
    await outbox.confirmed(first.slice(0, 10));
    expect(await outbox.due(100)).toEqual(first.slice(10));
    await outbox.republish(Date.now() + HOUR);
    expect(await outbox.due(100)).toEqual(first.slice(10));
    await outbox.republish(Date.now() - HOUR);
    expect(await outbox.due(100)).toEqual(first);
  });

  test("of many that come again, and of many that are swept, none is left out", async () => {
    const ids = idsOf(await told(2_500)).toSorted();
    await outbox.confirmed(await outbox.due(2_500));
    const last = (await outbox.lastConfirmed(Date.now())) as number;
    expect(await outbox.lastConfirmed(last - 1)).toBeNull();
    await outbox.republish(last - 1);
    const due = await outbox.due(3_000);
    expect(idsOf(due).toSorted()).toEqual(ids);
    await outbox.confirmed(due);
    await outbox.sweep(Date.now() + 25 * HOUR);
    expect(await outbox.lastConfirmed(Date.now())).toBeNull();
  });

  test("what is given back before its publication is marked is not taken for published", async () => {
    const [message, other] = (await told(2)) as [Envelope, Envelope];
    const due = await outbox.due(10);
    await outbox.putBack(message, () => turn([], Date.now() + 150));
    await outbox.confirmed(due);
    expect((await outbox.depth()).waiting).toBe(1);
    await outbox.putBack(other, (known) =>
      turn(known?.publishedAt === null ? ["not published"] : ["was"], 0),
    );
    expect(await outbox.due(10)).toMatchObject([{ id: other.id, done: ["was"] }]);
  });

  test("of those who put back the same message at once none is overlooked", async () => {
    const [message] = (await told(1)) as [Envelope];
    await outbox.confirmed(await outbox.due(1));
    const consumers = ["a.a", "b.b", "c.c", "d.d"];
    await Promise.all(
      consumers.map((consumer) =>
        outbox.putBack(message, (known) => {
          const done = known?.publishedAt === null ? known.done : consumers;
          return turn(done.filter((each) => each !== consumer));
        }),
      ),
    );
    expect(await outbox.due(1)).toMatchObject([{ id: message.id, done: [] }]);
  });

  test("a message that is gone is made anew; a dead letter made good is deleted", async () => {
    const message = envelope();
    const letter = deadLetter({ ...message, envelope: JSON.stringify(message) }, "a.b", "no", 12);
    await outbox.putBack(message, (known) => (known ? turn([]) : letter));
    expect(await outbox.letters()).toEqual([letter]);
    await outbox.putBack(message, (known) => turn(known ? [] : ["c.d"]), letter.id);
    expect(await outbox.due(1)).toMatchObject([{ id: message.id, done: ["c.d"] }]);
    expect(await outbox.depth()).toEqual({ waiting: 1, oldest: message.at, dead: 0 });
  });

  test("receipts that come at once are all noted", async () => {
    const [message] = (await told(1, RECEIPTED)) as [Envelope];
    const consumers = Array.from({ length: 8 }, (_, n) => `c${n}.on`);
    await Promise.all(consumers.map((consumer) => outbox.receipt(message.id, consumer)));
    await outbox.receipt(message.id, "c0.on");
    await outbox.receipt(newId(), "c0.on");
    const [due] = await outbox.due(10);
    expect(due?.done.toSorted()).toEqual(consumers);
  });

  test("one leads until its time is over or it resigns", async () => {
    const soon = Date.now() + HOUR;
    const led = await Promise.all(["a", "b", "c"].map((owner) => outbox.lead(owner, soon)));
    expect(led.filter(Boolean)).toHaveLength(1);
    const leader = "abc"[led.indexOf(true)] as string;
    expect(await outbox.lead(leader, soon)).toBe(true);
    await outbox.resign("nobody");
    expect(await outbox.lead("d", soon)).toBe(false);
    await outbox.resign(leader);
    expect(await outbox.lead("d", Date.now() - 1)).toBe(true);
    expect(await outbox.lead("e", soon)).toBe(true);
  });

  test("what is published is kept for a day, what people are owed the proof of for thirty", async () => {
    const [plain] = (await told(1)) as [Envelope];
    await told(1, RECEIPTED);
    const due = await outbox.due(10);
    await outbox.confirmed(due);
    const [waiting] = (await told(1)) as [Envelope];
    /** How many are still there: those that are gone are not published again. */
    const kept = async (now: number): Promise<string[]> => {
      await outbox.sweep(now);
      await outbox.republish(0);
      const found = await outbox.due(10);
      await outbox.confirmed(found.filter(({ id }) => id !== waiting.id));
      return found.map(({ type }) => type).toSorted();
    };
    expect(await kept(Date.now() + 23 * HOUR)).toEqual([plain.type, waiting.type, RECEIPTED]);
    expect(await kept(Date.now() + 25 * HOUR)).toEqual([waiting.type, RECEIPTED]);
    expect(await kept(Date.now() + 29 * 24 * HOUR)).toEqual([waiting.type, RECEIPTED]);
    expect(await kept(Date.now() + 31 * 24 * HOUR)).toEqual([waiting.type]);
  });
});
