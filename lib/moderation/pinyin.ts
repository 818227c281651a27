/** Chinese words as they are spelled in pinyin. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { pinyin } from "pinyin-pro";

/** Characters that are read in more than one way often enough to ask what stands beside them. */
const SEVERAL_READINGS = new Set(
  "行重长乐会调传得地都还觉弹种数朝藏曾差场参乘处单当倒斗恶发费佛给更冠号哈好和合华划几假间将降教角结解尽卡看可壳空累量露率绿落埋没秘模难宁炮屏便强切亲曲塞散色扇少舍省盛石识似宿提挑吐为系吓相削校血咽要叶一应熨炸扎占涨折着正只中转钻作大的",
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

const readings = new Map<string, string>();

/** The syllable of a character by itself, without tone; null for one that has none. */
export function syllableOf(character: string): string | null {
  let known = readings.get(character);
  if (known === undefined) {
    known = CHINESE.test(character)
      ? plain(pinyin(character, { toneType: "none", type: "array" })[0] ?? "")
      : "";
    readings.set(character, known);
  }
  return known || null;
}

/** Learns the syllables of many characters at once, which is much faster than one by one. */
export function learn(characters: Iterable<string>): void {
  const unknown = [...new Set(characters)].filter((each) => !readings.has(each) && CHINESE.test(each));
  const read = pinyin(unknown.join(" "), { toneType: "none", type: "array" }).filter((each) => each !== " ");
  if (read.length !== unknown.length) return;
  for (const [index, character] of unknown.entries()) readings.set(character, plain(read[index] as string));
}

/**
 * The ways to spell a Chinese word, each as its syllables: by its characters, and as a whole where that is another.
 * None for a word that is not all Chinese, or that is too short.
 */
export function spellingsOf(word: string): string[][] {
  const characters = Array.from(word);
  if (characters.length < 2) return [];
  const single: string[] = [];
  for (const each of characters) {
    const syllable = syllableOf(each);
    if (syllable === null) return [];
    single.push(syllable);
  }
  const found = [single];
  if (characters.some((each) => SEVERAL_READINGS.has(each))) {
    const whole = pinyin(word, { toneType: "none", type: "array" }).map(plain);
    if (whole.length === single.length && whole.join(" ") !== single.join(" ")) found.push(whole);
  }
  for (const syllables of found.slice())
    if (syllables.some((each) => /^[ln]u$/.test(each)) && /[吕侣旅履律率绿氯滤铝屡缕驴女]/.test(word))
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
