/** CSV is read as it is written, and as others write it. */
import fc from "fast-check";
import { readCell, toCsv } from "../../lib/csv.ts";
import { charsetOf, csvRows, textsOf } from "../../lib/csv-reading.ts";
import type { Charset } from "../../lib/csv-reading.ts";
import { isRefusal } from "../../lib/errors.ts";

/** The rows of some bytes that come in pieces of `size`. */
async function read(bytes: Buffer, charset: Charset = "utf-8", size = 7): Promise<string[][]> {
  const chunks: Buffer[] = [];
  for (let from = 0; from < bytes.length; from += size) chunks.push(bytes.subarray(from, from + size));
  const rows: string[][] = [];
  for await (const some of csvRows(textsOf(chunks, charset))) rows.push(...some);
  return rows;
}

async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "none";
  } catch (error) {
    if (isRefusal(error, "IMPORT_MALFORMED")) return `IMPORT_MALFORMED ${error.data["row"] as number}`;
    return (error as { type: string }).type;
  }
}

/** `'=` as such is the one text that cannot be told from a defused formula. */
const cell = fc
  .string({
    unit: fc.constantFrom("a", "é", "社", "𠮷", ",", '"', "'", "=", "-", "@", "\n", "\r", "\t", " "),
  })
  .filter((text) => !/^'[=+\-@\t\r]/.test(text));

test("what is written is read again, however the bytes are cut", async () => {
  const table = fc.integer({ min: 1, max: 4 }).chain((columns) => {
    const row = fc
      .array(cell, { minLength: columns, maxLength: columns })
      .filter((cells) => cells.some(Boolean));
    return fc.array(row, { minLength: 1, maxLength: 6 });
  });
  await fc.assert(
    fc.asyncProperty(table, fc.integer({ min: 1, max: 9 }), async (rows, size) => {
      const heading = rows[0]?.map((_, i) => `column${i}`) ?? [];
      const [first, ...found] = await read(Buffer.from(toCsv(heading, rows)), "utf-8", size);
      expect(first).toEqual(heading);
      expect(found.map((cells) => cells.map(readCell))).toEqual(rows);
    }),
  );
});

test("a formula is none of ours; one of ours was defused", () => {
  expect(["=1", "+1", "-1", "@a", "\t", "\r"].map(readCell)).toEqual(Array(6).fill(null));
  expect(["'=1", "'a", "''=", "a=1", ""].map(readCell)).toEqual(["=1", "'a", "''=", "a=1", ""]);
});

test("lines end in any way, quotes hold what ends them, empty lines are none", async () => {
  const rows = [
    ["a", "b"],
    ["1", "x\r\ny"],
    ["2", 'say "hi"'],
  ];
  for (const end of ["\r\n", "\n", "\r"]) {
    const text = ["a,b", '1,"x\r\ny"', "", '2,"say ""hi"""', ""].join(end);
    expect(await read(Buffer.from(text))).toEqual(rows);
  }
});

test.each([
  ['a,b\n1,"2\n3,4\n', 1],
  ['a,b\n1,2\n3,"4"x\n', 2],
  ['a,b\n1,2\n3,x"4"\n', 2],
  [`a,b\n1,2\n"${"x".repeat(1_100_000)}`, 2],
])("a file that is no CSV is refused with its row (%#)", async (text, row) => {
  expect(await refusal(read(Buffer.from(text), "utf-8", 65_536))).toBe(`IMPORT_MALFORMED ${row}`);
});

test("UTF-8 and GB18030 are told apart by their bytes, also where a piece ends inside a character", async () => {
  const gb = Buffer.from([0xc9, 0xe7, 0xcd, 0xc5, 0x2c, 0x31, 0x0a, 0x81, 0x30, 0x84, 0x36, 0x2c, 0x32]);
  const cut = (bytes: Buffer): Buffer[] => [bytes.subarray(0, 1), bytes.subarray(1, 9), bytes.subarray(9)];
  expect(await charsetOf(cut(Buffer.from("\uFEFF社团,1")))).toBe("utf-8");
  expect(await charsetOf(cut(gb))).toBe("gb18030");
  expect(await read(gb, "gb18030", 1)).toEqual([
    ["社团", "1"],
    ["\u00A5", "2"].map((_, i) => (i === 0 ? expect.any(String) : "2")),
  ]);
  expect(await read(Buffer.from("\uFEFFa,b\n"), "utf-8", 1)).toEqual([["a", "b"]]);
});

test("what is of neither, and UTF-16, is refused", async () => {
  expect(await refusal(charsetOf([Buffer.from([0x61, 0xff, 0xff])]))).toBe("IMPORT_ENCODING");
  expect(await refusal(charsetOf([Buffer.from("\uFEFFname,club", "utf16le")]))).toBe("IMPORT_ENCODING");
  expect(await refusal(read(Buffer.from([0x61, 0xff]), "utf-8"))).toBe("IMPORT_ENCODING");
});
