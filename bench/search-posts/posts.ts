/** Posts that look like Chinese: words of OpenCC's dictionary by Zipf's law, among words that hold sentences together. */
import { createRequire } from "node:module";
import { plainOf } from "../../lib/search/plain.ts";
import { soundOf } from "../../lib/search/sound.ts";
import type { PostRecord } from "../../services/posts/posts.contract.ts";

// The package has types for its converters alone.
const { default: phrases } = createRequire(import.meta.url)("opencc-js/dict/STPhrases") as {
  default: string;
};

const COMMON =
  "的 了 是 在 我们 和 有 你 这个 不 就 都 也 很 到 说 要 去 会 着 没有 看 好 自己 大家 可以 今天 一起 活动 同学 社团 时间 学校 参加 报名 老师 比赛 图书馆 周末 晚上 欢迎".split(
    " ",
  );
const ENGLISH =
  "Python AI club meeting workshop C++ deadline Zoom PPT project online campus volunteer robotics debate music".split(
    " ",
  );
const MARKS = ["，", "，", "。", "！", "\n\n", "**", "、", "\n- "];
const START = Date.UTC(2025, 0, 1);
const SPAN = 600 * 86_400_000;

export const CLUBS = 500;
export const TAGS = 200;

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function vocabulary(): string[] {
  const words = phrases
    .split("|")
    .flatMap((pair) => pair.split(" ")[0] ?? [])
    .filter((word) => /^\p{Script=Han}{2,4}$/u.test(word));
  const roll = dice(7);
  return words
    .map((word) => ({ word, place: roll() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ word }) => word);
}

const WORDS = vocabulary();
/** So many words are about as common as the commonest. */
const FLAT = 100;

/** By the law of Zipf and Mandelbrot: the commonest of them are in one of ten posts, most in a few. */
function content(roll: () => number): string {
  return WORDS[Math.floor(FLAT * ((1 + WORDS.length / FLAT) ** roll() - 1))] ?? "";
}

function word(roll: () => number): string {
  const kind = roll();
  if (kind < 0.35) return COMMON[Math.floor(roll() ** 2 * COMMON.length)] ?? "";
  if (kind < 0.37) return ` ${ENGLISH[Math.floor(roll() * ENGLISH.length)] ?? ""} `;
  return content(roll);
}

function text(roll: () => number, length: number, mark: number): string {
  let made = "";
  while (made.length < length) {
    made += word(roll);
    if (roll() < mark) made += MARKS[Math.floor(roll() * MARKS.length)] ?? "";
  }
  return made.slice(0, length).trim();
}

const between = (roll: () => number, from: number, to: number): number =>
  from + Math.floor(roll() * (to - from + 1));
export const tagOf = (number: number): string => WORDS[2000 + number] ?? "";

/** The post of this number: always the same one. */
export function post(number: number): PostRecord {
  const roll = dice(number * 2_654_435_761);
  const createdAt = START + Math.floor(roll() * SPAN);
  const id = `0199${number.toString(16).padStart(12, "0")}`;
  return {
    id,
    clubId: roll() < 0.3 ? null : `club-${between(roll, 1, CLUBS)}`,
    authorId: "somebody",
    title: text(roll, between(roll, 5, 30), 0),
    body: text(roll, between(roll, 50, 400), 0.15),
    tags: Array.from({ length: between(roll, 0, 3) }, () => tagOf(Math.floor(TAGS ** roll()) - 1)),
    fileIds: [],
    status: "published",
    shown: true,
    likeCount: 0,
    version: 1,
    createdAt: new Date(createdAt).toISOString(),
  };
}

/** Posts in pages, as posts.page answers them. */
export async function* pagesOf(count: number, size: number): AsyncGenerator<PostRecord[]> {
  for (let from = 0; from < count; from += size)
    yield Array.from({ length: Math.min(size, count - from) }, (_, i) => post(from + i));
}

const piece = (of: string, roll: () => number, length: number): string => {
  const start = Math.floor(roll() * Math.max(1, of.length - length));
  return of.slice(start, start + length);
};

/** What people type: pieces of titles and texts, two of them, pinyin, a single character, English; some within a club or a tag. */
export function question(
  number: number,
  count: number,
): { q: string; clubId: string | null; tag: string | null } {
  const roll = dice(number * 40_503 + 1);
  const { title, body, clubId, tags } = post(Math.floor(roll() * count));
  const chinese = plainOf(body).replace(/[^\p{Script=Han}]+/gu, "");
  const named = title.replace(/[^\p{Script=Han}]+/gu, "");
  const kind = roll();
  const q =
    kind < 0.35
      ? piece(named, roll, between(roll, 2, 4))
      : kind < 0.6
        ? piece(chinese, roll, 2)
        : kind < 0.7
          ? content(roll)
          : kind < 0.8
            ? `${piece(named, roll, 2)} ${piece(chinese, roll, 2)}`
            : kind < 0.88
              ? soundOf(piece(named, roll, between(roll, 2, 4)))
              : kind < 0.92
                ? piece(chinese, roll, 1)
                : kind < 0.96
                  ? (ENGLISH[Math.floor(roll() * ENGLISH.length)] ?? "")
                  : named;
  const within = roll();
  return {
    q: q || "社团",
    clubId: within < 0.1 ? clubId : null,
    tag: within > 0.9 ? (tags[0] ?? null) : null,
  };
}
