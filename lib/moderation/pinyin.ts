/** Chinese words as they are spelled in pinyin. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { pinyin } from "pinyin-pro";

/** Characters that are read in more than one way often enough to ask what stands beside them. */
const SEVERAL_READINGS = new Set(
  Array.from(
    "行重长乐会调传得地都还觉弹种数朝藏曾差场参乘处单当倒斗恶发费佛给更冠号哈好和合华划几假间将降教角结解尽卡看可壳空累量露率绿落埋没秘模难宁炮屏便强切亲曲塞散色扇少舍省盛石识似宿提挑吐为系吓相削校血咽要叶一应熨炸扎占涨折着正只中转钻作大的",
    (each) => each.codePointAt(0) as number,
  ),
);
/** Characters that are read lü and nü, which is written with a v on keyboards. */
const V_READINGS = new Set(
  Array.from("吕侣旅履律率绿氯滤铝屡缕驴女", (each) => each.codePointAt(0) as number),
);
/** Fewer letters are too many other words. */
const FEWEST = 4;
const CHINESE = /^\p{Script=Han}$/u;

/** English words that are also two syllables or more: alone, and written as one, they are English. */
const ENGLISH = new Set(
  readFileSync(path.join(import.meta.dirname, "data/english-pinyin.txt"), "utf8")
    .split("\n")
    .filter(Boolean),
);

const SYLLABLES = readFileSync(path.join(import.meta.dirname, "data/syllables.txt"), "utf8")
  .trim()
  .split("\n");
const ALL_SYLLABLES = new RegExp(`^(?:${SYLLABLES.join("|")})+$`);

/** By code point; "" for a character that has none. */
const readings = Array.from<string | undefined>({ length: 0x10000 }).fill(undefined);

/** The syllable of a character by itself, without tone; "" for one that has none. */
export function syllableOf(code: number): string {
  if (code > 0xffff) return "";
  const known = readings[code];
  if (known !== undefined) return known;
  learn([code]);
  return readings[code] ?? "";
}

/** Learns the syllables of many characters at once, which is much faster than one by one. */
export function learn(codes: Iterable<number>): void {
  const unknown = [...new Set(codes)].filter((code) => code <= 0xffff && readings[code] === undefined);
  const chinese = unknown.map((code) => String.fromCodePoint(code)).filter((each) => CHINESE.test(each));
  for (const code of unknown) readings[code] = "";
  const read = pinyin(chinese.join(" "), { toneType: "none", type: "array" }).filter((each) => each !== " ");
  if (read.length !== chinese.length) return;
  for (const [index, character] of chinese.entries())
    readings[character.codePointAt(0) as number] = plain(read[index] as string);
}

/** Whether letters could be a part of a word that is spelled in pinyin. */
export function isPinyin(letters: string): boolean {
  return letters.length === 1 || ALL_SYLLABLES.test(letters) || (/\d/.test(letters) && /[a-z]/.test(letters));
}

/**
 * The ways to spell a Chinese word, each as its syllables: by its characters, and as a whole where that is another.
 * None for a word that is not all Chinese, or that is too short.
 */
export function spellingsOf(codes: ArrayLike<number>): string[][] {
  const { length } = codes;
  if (length < 2) return [];
  const single: string[] = [];
  let several = false;
  let hasV = false;
  for (let i = 0; i < length; i++) {
    const syllable = syllableOf(codes[i] as number);
    if (syllable === "") return [];
    single.push(syllable);
    hasV ||= V_READINGS.has(codes[i] as number);
    several ||= SEVERAL_READINGS.has(codes[i] as number);
  }
  const found = [single];
  if (several) {
    const word = String.fromCodePoint(...Array.from(codes));
    const whole = pinyin(word, { toneType: "none", type: "array" }).map(plain);
    if (whole.length === single.length && whole.join(" ") !== single.join(" ")) found.push(whole);
  }
  if (hasV)
    for (const syllables of found.slice())
      found.push(syllables.map((each) => each.replace(/^([ln])u$/, "$1v")));
  return found.filter((syllables) => syllables.join("").length >= FEWEST);
}

/** Whether a spelling, written as one, is an English word. */
export function isEnglish(letters: string): boolean {
  return ENGLISH.has(letters);
}

/** As accents are folded: ü is u. */
function plain(syllable: string): string {
  return syllable
    .replaceAll("ü", "u")
    .normalize("NFKD")
    .replace(/[^a-z]/g, "");
}
