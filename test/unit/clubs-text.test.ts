import fc from "fast-check";
import { foldedKey, sortKey } from "../../services/clubs/text.ts";

describe("names are the same", () => {
  test.each([
    ["case", "Chess Club", "CHESS cLUB"],
    ["case beyond single letters", "Straße", "STRASSE"],
    ["final sigma", "ΣΟΦΟΣ", "σοφος"],
    ["full width", "Ｃｈｅｓｓ　Ｃｌｕｂ", "Chess Club"],
    ["spaces", "Chess \u00a0  Club", "Chess Club"],
    ["what shows nothing", "Che\u200bss Cl\u00adub", "Chess Club"],
    ["composition", "Cafe\u0301", "Café"],
  ])("but for %s", (_what, a, b) => expect(foldedKey(a)).toBe(foldedKey(b)));

  test.each([
    ["国际象棋社", "国際象棋社"],
    ["Chess Club", "ChessClub"],
    ["Cafe", "Café"],
  ])("not %s and %s", (a, b) => expect(foldedKey(a)).not.toBe(foldedKey(b)));

  test("whatever the case, and of one length", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 120 }), (name) => {
        const key = foldedKey(name);
        expect(key).toHaveLength(64);
        expect(foldedKey(name.toLowerCase().toUpperCase())).toBe(foldedKey(name.toUpperCase()));
        expect(foldedKey(`  ${name} `)).toBe(key);
      }),
    );
  });
});

describe("sorting", () => {
  test("Chinese by pinyin among Latin, without case, accents and punctuation", () => {
    const sorted = [
      "足球社",
      "Élan",
      "《红楼梦》研究会",
      "chess",
      "安全协会",
      "昂首社",
      "Zebra",
      "国学社",
      "eden",
    ];
    expect(sorted.toSorted((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1))).toEqual([
      "安全协会",
      "昂首社",
      "chess",
      "eden",
      "Élan",
      "国学社",
      "《红楼梦》研究会",
      "Zebra",
      "足球社",
    ]);
  });

  test("a key fits its column, and a whole character is never cut", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 120 }), (name) => {
        const key = sortKey(name);
        expect(Buffer.byteLength(key)).toBeLessThanOrEqual(240);
        expect(key.isWellFormed()).toBe(true);
      }),
    );
  });
});
