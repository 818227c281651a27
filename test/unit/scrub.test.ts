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
