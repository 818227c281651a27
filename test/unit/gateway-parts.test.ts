/** The gateway's parts without HTTP. */
import fc from "fast-check";
import { Type as T } from "typebox";
import { declare } from "../../lib/declare.ts";
import type { ActionContract } from "../../lib/declare.ts";
import type { FieldError } from "../../lib/errors.ts";
import { Addresses } from "../../services/gateway/address.ts";
import { matches, tagOf, versionOf } from "../../services/gateway/conditions.ts";
import { languageOf } from "../../services/gateway/language.ts";
import { Overload, retryAfter, THRESHOLDS } from "../../services/gateway/overload.ts";
import { formOf, gather, placeOf } from "../../services/gateway/params.ts";
import { Revocations } from "../../services/gateway/revocations.ts";
import { Routes } from "../../services/gateway/routes.ts";

describe("addresses", () => {
  const addresses = new Addresses(["10.0.0.0/8", "2001:db8:ffff::1"], ["192.0.2.0/24", "2001:db8:1::/48"]);
  const client = (peer: string, forwarded?: string) => addresses.client(addresses.peer(peer), forwarded);

  test.each([
    ["203.0.113.5", undefined, "203.0.113.5"],
    ["203.0.113.5", "198.51.100.1", "203.0.113.5"],
    ["10.0.0.1", undefined, "10.0.0.1"],
    ["10.0.0.1", "198.51.100.1", "198.51.100.1"],
    ["::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"],
    ["2001:db8:ffff::1", "198.51.100.1", "198.51.100.1"],
    ["10.0.0.1", "9.9.9.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"],
    ["10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"],
    ["10.0.0.1", "198.51.100.1:4711", "198.51.100.1"],
    ["10.0.0.1", "[2001:db8::9]:4711", "2001:db8::9"],
    ["10.0.0.1", "2001:db8::9", "2001:db8::9"],
    ["10.0.0.1", "9.9.9.9, nonsense, 10.0.0.2", "10.0.0.2"],
    ["10.0.0.1", "", "10.0.0.1"],
    ["10.0.0.1", "1", "10.0.0.1"],
  ])("%s, forwarded for %s: %s", (peer, forwarded, text) => {
    expect(client(peer, forwarded).text).toBe(text);
  });

  test("an IPv4 address is counted whole, an IPv6 one by its /64", () => {
    expect(client("203.0.113.5").key).not.toBe(client("203.0.113.6").key);
    expect(client("::ffff:203.0.113.5").key).toBe(client("203.0.113.5").key);
    expect(client("2001:db8:2:3::1").key).toBe(client("2001:db8:2:3:ffff::2").key);
    expect(client("2001:db8:2:3::1").key).not.toBe(client("2001:db8:2:4::1").key);
  });

  test("campus networks", () => {
    expect(
      ["192.0.2.9", "2001:db8:1:5::1", "192.0.3.9", "2001:db8:2::1"].map((each) => client(each).campus),
    ).toEqual([true, true, false, false]);
  });

  test("a connection that is gone has an address too", () => {
    expect(addresses.peer(undefined).key).toBe("unknown");
  });
});

test("whatever is accepted, an answer has a language", () => {
  fc.assert(fc.property(fc.string(), (header) => ["en", "zh-CN"].includes(languageOf(header))));
  expect(languageOf("zh;q=1.5")).toBe("en");
  expect(languageOf("ZH-hans-CN")).toBe("zh-CN");
});

describe("overload", () => {
  test("requests in flight shed the lowest priority first", () => {
    const overload = new Overload();
    const admitted = (inFlight: number) => {
      overload.inFlight = inFlight;
      return (["low", "normal", "high"] as const).filter((each) => overload.admits(each));
    };
    expect(admitted(0)).toEqual(["low", "normal", "high"]);
    expect(admitted(THRESHOLDS.low.inFlight)).toEqual(["low", "normal", "high"]);
    expect(admitted(THRESHOLDS.low.inFlight + 1)).toEqual(["normal", "high"]);
    expect(admitted(THRESHOLDS.normal.inFlight + 1)).toEqual(["high"]);
    expect(admitted(THRESHOLDS.high.inFlight + 1)).toEqual([]);
  });

  test("so does a loop that stays late; one long pause does not", () => {
    const overload = new Overload();
    overload.sampled(1_000);
    expect(overload.admits("low")).toBe(true);
    for (let i = 0; i < 20; i += 1) overload.sampled(500);
    expect([overload.admits("low"), overload.admits("normal")]).toEqual([false, true]);
    for (let i = 0; i < 20; i += 1) overload.sampled(-5);
    expect(overload.admits("low")).toBe(true);
  });

  test("those who were refused come back at different times", () => {
    const seen = new Set(Array.from({ length: 200 }, retryAfter));
    expect(seen).toEqual(new Set([1, 2, 3, 4, 5]));
  });
});

