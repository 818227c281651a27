/** What a queue may have lost is published again, however long it was away. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { jest } from "@jest/globals";
import type { Queue } from "../../lib/queue/index.ts";
import { Publisher } from "../../mixins/publishing.ts";
import { waitAtAge } from "../../mixins/relay.ts";
import { envelope, KINDS, kinds } from "../support/outbox-kinds.ts";
import type { Kind } from "../support/outbox-kinds.ts";

const MINUTE = 60_000;
const BEGIN = Date.now();

describe.each(kinds)("the publisher of an outbox of %s", (name) => {
  let folder: string;
  let kind: Kind;
  let publisher: Publisher;
  let up: boolean;
  /** Ids of what the queue has, which loses it when it is wiped. */
  let has: string[];
  let now: jest.SpiedFunction<typeof Date.now>;

  const queue = {
    async publish(messages) {
      if (!up) return [];
      has.push(...messages.map(({ id }) => id.split(".")[0] as string));
      return messages.map(({ id }) => id);
    },
  } as Queue;
  const drain = (): Promise<void> => publisher.drain(() => false);
  const clock = (minutes: number): void => void now.mockReturnValue(BEGIN + minutes * MINUTE);

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "publishing-"));
    kind = await KINDS[name]!(folder);
    now = jest.spyOn(Date, "now");
    [up, has] = [true, []];
    publisher = new Publisher(queue, "clubs", kind.outbox);
  });
  afterEach(async () => {
    now.mockRestore();
    await kind.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Tells a message at that minute, and has it published if the queue is there. */
  async function publishedAt(minutes: number): Promise<string> {
    clock(minutes);
    const message = envelope();
    await kind.tell([message]);
    await drain();
    return message.id;
  }

  test("a queue that was away for long gets what it confirmed in the minutes before", async () => {
    await publishedAt(0);
    const last = [await publishedAt(55), await publishedAt(60)];
    [up, has] = [false, []];
    const meanwhile = await publishedAt(62);
    up = true;
    clock(180);
    publisher.lost();
    await drain();
    expect(has.toSorted()).toEqual([...last, meanwhile].toSorted());
    expect(has.at(-1)).toBe(meanwhile);
    await drain();
    expect(has).toHaveLength(3);
  });

  test("also where something was confirmed before the reconnection was told", async () => {
    const last = await publishedAt(60);
    has = [];
    await publishedAt(180);
    clock(180.1);
    publisher.lost();
    await drain();
    expect(has).toContain(last);
  });

  test("what the store refuses at that moment stays owed", async () => {
    const last = await publishedAt(0);
    const refuse = jest.spyOn(kind.outbox, "republish").mockRejectedValueOnce(new Error("away"));
    has = [];
    clock(30);
    publisher.lost();
    await expect(drain()).rejects.toThrow("away");
    expect(has).toEqual([]);
    await drain();
    expect(has).toEqual([last]);
    await drain();
    expect(refuse).toHaveBeenCalledTimes(2);
  });

  test("connections that are lost again and again bring back no more than the first", async () => {
    await publishedAt(0);
    const last = await publishedAt(15);
    [up, has] = [false, []];
    for (const minutes of [30, 40, 50]) {
      clock(minutes);
      publisher.lost();
      await drain();
    }
    up = true;
    await drain();
    expect(has).toEqual([last]);
  });

  test("a node that begins publishes nothing again, and ten minutes when the connection is lost", async () => {
    const all = [await publishedAt(0), await publishedAt(5), await publishedAt(5.5)];
    has = [];
    clock(60);
    publisher = new Publisher(queue, "clubs", kind.outbox);
    await drain();
    expect(has).toEqual([]);
    publisher.lost();
    await drain();
    expect(has.toSorted()).toEqual(all.toSorted());
  });
});

test("who is away is tried again after a quarter of the message's age, within a minute", () => {
  const waits = (age: number): number[] => Array.from({ length: 200 }, () => waitAtAge(age));
  const between = (age: number, least: number, most: number): void => {
    expect(Math.min(...waits(age))).toBeGreaterThanOrEqual(least);
    expect(Math.max(...waits(age))).toBeLessThanOrEqual(most);
  };
  between(-5_000, 100, 200);
  between(10_000, 1_250, 2_500);
  between(86_400_000, 30_000, 60_000);
});
