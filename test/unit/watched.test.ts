/** What is asked for often and answered slowly: one question at a time, and nobody waits for long. */
import { setTimeout as sleep } from "node:timers/promises";
import { jest } from "@jest/globals";
import { Watched } from "../../lib/watched.ts";

const LONG = 60_000;

test("many who ask at once share one question, and who asks soon after gets the same answer", async () => {
  let asked = 0;
  const watched = new Watched(async () => ++asked, LONG);
  const answers = await Promise.all(Array.from({ length: 20 }, () => watched.get()));
  expect([...new Set(answers), await watched.get()]).toEqual([1, 1]);
});

test("of what fails nothing is known", async () => {
  const watched = new Watched(async () => {
    throw new Error("It is away.");
  }, LONG);
  expect(await watched.get()).toBeNull();
});

test("what stands still is asked once, and keeps nobody waiting", async () => {
  let asked = 0;
  const watched = new Watched(() => {
    asked++;
    return new Promise<never>(() => undefined);
  }, 20);
  expect([await watched.get(), await watched.get(), asked]).toEqual([null, null, 1]);
});

test("an answer that came too late for who asked is told to who asks next", async () => {
  const gate = Promise.withResolvers<string>();
  const watched = new Watched(() => gate.promise, 10);
  expect(await watched.get()).toBeNull();
  gate.resolve("late");
  await sleep(1);
  expect(await watched.get()).toBe("late");
});

describe("after some seconds it is asked again", () => {
  beforeEach(() => jest.useFakeTimers({ doNotFake: ["setImmediate", "nextTick", "queueMicrotask"] }));
  afterEach(() => jest.useRealTimers());

  test("what answered in time before and does not now is unknown", async () => {
    const answers: Promise<string>[] = [Promise.resolve("here"), new Promise(() => undefined)];
    const watched = new Watched(() => answers.shift() as Promise<string>, 600);
    expect(await watched.get()).toBe("here");
    jest.advanceTimersByTime(6_000);
    const later = watched.get();
    jest.advanceTimersByTime(700);
    expect(await later).toBeNull();
  });

  test("of what always takes long the answer before is told, but not for ever", async () => {
    const first = Promise.withResolvers<string>();
    const answers: Promise<string>[] = [first.promise, new Promise(() => undefined)];
    const watched = new Watched(() => answers.shift() as Promise<string>, 600);
    const ask = async () => {
      const told = watched.get();
      jest.advanceTimersByTime(700);
      return told;
    };
    expect(await ask()).toBeNull();
    first.resolve("slow");
    await first.promise;
    await new Promise((resolve) => setImmediate(resolve));
    jest.advanceTimersByTime(15_000);
    expect(await ask()).toBe("slow");
    jest.advanceTimersByTime(31_000);
    expect(await ask()).toBeNull();
  });
});
