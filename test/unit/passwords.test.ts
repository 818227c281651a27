import { setTimeout as wait } from "node:timers/promises";
import * as fc from "fast-check";
import {
  BusyError,
  DUMMY_HASH,
  hashingLanes,
  hashPassword,
  isCommonPassword,
  needsRehash,
  passwordProblem,
  verifyPassword,
  WorkQueue,
} from "../../lib/passwords.ts";

// Made by argon2-cffi 25.1 (the reference implementation in C).
const REFERENCE =
  "$argon2id$v=19$m=19456,t=2,p=1$Y2x1Yi1hbGxpYW5jZS0xNg$KcEAHfs5vfcr2cuVKHgyQNCcw1OhCJbU41TgN/wKZ5Q";
const OTHER_PARAMETERS =
  "$argon2id$v=19$m=4096,t=3,p=2$MDEyMzQ1Njc4OWFiY2RlZg$92wgv+wGpvT0dZswdUZiWFo5q7f2WD4Z";

describe("hashes", () => {
  test("agree with the reference implementation, whatever their parameters", async () => {
    expect(await verifyPassword("pässwörd 社团联盟", REFERENCE)).toBe(true);
    expect(await verifyPassword("another password", OTHER_PARAMETERS)).toBe(true);
    expect(await verifyPassword("pässwörd 社团联盟 ", REFERENCE)).toBe(false);
    expect(await verifyPassword("", REFERENCE)).toBe(false);
    expect([needsRehash(REFERENCE), needsRehash(OTHER_PARAMETERS)]).toEqual([false, true]);
  });

  test("are salted, in PHC form, and take the same password in another normal form, untrimmed", async () => {
    const [one, two] = await Promise.all([
      hashPassword(" caf\u00e9 au lait"),
      hashPassword(" caf\u00e9 au lait"),
    ]);
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(one).not.toBe(two);
    expect(needsRehash(one)).toBe(false);
    expect(await verifyPassword(" cafe\u0301 au lait", one)).toBe(true);
    expect(await verifyPassword("caf\u00e9 au lait", one)).toBe(false);
    expect(await verifyPassword(" Caf\u00e9 au lait", one)).toBe(false);
  });

  test("the dummy is a hash of today's parameters that no password opens", async () => {
    expect(needsRehash(DUMMY_HASH)).toBe(false);
    expect(await verifyPassword("anything at all", DUMMY_HASH)).toBe(false);
  });

  test.each([
    "",
    "plain",
    "$2b$10$abcdefghijklmnopqrstuv",
    REFERENCE.replace("v=19", "v=16"),
    `${REFERENCE}=`,
  ])("a stored string that is none is an error, not a wrong password: %p", async (stored) => {
    await expect(verifyPassword("some password", stored)).rejects.toThrow("not a PHC string");
  });
});

describe("the queue", () => {
  test("runs no more than its lanes, in order, and refuses at once what cannot wait", async () => {
    const lanes = new WorkQueue(2, 3);
    const started: number[] = [];
    const finish: (() => void)[] = [];
    let running = 0;
    let most = 0;
    const piece = (n: number) => async () => {
      started.push(n);
      running += 1;
      most = Math.max(most, running);
      await new Promise<void>((resolve) => finish.push(resolve));
      running -= 1;
      return n;
    };
    const all = [0, 1, 2, 3, 4].map((n) => lanes.run(piece(n)));
    await expect(lanes.run(piece(9))).rejects.toEqual(
      expect.objectContaining({ name: "BusyError", retryAfter: 1 }),
    );
    expect(started).toEqual([0, 1]);
    for (let n = 0; n < 6; n += 1) {
      finish[n]?.();
      await wait(0);
      if (n === 1) all.push(lanes.run(piece(5))); // one that comes between waits its turn
    }
    expect(await Promise.all(all)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(started).toEqual([0, 1, 2, 3, 4, 5]);
    expect(most).toBe(2);
    // and it is free again
    const last = lanes.run(piece(6));
    finish[6]?.();
    expect(await last).toBe(6);
  });

  test("a failing piece gives its lane on", async () => {
    const lanes = new WorkQueue(1, 1);
    const bad = lanes.run(() => Promise.reject(new Error("no")));
    const good = lanes.run(() => Promise.resolve("yes"));
    await expect(bad).rejects.toThrow("no");
    expect(await good).toBe("yes");
    expect(await lanes.run(() => Promise.resolve("again"))).toBe("again");
  });

  test("too many passwords at once: some are refused, none is lost", async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 140 }, () => verifyPassword("some password", OTHER_PARAMETERS)),
    );
    const refused = results.filter((result) => result.status === "rejected");
    expect(refused.length).toBeGreaterThan(0);
    for (const { reason } of refused) expect(reason).toBeInstanceOf(BusyError);
    expect(results.length - refused.length).toBeGreaterThanOrEqual(33);
  });

  test.each([
    [1, 4, 1],
    [2, 4, 1],
    [4, 4, 2],
    [16, 4, 2],
    [16, 8, 4],
    [16, 1, 1],
  ])("%i cores and a pool of %i threads make %i lanes", (cores, threads, lanes) => {
    expect(hashingLanes(cores, threads)).toBe(lanes);
  });
});

describe("which passwords are taken", () => {
  test.each<[string, ReturnType<typeof passwordProblem>]>([
    ["a9$kfQ2mx", "TOO_SHORT"],
    ["a9$kfQ2mxz", undefined],
    ["我们的社团要过九", "TOO_SHORT"],
    ["我们的社团今天要唱歌", undefined],
    ["😀🦊🌲🚲🎈🍜🧭🪁🎻", "TOO_SHORT"],
    ["😀🦊🌲🚲🎈🍜🧭🪁🎻🛶", undefined],
    ["e\u0301a\u0301o\u0301i\u0301u\u0301", "TOO_SHORT"],
    [`${"correct horse ".repeat(9)}zq`, undefined],
    [`${"correct horse ".repeat(9)}zqk`, "TOO_LONG"],
    ["Password123", "COMMON_PASSWORD"],
  ])("%p: %p", (password, problem) => {
    expect(passwordProblem(password)).toBe(problem);
  });

  test.each([
    "password123",
    "PASSWORD123",
    "basketball",
    "1q2w3e4r5t",
    "woaini1314",
    "1qaz2wsx3edc",
    "aaaaaaaaaa",
    "1234567890",
    "0987654321",
    "12345678910",
    "1212121212",
    "abcdefghij",
    "qwertyuiop",
    "asdfghjkl123",
    "QWERTY123456",
    "a123456789",
    "abc123abc123",
    "520520520520",
    "社团社团社团社团社团",
    "hellohello",
    "          ",
    "１２３４５６７８９０",
  ])("%p is common", (password) => {
    expect(isCommonPassword(password)).toBe(true);
  });

  test.each([
    "correct horse",
    "Tr0ub4dor&3!",
    "purple-lamp-47",
    "我们的社团今天要唱歌",
    "zhuque-hongdeng",
    "wherefore-9-assets",
    "# The most common",
  ])("%p is not", (password) => {
    expect(isCommonPassword(password)).toBe(false);
  });

  test("whatever repeats, in whatever length, is common; what is random is not", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 5 }),
        fc.integer({ min: 10, max: 20 }),
        (unit, times) => isCommonPassword(unit.repeat(times)),
      ),
    );
    // 16 random hexadecimal digits have a chance of about one in ten million to look like three runs
    fc.assert(fc.property(fc.uuid({ version: 4 }), (id) => !isCommonPassword(id)));
  });
});
