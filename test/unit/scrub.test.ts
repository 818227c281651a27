import fc from "fast-check";
import { setImmediate as turn } from "node:timers/promises";
import { framesOf, scrub, scrubError, scrubStack } from "../../lib/scrub.ts";

test.each([
  ["Duplicate entry 'ada@uni.edu' for key 'identities.PRIMARY'", "Duplicate entry '…' for key '…'"],
  ["no account for ada.lovelace+x@uni.edu", "no account for <e-mail>"],
  ["no account for 李雷@大学.cn", "no account for <e-mail>"],
  [
    "getaddrinfo ENOTFOUND mysql://root:hunter2@db.internal:3306/users?ssl=1",
    "getaddrinfo ENOTFOUND mysql://db.internal:3306/…",
  ],
  ["GET https://s3.example/bucket/key?X-Amz-Signature=abc failed", "GET https://s3.example/… failed"],
  ["connect ECONNREFUSED 10.1.2.3:3306", "connect ECONNREFUSED <address>:3306"],
  ["connect ECONNREFUSED 2001:db8::1", "connect ECONNREFUSED <address>"],
  ["student 2023114477 is not known", "student <number> is not known"],
  ["the code 493022 is wrong", "the code <secret> is wrong"],
  ["password: correct-horse", "password: <secret>"],
  ["user 0199aaaa-0000-7000-8000-0000000000aa is away", "user <id> is away"],
  ["jwt eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl malformed", "jwt <token> malformed"],
  [
    `Unexpected token 'h', "hunter2 is "... is not valid JSON`,
    `Unexpected token '…', "…"... is not valid JSON`,
  ],
  [
    "Cannot read properties of undefined (reading 'email')",
    "Cannot read properties of undefined (reading '…')",
  ],
  ["Can't parse value 'Bob Li, room 12' for column 'x'", "Can't parse value '…' for column '…'"],
  ["Duplicate entry 'O'Brien Wang' for key 'people.name'", "Duplicate entry '…' for key '…'"],
  ["Data too long: 'Bob Li\nroom twelve' in row 1", "Data too long: '…' in row 1"],
  ["near N'Bob Li' at line 1", "near N'…' at line 1"],
  ["值'张三'无效", "值'…'无效"],
  [`{"name":"Bob Li"} is not taken`, `{"…":"…"} is not taken`],
  ["“Bob’s house” is taken, and so is ‘O’Brien Wang’", "“…” is taken, and so is “…”"],
  ["「张三\n李四」无效", "“…”无效"],
  ["it was cut: 'Bob Li and", "it was cut: '…'"],
  ["a path: 'C:\\Bob Li\\", "a path: '…'"],
  ["Authorization: Basic dXNlcjpwYXNz was sent", "Authorization: <secret> was sent"],
  ["authorization=bearer opaque was sent", "authorization=<secret> was sent"],
  ["Table clubs has no column named motto", "Table clubs has no column named motto"],
])("%s", (text, clean) => {
  expect(scrub(text)).toBe(clean);
  expect(scrub(clean)).toBe(clean);
});

test("a long text is cut, and no value comes out of it that was quoted", () => {
  const clean = scrub(`INSERT INTO users VALUES (${"'ada', ".repeat(5_000)})`);
  expect(clean.length).toBeLessThanOrEqual(2_000);
  expect(clean).not.toContain("ada");
});

test("of a value that is longer than what is kept nothing is told, nor of one that the cut goes through", () => {
  expect(scrub(`Data too long: '${"Bob Li ".repeat(1_000)}' in row 1`)).toBe("Data too long: '…'");
  const clean = scrub(`${"'x' ".repeat(998)}ada.lovelace@uni.edu`);
  expect(clean).not.toContain("ada");
});

test("nothing of a quoted value is told, whatever stands around and within it", () => {
  const word = fc.constantFrom("Wang", "O'Wang", "Wang’s", 'd"Wang', "Wang\n", "王Wang", "\\'Wang", "Wang@x");
  const value = fc.array(word, { minLength: 1, maxLength: 400 }).map((words) => words.join(" "));
  const marks = fc.constantFrom(["'", "'"], ['"', '"'], ["“", "”"], ["「", "」"]);
  const before = fc.constantFrom("", "Can't parse ", "the clubs' value: ", "值", "(", "x=");
  fc.assert(
    fc.property(before, marks, value, (start, [open, close], inner) => {
      expect(scrub(`${start}${open}${inner}${close} is not taken`)).not.toContain("Wang");
    }),
  );
});

const PIECES = [
  "a-",
  "“",
  "a.",
  "a",
  "-",
  "1-",
  "1.",
  "a+",
  "'\\",
  " 'a",
  "a@",
  "a://)",
  "pass ",
  "‘’a",
  "“‘「『",
];

test.each(PIECES)(
  "hundreds of texts of nothing but %j, each of 20,000 characters, do not hold anybody up",
  async (piece) => {
    const text = piece.repeat(20_000 / piece.length);
    for (let times = 0; times < 300; times++) {
      expect(scrub(text).length).toBeLessThanOrEqual(2_000);
      // So that the limit of the test can end it.
      await turn();
    }
  },
  20_000,
);

test("texts put together from such pieces are scrubbed too", () => {
  const repeat = fc.tuple(
    fc.constantFrom(...PIECES, " ", "x", "\n", '"', "@"),
    fc.integer({ min: 1, max: 5_000 }),
  );
  fc.assert(
    fc.property(fc.array(repeat, { maxLength: 8 }), (repeats) => {
      const text = repeats.map(([piece, times]) => piece.repeat(times)).join("");
      expect(scrub(text.slice(0, 20_000)).length).toBeLessThanOrEqual(2_000);
    }),
  );
});

test("of an error the message is scrubbed and the frames stay, except those that are part of the message", () => {
  const error = new TypeError("no 'x'\n    at ada@uni.edu (/home/ada:1:1)");
  expect(scrubError(error)).toMatch(/^TypeError: no '…'\n {4}at <e-mail>.*\n {4}at /);
  expect(scrubError(error)).toContain("scrub.test.ts");
  expect(framesOf(error).join("\n")).not.toContain("ada");
  expect(scrubStack(`Error: for ada@uni.edu\n    at f (file:///a/b.ts:1:2)\n  sql: 'x'`)).toBe(
    "Error: for <e-mail>\n    at f (file:///a/b.ts:1:2)",
  );
});

test.each([null, undefined, 7, "for ada@uni.edu", { any: "thing" }])("%p may be thrown too", (thrown) => {
  expect(scrubError(thrown)).not.toContain("ada");
  expect(framesOf(thrown)).toEqual([]);
});
