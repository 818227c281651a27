/** The rules of the word filter: disguises that are made up, masks, phrases that are allowed, and how long it takes. */
import * as fc from "fast-check";
import { normalize, WordFilter } from "../../lib/moderation/filter.ts";
import type { ListedWord } from "../../lib/moderation/filter.ts";

const WORDS = ["forbidden", "casino", "违禁词", "赌博", "校园贷", "K粉", "bad phrase"];
const filterOf = (action: ListedWord["action"], words = WORDS): WordFilter =>
  new WordFilter(words.map((word) => ({ word, action })));
const blocking = filterOf("block");
const masking = filterOf("mask");

/** Texts that have none of the words. */
const innocent = fc
  .array(
    fc.constantFrom(
      "The class meets on Monday.",
      "社团招新开始了。",
      "a compass",
      "周末爬山",
      "Python 3.11",
      "100%",
      "😀",
      "路口交通",
      "\n",
      "café",
      "ＡＢＣ",
      "你好, world",
      "…",
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(" "));

const isChinese = (letter: string): boolean => /\p{Script=Han}/u.test(letter);
const TRADITIONAL: Record<string, string> = { 违: "違", 词: "詞", 赌: "賭", 园: "園", 贷: "貸" };
const LIKE: Record<string, string> = { a: "а", c: "с", e: "е", i: "і", o: "о", s: "ѕ", p: "р" };
const LEET: Record<string, string> = { i: "1", o: "0", e: "3", s: "5" };
const fullWidth = (letter: string): string =>
  /^[a-z]$/i.test(letter) ? String.fromCodePoint((letter.codePointAt(0) as number) + 0xfee0) : letter;

const disguises: ((letter: string) => string)[] = [
  (letter) => letter,
  (letter) => letter.toUpperCase(),
  fullWidth,
  (letter) => TRADITIONAL[letter] ?? letter,
  (letter) => LIKE[letter] ?? letter,
  (letter) => `${letter}\u200b`,
  (letter) => (isChinese(letter) ? letter : `${letter}\u0336`),
];
/** What stands between all letters of a word, that of a phrase left out. */
const between = fc.constantFrom("", " ", ".", "-", "*", "★", "\u200b", " _ ");

const disguised = fc
  .tuple(
    fc.constantFrom(...WORDS),
    between,
    fc.array(fc.nat(), { minLength: 12, maxLength: 12 }),
    fc.boolean(),
  )
  .map(([word, separator, choices, leet]) => {
    const letters = Array.from(word.replace(" ", ""));
    const changed = letters.map((letter, i) => {
      const choice = disguises[(choices[i] as number) % disguises.length] as (letter: string) => string;
      // One digit is enough; all of them would be a number.
      return leet && i === 1 ? (LEET[letter] ?? choice(letter)) : choice(letter);
    });
    return changed.join(separator);
  });

/** A border stands around, so that the word is one, and no two Chinese words are cut. */
const around = (before: string, word: string, after: string): string => `${before} (${word}) ${after}`;

test("any word with any disguise in any text is caught", () => {
  fc.assert(
    fc.property(innocent, disguised, innocent, (before, word, after) => {
      expect(blocking.check(around(before, word, after)).action).toBe("block");
    }),
    { numRuns: 2_000 },
  );
});

test("a text without a word passes, as it is", () => {
  fc.assert(
    fc.property(innocent, (text) => {
      expect(blocking.check(text)).toEqual({ action: null, masked: text });
    }),
    { numRuns: 2_000 },
  );
});

test("a mask has a star for each character, and changes nothing else", () => {
  fc.assert(
    fc.property(innocent, disguised, innocent, (before, word, after) => {
      const text = around(before, word, after);
      const { action, masked } = masking.check(text);
      expect(action).toBe("mask");
      expect(Array.from(masked)).toHaveLength(Array.from(text).length);
      expect(masked.normalize("NFC").length).toBeLessThanOrEqual(text.length);
      expect(masking.check(masked).action).toBeNull();
      expect(masked.startsWith(`${before} (`) && masked.endsWith(`) ${after}`)).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});

test("whatever the text is, it is looked at and well formed", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
      const { masked } = masking.check(text);
      expect(Array.from(masked)).toHaveLength(Array.from(text).length);
    }),
    { numRuns: 2_000 },
  );
});

