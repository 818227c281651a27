/**
 * What characters stand for, by table: full width, case, accents, traditional forms and look-alikes are one letter; what
 * may stand between the characters of a word (spaces, punctuation, symbols, what nobody sees) is none.
 */
import { createRequire } from "node:module";
import { Converter } from "opencc-js/t2cn";
import { PLAIN } from "../search/fold.ts";

/** Of a character that may stand between those of a word. */
export const NONE = 0;
/** Of a character that stands for several, or lies beyond the first plane. */
export const SPECIAL = 0xffff;

/** Unicode's own list of confusable characters (UTS #39), as the package has it. */
const CONFUSABLES = createRequire(import.meta.url)("unhomoglyph/data.json") as Record<string, string>;

/** Letters with which no decomposition of Unicode helps. */
const LETTERS: Record<string, string> = {
  ...PLAIN,
  ƒ: "f",
  // Small capitals.
  ...Object.fromEntries(
    Array.from("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", (each, i) => [each, "abcdefghijklmnoprstuvwyz"[i] as string]),
  ),
};

/** Signs behind a word, though they are made of letters. */
const SIGNS = "™℠";

/** Letters that digits and symbols stand for. The first is the one that they share a class with. */
const STANDS_FOR: Record<string, string> = {
  "0": "o",
  "1": "il",
  "2": "z",
  "3": "e",
  "4": "a",
  "5": "s",
  "6": "g",
  "7": "t",
  "8": "b",
  "9": "g",
  "@": "a",
  $: "s",
  "!": "i",
  "|": "il",
  "+": "t",
  "€": "e",
  "£": "l",
};

/** Symbols that stand between letters, or for one. */
const SYMBOLS = "@$!|+€£";

/** Emoji letters: 🄰 🅐 🅰 🇦. */
const LETTER_BLOCKS = [0x1f130, 0x1f150, 0x1f170, 0x1f1e6];

/** Scripts without spaces between words: a word is found anywhere. */
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u;
const SEEN = /[\p{L}\p{N}]/u;
const UNSEEN = /[\p{M}\p{Cf}\p{Default_Ignorable_Code_Point}]/u;
const SPACE = /[\s\p{Z}\p{Cc}]/u;

/** Of a UTF-16 unit, in {@link flags}; `spaced` is set beside them for a text that has a letter of a script with spaces. */
export const FLAGS = {
  letter: 1,
  invisible: 2,
  blank: 4,
  chinese: 8,
  digit: 16,
  symbol: 32,
  spaced: 64,
} as const;

export const letters = new Uint16Array(0x10000);
export const flags = new Uint8Array(0x10000);
export const several = new Map<number, number[]>();
const known = new Map<number, number[]>();

const classes = Uint16Array.from({ length: 0x10000 }, (_, unit) => unit);

fillTables();

function fillTables(): void {
  const simplified = simplifiedForms();
  for (let unit = 0; unit < 0x10000; unit++) {
    if (unit >= 0xac00 && unit <= 0xd7a3) letters[unit] = unit;
    else if (unit >= 0xd800 && unit <= 0xdfff) letters[unit] = SPECIAL;
    else fill(unit, simplified);
    flags[unit] = flagsOf(unit);
  }
  classes[charCode("l")] = charCode("i");
  for (const [sign, stood] of Object.entries(STANDS_FOR))
    classes[charCode(sign)] = classes[charCode(stood)] as number;
}

function charCode(character: string): number {
  return character.charCodeAt(0);
}

function fill(unit: number, simplified: Map<string, string>): void {
  const character = String.fromCharCode(unit);
  const found = unitsOf(character, simplified);
  if (found.length > 1) {
    letters[unit] = SPECIAL;
    several.set(unit, found);
  } else letters[unit] = found[0] ?? NONE;
}

