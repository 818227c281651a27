import fc from "fast-check";
import { fold, foldWithPositions } from "../../lib/search/fold.ts";
import { allowedTypos, Misspelling, typosBetween } from "../../lib/search/typos.ts";

describe("typosBetween", () => {
  test.each([
    ["music", "music", 0],
    ["music", "muisc", 1],
    ["music", "usic", 1],
    ["music", "musicc", 1],
    ["music", "muzic", 1],
    ["volunteer", "voluntear", 1],
    ["volunteer", "vlounter", 2],
    ["ab", "xyz", 3],
  ])("%s – %s: %i", (a, b, typos) => {
    expect(typosBetween(a, b, 3)).toBe(typos);
    expect(typosBetween(b, a, 3)).toBe(typos);
  });

  test("counts no further than asked", () => {
    expect(typosBetween("abcdef", "uvwxyz", 2)).toBe(3);
    expect(typosBetween("a", "abcdef", 1)).toBe(2);
  });

  test("by length", () => {
    expect([3, 4, 7, 8, 20].map(allowedTypos)).toEqual([0, 1, 1, 2, 2]);
  });
});

/** A word over few letters, so that near misses are frequent. */
const word = (minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom("a", "b", "c", "读"), minLength, maxLength });

describe("Misspelling", () => {
  /** Every stretch of the text from a mark, measured one by one. */
  function ends(text: string, marks: string, pattern: string, max: number, whole: boolean): number[] {
    const found: number[] = [];
    for (let end = 1; end <= text.length; end++) {
      if (whole && marks[end] !== "1") continue;
      for (let start = 0; start < end; start++) {
        if (marks[start] === "1" && typosBetween(pattern, text.slice(start, end), max) <= max)
          found.push(end);
      }
    }
    return found;
  }

  const scan = fc
    .tuple(word(0, 14), fc.integer({ min: 0, max: 2 }), fc.boolean())
    .chain(([text, max, whole]) =>
      fc.record({
        text: fc.constant(text),
        max: fc.constant(max),
        whole: fc.constant(whole),
        // As long as patterns with so many typos are in use: 4 letters for one, 8 for two.
        pattern: word(max === 0 ? 1 : max * 4, 12),
        marks: fc.string({
          unit: fc.constantFrom("0", "1"),
          minLength: text.length + 1,
          maxLength: text.length + 1,
        }),
      }),
    );

  test("finds the first end that measuring everything finds", () => {
    fc.assert(
      fc.property(scan, ({ text, max, whole, pattern, marks }) => {
        const expected = ends(text, marks, pattern, max, whole)[0] ?? -1;
        const misspelling = new Misspelling(pattern, max);
        expect(misspelling.endIn(text, marks, whole)).toBe(expected);
        const range = misspelling.rangeIn(text, marks, whole);
        expect(range?.[1] ?? -1).toBe(expected);
        if (range !== null) {
          expect(marks[range[0]]).toBe("1");
          expect(typosBetween(pattern, text.slice(...range), max)).toBeLessThanOrEqual(max);
        }
      }),
      { numRuns: 3000 },
    );
  });

  test("two swaps, also where the pieces of a pattern meet", () => {
    const all = "1".repeat(30);
    for (let first = 0; first < 8; first++) {
      for (let second = first + 2; second < 9; second++) {
        const letters = Array.from("abcdefghij");
        for (const at of [first, second]) [letters[at], letters[at + 1]] = [letters[at + 1]!, letters[at]!];
        expect(new Misspelling("abcdefghij", 2).endIn(letters.join(""), all, false)).toBeGreaterThan(0);
      }
    }
  });

  test("a pattern too long for it is not found", () => {
    expect(new Misspelling("a".repeat(30), 2).endIn("a".repeat(30), "1".repeat(31), false)).toBe(-1);
    expect(new Misspelling("a".repeat(29), 2).endIn("a".repeat(29), "1".repeat(30), false)).toBeGreaterThan(
      0,
    );
  });
});

describe("fold", () => {
  test.each([
    ["ＣＬＵＢ　１２", "club 12"],
    ["Café", "cafe"],
    ["Cafe\u0301", "cafe"],
    ["Straße Łódź Ærø", "strasse lodz aero"],
    ["İstanbul", "istanbul"],
    ["Women’s", "womens"],
    ["读\u200b书", "读书"],
    ["ｶﾌｪ", "カフェ"],
    ["①②", "12"],
    ["한국", "한국"],
  ])("%s → %s", (text, folded) => {
    expect(fold(text)).toBe(folded);
  });

  test("tells for each character where it came from", () => {
    expect(foldWithPositions("é½𝒳读")).toEqual({ text: "e1⁄2x读", at: [0, 1, 1, 1, 2, 4, 5] });
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (source) => {
        const { text, at } = foldWithPositions(source);
        expect(text).toBe(fold(source));
        expect(at).toHaveLength(text.length + 1);
        expect(at.at(-1)).toBe(source.length);
        expect(at).toEqual(at.toSorted((a, b) => a - b));
      }),
    );
  });
});
