import { pinyin } from "pinyin-pro";
import { fold } from "./fold.ts";
import { type Token, tokens } from "./tokens.ts";

/** What is pronounced as one: a Chinese character, or a whole word of another script. */
export interface Unit {
  /** Its pinyin without tone, or the word itself. */
  text: string;
  kind: Token["kind"];
  /** Offsets in the folded text. */
  start: number;
  end: number;
}

/** ü is written v or u on keyboards: lü, lv and lu, nü, nv and nu become one. Keeps the length. */
function spell(text: string): string {
  return text.replace(/(?<=[ln])v/g, "u");
}

function unitsOfRun(token: Token): Unit[] {
  const characters = Array.from(token.text);
  let spoken = pinyin(token.text, { toneType: "none", type: "array" });
  if (spoken.length !== characters.length) {
    spoken = characters.map((character) => pinyin(character, { toneType: "none" }));
  }
  let start = token.start;
  return characters.map((character, i) => {
    const unit: Unit = { text: fold(spoken[i]!), kind: "run", start, end: start + character.length };
    start = unit.end;
    return unit;
  });
}

export function unitsOf(found: Token[]): Unit[] {
  return found.flatMap((token) =>
    token.kind === "run"
      ? unitsOfRun(token)
      : [
          {
            text: spell(token.text),
            kind: token.kind,
            start: token.start,
            end: token.start + token.text.length,
          },
        ],
  );
}

/** Folded text in pinyin, without spaces; words as they are. */
export function soundOf(folded: string): string {
  return unitsOf(tokens(folded))
    .map((unit) => unit.text)
    .join("");
}

const MAX_READINGS = 6;

/** The ways to read two characters together, the likeliest first. */
export function readings(first: string, second: string): string[] {
  const each = [first, second].map((character) =>
    pinyin(character, { toneType: "none", type: "array", multiple: true }),
  );
  const all = each[0]!.flatMap((a) => each[1]!.map((b) => fold(a + b)));
  return [...new Set([soundOf(first + second), ...all])].slice(0, MAX_READINGS);
}

/** How a name and the tags after it are pronounced, laid out for scanning: one look at a string per document. */
export interface Sound {
  /** All units of the name, then for each tag a line feed and its units. */
  text: string;
  /** Beside each letter of `text` "1" where a unit begins, else "0"; a last "1" at the end. */
  marks: string;
  /** The first letter of each unit of `text`; of words, a tab: initials are for Chinese. */
  initials: string;
  /** The first letters of the name's units, words too. */
  acronym: string;
  /** Length of the name within `text`. */
  nameEnd: number;
  /** The letters of `text`, a bit each, to rule most documents out at once. */
  letters: number;
}

const LINE: Unit = { text: "\n", kind: "run", start: 0, end: 0 };

/** A set of the letters a–z as bits; other characters are left out. */
export function lettersOf(text: string): number {
  let letters = 0;
  for (let i = 0; i < text.length; i++) {
    const letter = text.charCodeAt(i) - 97;
    if (letter >= 0 && letter < 26) letters |= 1 << letter;
  }
  return letters;
}

export function soundsOf(name: Token[], tags: Token[][]): Sound {
  const named = unitsOf(name);
  const all = [...named, ...tags.flatMap((tag) => [LINE, ...unitsOf(tag)])];
  const text = all.map((unit) => unit.text).join("");
  return {
    text,
    marks: all.map((unit) => "1".padEnd(unit.text.length, "0")).join("") + "1",
    initials: all.map((unit) => (unit.kind === "run" ? unit.text[0] : "\t")).join(""),
    acronym: named.map((unit) => unit.text[0]).join(""),
    nameEnd: named.reduce((length, unit) => length + unit.text.length, 0),
    letters: lettersOf(text),
  };
}

/** Offset in `sound.text` where `spelled` stands from the beginning of a unit (the last unit may be cut); -1 if nowhere. */
export function findSpelled(sound: Sound, spelled: string): number {
  let at = sound.text.indexOf(spelled);
  while (at >= 0 && sound.marks[at] === "0") at = sound.text.indexOf(spelled, at + 1);
  return at;
}

/** Whether `spelled` are initials: of neighbouring Chinese characters, of the whole name, or three or more that begin it. */
export function hasInitials(sound: Sound, spelled: string): "name" | "tag" | null {
  if (spelled.length < 2) return sound.acronym === spelled ? "name" : null;
  if (sound.acronym.startsWith(spelled) && (spelled.length > 2 || sound.acronym.length === 2)) return "name";
  const at = sound.initials.indexOf(spelled);
  if (at < 0) return null;
  return at < sound.acronym.length ? "name" : "tag";
}