describe("params", () => {
  const { actions } = declare("x", {
    union: {
      rest: "POST /x/:id",
      summary: { en: "", "zh-CN": "" },
      params: T.Union([
        T.Object({ id: T.String(), a: T.String() }),
        T.Object({ id: T.String(), b: T.String() }),
      ]),
      access: "any",
    },
    number: {
      rest: "GET /x/:year",
      summary: { en: "", "zh-CN": "" },
      params: T.Object({ year: T.Integer(), choice: T.Optional(T.Enum(["1", "2"])) }),
      access: "any",
    },
  });
  const gathered = (
    contract: ActionContract,
    path: Record<string, string>,
    query: string,
    body?: unknown,
  ) => {
    const errors: FieldError[] = [];
    return { params: gather(formOf(contract), path, query, body, errors), errors };
  };

  test("path parameters are converted; in all branches of a union", () => {
    expect(gathered(actions.number, { year: "2026" }, "choice=1").params).toEqual({
      year: 2026,
      choice: "1",
    });
    expect(gathered(actions.union, { id: "5" }, "", { a: "x" }).params).toEqual({ id: "5", a: "x" });
    expect(["id", "a", "b"].map((name) => placeOf(actions.union, name))).toEqual(["path", "body", "body"]);
  });

  test("no query, however strange, throws or reaches a prototype", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webQueryParameters()), (query) => {
        const { params } = gathered(actions.number, { year: "1" }, query);
        return Object.getPrototypeOf(params) === Object.prototype && Object.keys(params)[0] === "year";
      }),
    );
  });

  test("numbers are what JSON would take for numbers, no more", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const { params } = gathered(actions.number, { year: text }, "");
        return params["year"] === text || JSON.stringify(params["year"]) === String(Number(text));
      }),
    );
  });
});

describe("tags", () => {
  test("If-Match finds the version in every tag that was given out", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1 }),
        fc.string(),
        (version, body) => versionOf(tagOf(body, version)) === version,
      ),
    );
  });

  test("If-None-Match finds the tag among others, and no part of it", () => {
    const tag = tagOf("body", 3);
    expect(matches(`"a", W/${tag} , "b"`, tag)).toBe(true);
    expect(matches(`"a${tag.slice(1)}`, tag)).toBe(false);
    expect(matches("", tag)).toBe(false);
  });
});

describe("routes", () => {
  const route = (rest: string): ActionContract => ({
    rest,
    access: "any",
    params: T.Object({ id: T.Optional(T.String()) }),
  });

  test("a route twice does not load", () => {
    const twice = new Map([
      ["a.x", route("GET /x")],
      ["b.x", route("GET /x")],
    ]);
    expect(() => new Routes(twice, () => true, [])).toThrow("Two actions answer GET /x.");
  });

  test("three hundred routes are found as fast as one", () => {
    const many = new Map(
      Array.from({ length: 300 }, (_, i) => [`s.a${i}`, route(`GET /things${i}/:id/sub`)]),
    );
    const routes = new Routes(many, () => true, []);
    expect(routes.find("GET", "/things299/5/sub")).toMatchObject({
      alias: { action: "s.a299" },
      params: { id: "5" },
    });
  });
});

describe("revocations", () => {
  const pulled = async (
    answers: (() => Promise<{ now: number; sids: { sid: string; at: number }[] } | null>)[],
  ) => {
    const asked: number[] = [];
    const warned: string[] = [];
    let ready = 0;
    const revocations = new Revocations({
      async pull(since) {
        asked.push(since);
        return (answers[asked.length - 1] ?? (() => Promise.resolve({ now: 0, sids: [] })))();
      },
      ready: () => (ready += 1),
      warn: (text) => warned.push(text),
    });
    revocations.start();
    while (asked.length < answers.length + 1) await new Promise((resolve) => setTimeout(resolve, 20));
    revocations.stop();
    return { revocations, asked, warned, ready };
  };

  test("each pull begins a little before the last one's time, and failures do not move it", async () => {
    const now = 1_000_000_000_000;
    const { revocations, asked, ready } = await pulled([
      async () => ({ now, sids: [{ sid: "a", at: now - 1 }] }),
      async () => null,
      () => Promise.reject(new Error("away")),
      async () => ({ now: now + 500, sids: [] }),
    ]);
    expect(asked.slice(1)).toEqual([now - 5_000, now - 5_000, now - 5_000, now - 4_500]);
    expect([revocations.has("a"), revocations.has("b"), ready]).toEqual([true, false, 1]);
  });
});
