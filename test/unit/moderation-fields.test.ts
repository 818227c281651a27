/** Every published action that takes text which people write is moderated, or is excused by name. */
import { Type as T } from "typebox";
import type { ActionContract } from "../../lib/declare.ts";
import { textFields, textsAt } from "../../lib/moderation/fields.ts";
import { Id, Nullable, Text } from "../../lib/types.ts";
import { moderate, NOT_MODERATED, unmoderated } from "../../middlewares/moderate.ts";
import { actionContracts } from "../../services/contracts.ts";

const params = T.Object({
  id: Id,
  title: Text(1, 10),
  name: T.String({ "x-text": "line", pattern: "^[a-z]+$" }),
  tags: T.Optional(T.Array(Text(1, 10))),
  questions: T.Array(T.Object({ label: Nullable(Text(1, 10)), options: T.Array(Text(1, 10)) })),
  answers: T.Record(T.String({ pattern: "^[a-z]+$" }), Text(0, 10)),
  at: T.Object({ place: Text(0, 10) }),
});
const PATHS = [
  "title",
  "name",
  "tags[]",
  "questions[].label",
  "questions[].options[]",
  "answers.*",
  "at.place",
];
const contract = (moderated: string[], more: Partial<ActionContract> = {}): ActionContract => ({
  rest: "POST /things",
  access: "user",
  params,
  moderate: moderated,
  ...more,
});

describe("the guard", () => {
  test("every text of every published action is moderated or excused", () => {
    expect([...actionContracts].flatMap(([name, each]) => unmoderated(name, each))).toEqual([]);
  });

  test("excuses nothing that is not there", () => {
    const texts = [...actionContracts].flatMap(([name, { params: each }]) =>
      textFields(each).map(({ path }) => `${name} ${path}`),
    );
    expect(Object.keys(NOT_MODERATED).filter((each) => !texts.includes(each))).toEqual([]);
  });

  test("finds what a contract forgets, and a service with it does not load", () => {
    expect(unmoderated("things.create", contract(PATHS))).toEqual([]);
    for (const path of PATHS)
      expect(unmoderated("things.create", contract(PATHS.filter((each) => each !== path)))).toEqual([
        `things.create ${path}`,
      ]);
    const load = (each: ActionContract): unknown => {
      const { localAction } = moderate(new Map([["things.create", each]])) as unknown as {
        localAction: (next: () => Promise<void>, action: { name: string }) => unknown;
      };
      return localAction(async () => undefined, { name: "things.create" });
    };
    expect(() => load(contract(PATHS))).not.toThrow();
    expect(() => load(contract(["title"]))).toThrow(/things\.create name/);
    expect(() => load(contract([...PATHS, "body"]))).toThrow(/body, which is no text/);
    expect(() =>
      load(contract([], { rest: undefined as unknown as string, access: "service" })),
    ).not.toThrow();
  });
});

describe("texts of params", () => {
  const given = {
    id: "1",
    title: "one",
    tags: ["two", "three"],
    questions: [
      { label: null, options: ["four"] },
      { label: "five", options: [] },
    ],
    answers: { a: "six", b: "seven" },
    at: { place: "eight" },
  };

  test("are found where they are, under the names that errors have", () => {
    const found = PATHS.flatMap((path) => textsAt(given, path)).map(({ field, text }) => [field, text]);
    expect(found).toEqual([
      ["title", "one"],
      ["tags[0]", "two"],
      ["tags[1]", "three"],
      ["questions[1].label", "five"],
      ["questions[0].options[0]", "four"],
      ["answers.a", "six"],
      ["answers.b", "seven"],
      ["at.place", "eight"],
    ]);
  });

  test("are replaced where they are", () => {
    const copy = structuredClone(given);
    for (const path of PATHS) for (const { replace, field } of textsAt(copy, path)) replace(`<${field}>`);
    expect(copy).toEqual({
      id: "1",
      title: "<title>",
      tags: ["<tags[0]>", "<tags[1]>"],
      questions: [
        { label: null, options: ["<questions[0].options[0]>"] },
        { label: "<questions[1].label>", options: [] },
      ],
      answers: { a: "<answers.a>", b: "<answers.b>" },
      at: { place: "<at.place>" },
    });
  });

  test("of other shapes are left alone", () => {
    for (const odd of [
      null,
      undefined,
      5,
      "text",
      [],
      { title: 5, tags: "x", questions: [null], answers: ["x"] },
    ])
      expect(PATHS.flatMap((path) => textsAt(odd, path))).toEqual([]);
  });
});
