/** Whether a Chinese word only seems to be there: its characters end one word of the text and begin the next. */
import type { Folded } from "./folded.ts";
import { isMarkedOff } from "./folded.ts";
import { isChineseAt } from "./fold.ts";

/** Characters on either side that are enough to know the words. */
const AROUND = 6;
/** So often it is asked in one text, which takes time; whoever writes more of them means them. */
const MOST_DOUBTS = 200;
/** A separator that people write between sentences and their parts, once. */
const NATURAL = /^[\s，。！？；：、,.!?;:"'“”‘’（）()《》…]{1,3}$/u;

const segmenter = new Intl.Segmenter("zh", { granularity: "word" });

/**
 * As the 口交 of 路口交通 does: both ends are within words of the text that go on outside. Where a comma or a blank parts
 * its characters one end is enough. By the dictionary of ICU, which is part of Node.
 */
export function isAcross(folded: Folded, first: number, last: number): boolean {
  const { text, at } = folded;
  const start = at[first] as number;
  const end = (at[last] as number) + ((text.codePointAt(at[last] as number) as number) > 0xffff ? 2 : 1);
  const parted = partedBy(folded, first, last);
  if (parted === null) return false;
  const goesBefore = start > 0 && isChineseAt(text, start - 1);
  const goesAfter = end < text.length && isChineseAt(text, end);
  if (parted === "" ? !(goesBefore && goesAfter) : !(goesBefore || goesAfter)) return false;
  if (++folded.doubts > MOST_DOUBTS) return false;
  const from = Math.max(0, start - AROUND);
  const borders = new Set<number>();
  for (const { index } of segmenter.segment(text.slice(from, end + AROUND))) borders.add(from + index);
  let within = false;
  for (let i = start + 1; i < end; i++) within ||= borders.has(i);
  const cutBefore = goesBefore && !borders.has(start);
  const cutAfter = goesAfter && !borders.has(end);
  return within && (parted === "" ? cutBefore && cutAfter : cutBefore || cutAfter);
}

/** What parts the characters, "" for nothing; null for what nobody writes but to disguise a word. */
function partedBy(folded: Folded, first: number, last: number): string | null {
  const { text, at } = folded;
  let found = "";
  for (let i = first + 1; i <= last; i++) {
    if (!isMarkedOff(folded, i - 1, i)) {
      if ((at[i] as number) - (at[i - 1] as number) > 1) return null;
      continue;
    }
    if (found !== "") return null;
    found = text.slice((at[i - 1] as number) + 1, at[i]);
    if (!NATURAL.test(found)) return null;
  }
  return found;
}