test("words are one by what they are compared by", () => {
  expect(normalize("Bad－WORD")).toBe(normalize("bad word"));
  expect(normalize("賭 博")).toBe(normalize("赌博"));
  expect(normalize("！？ 😀")).toBe("");
});

describe("actions", () => {
  const of = (...words: [string, ListedWord["action"]][]): WordFilter =>
    new WordFilter(words.map(([word, action]) => ({ word, action })));

  test("the strongest counts, and masks are made whatever it is", () => {
    const filter = of(["one", "mask"], ["two", "hold"], ["three", "block"]);
    expect(filter.check("one")).toEqual({ action: "mask", masked: "***" });
    expect(filter.check("one two")).toEqual({ action: "hold", masked: "*** two" });
    expect(filter.check("one two three").action).toBe("block");
    expect(filter.check("none")).toEqual({ action: null, masked: "none" });
  });

  test("a phrase exempts the words inside it, not those that reach out of it", () => {
    const filter = of(
      ["city", "block"],
      ["forbidden", "block"],
      ["city walls", "hold"],
      ["forbidden city", "allow"],
    );
    expect(filter.check("The Forbidden City").action).toBeNull();
    expect(filter.check("The Forbidden City, a city").action).toBe("block");
    expect(filter.check("The Forbidden City Walls").action).toBe("hold");
    expect(filter.check("forbidden forbidden city").action).toBe("block");
  });

  test("masks that overlap are one", () => {
    expect(of(["甲乙", "mask"], ["乙丙丁", "mask"]).check("见甲乙丙丁。").masked).toBe("见****。");
  });
});

describe("borders", () => {
  test("an English word that is also pinyin is one, unless it is written by syllables or with tones", () => {
    const filter = filterOf("block", ["妈的"]);
    for (const text of ["made", "Made in", "MADE"]) expect(filter.check(text).action).toBeNull();
    for (const text of ["ma de", "mā de", "māde", "妈de", "ma的"])
      expect(filter.check(text).action).toBe("block");
  });

  test("pinyin is by whole syllables", () => {
    const filter = filterOf("block", ["赌博"]);
    for (const text of ["dubo", "du bo", "赌bo", "du博"]) expect(filter.check(text).action).toBe("block");
    for (const text of ["dubon", "adubo", "d ubo", "赌bon", "adu博"])
      expect(filter.check(text).action).toBeNull();
  });

  test("digits beside a word of four letters or more do not hide it", () => {
    const filter = filterOf("block", ["forbidden", "ass"]);
    expect(filter.check("forbidden123").action).toBe("block");
    expect(filter.check("123forbidden").action).toBe("block");
    expect(filter.check("ass101").action).toBeNull();
    expect(filter.check("forbidden1st").action).toBeNull();
  });
});

describe("time", () => {
  test("built in slices it is the same filter, and others get their turn", async () => {
    let turns = 0;
    const words = Array.from({ length: 5_000 }, (_, i): ListedWord => ({ word: `词${i}语`, action: "mask" }));
    const filter = await WordFilter.build(words, async () => void turns++);
    expect(turns).toBeGreaterThan(10);
    expect(filter.check("词4999语")).toEqual(new WordFilter(words).check("词4999语"));
  });

  test("what is written to take long does not", () => {
    const filter = new WordFilter([
      { word: "a".repeat(100), action: "mask" },
      { word: "口交", action: "mask" },
      { word: "b", action: "mask" },
      { word: "甲".repeat(100), action: "mask" },
    ]);
    const texts = ["a", "a ", "路口交通", "b ", "甲", "傻b", "$", "1", "\u0301", "😀", "i "];
    for (const text of texts) {
      const long = text.repeat(Math.ceil(50_000 / text.length));
      expect(Array.from(filter.check(long).masked)).toHaveLength(Array.from(long).length);
    }
  });
});