function flagsOf(unit: number): number {
  if (unit >= 0xd800 && unit <= 0xdfff) return 0;
  const character = String.fromCharCode(unit);
  if (UNSEEN.test(character)) return FLAGS.invisible;
  if (SPACE.test(character)) return FLAGS.blank;
  if (!SEEN.test(character)) return SYMBOLS.includes(character) ? FLAGS.symbol : 0;
  const digit = unit >= 48 && unit <= 57 ? FLAGS.digit : 0;
  return FLAGS.letter | digit | (UNSPACED.test(character) ? FLAGS.chinese : 0);
}

/** Of all characters in one conversion: one by one would take seconds. */
function simplifiedForms(): Map<string, string> {
  const all: string[] = [];
  for (let code = 0x3400; code <= 0x9fff; code++) all.push(String.fromCharCode(code));
  const forms = Converter({ from: "t", to: "cn" })(all.join("\n")).split("\n");
  return new Map(
    all.flatMap((each, index) => (forms[index] === each ? [] : [[each, forms[index] as string]])),
  );
}

/** The letters that a character stands for; none for what only stands between them. */
function unitsOf(character: string, simplified?: Map<string, string>): number[] {
  if (SIGNS.includes(character)) return [];
  const plain = letterOf(character) ?? latinOf(character.toLowerCase()) ?? character.normalize("NFKD");
  const units: number[] = [];
  for (const each of plain) {
    if (UNSEEN.test(each) || !SEEN.test(each)) continue;
    const lower = each.toLowerCase();
    const base = LETTERS[lower] ?? latinOf(lower) ?? simplified?.get(lower) ?? lower;
    for (const one of base.normalize("NFKD").toLowerCase())
      if (SEEN.test(one) && !UNSEEN.test(one)) units.push(one.codePointAt(0) as number);
  }
  return units;
}

/** The Latin letter that another script's looks like, in either case. */
function latinOf(lower: string): string | null {
  if (lower.length === 1 && lower.charCodeAt(0) < 0x80) return null;
  for (const form of [lower, lower.toUpperCase()]) {
    const like = CONFUSABLES[form];
    if (like && /^[a-z]$/i.test(like)) return like.toLowerCase();
  }
  return null;
}

function letterOf(character: string): string | null {
  const code = character.codePointAt(0) as number;
  const block = LETTER_BLOCKS.find((start) => code >= start && code < start + 26);
  return block === undefined ? null : String.fromCharCode(97 + code - block);
}

/** The letters of a character beyond the first plane. */
export function beyond(code: number): number[] {
  let found = known.get(code);
  if (!found) {
    found = unitsOf(String.fromCodePoint(code));
    if (known.size < 10_000) known.set(code, found);
  }
  return found;
}

/** The class in which a letter is looked up: look-alikes within Latin share one, {@link isSame} tells them apart. */
export function classOf(letter: number): number {
  return letter > 0xffff ? letter : (classes[letter] as number);
}

/** Whether a letter of a text is one of a word, or stands for it. */
export function isSame(inText: number, inWord: number): boolean {
  return inText === inWord || standsFor(inText, inWord) || standsFor(inWord, inText);
}

function standsFor(symbol: number, letter: number): boolean {
  if (symbol > 0x20ac || letter > 122) return false;
  return STANDS_FOR[String.fromCharCode(symbol)]?.includes(String.fromCharCode(letter)) === true;
}

/** Whether it is a digit. */
export function isDigit(unit: number): boolean {
  return unit >= 48 && unit <= 57;
}

/** Whether a letter belongs to a script without spaces between words. */
export function isChinese(letter: number): boolean {
  return letter > 0xffff
    ? UNSPACED.test(String.fromCodePoint(letter))
    : ((flags[letter] as number) & FLAGS.chinese) !== 0;
}

/** Whether a character of a text belongs to a script without spaces between words. */
export function isChineseAt(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xd800 && unit <= 0xdbff
    ? UNSPACED.test(String.fromCodePoint(text.codePointAt(at) as number))
    : ((flags[unit] as number) & FLAGS.chinese) > 0;
}
