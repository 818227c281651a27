import { fold, type FoldedText, foldWithPositions } from "./fold.ts";
import type { AnalyzedQuery, Clause } from "./query.ts";
import { type Unit, unitsOf } from "./sound.ts";
import { type Token, tokens } from "./tokens.ts";
import { HEARD } from "./syllables.ts";
import { allowedTypos, Misspelling, typosBetween } from "./typos.ts";

/** From (included) to (excluded), as offsets. */
type Range = [from: number, to: number];

/** A longer field is shown as a fragment of at most so many UTF-16 units, unless it is told otherwise. */
const FRAGMENT = 200;
/** How much of the text before the first match a fragment shows. */
const BEFORE = 30;
/** Long texts are looked through in parts of so many UTF-16 units, only as far as the first that matches. */
const PART = 4000;
/** More than the longest word of a query. */
const OVERLAP = 120;

const ESCAPES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character]!);
}

/** Tells how much of a word answers a clause; remembers, as texts repeat their words. */
function answersWord({ text, open }: Clause, typos: boolean): (word: string) => number {
  const max = typos ? allowedTypos(text.length) : 0;
  const known = new Map<string, number>();
  return (word) => {
    if (open ? word.startsWith(text) : word === text) return text.length;
    if (max === 0) return 0;
    let length = known.get(word);
    if (length === undefined) {
      length = typosBetween(text, word, max) <= max ? word.length : 0;
      known.set(word, length);
    }
    return length;
  };
}

function writtenRanges(text: string, found: Token[], query: AnalyzedQuery, typos: boolean): Range[] {
  const ranges: Range[] = [];
  for (const clause of query.clauses) {
    if (clause.kind !== "word") {
      for (let at = text.indexOf(clause.text); at >= 0; at = text.indexOf(clause.text, at + 1)) {
        ranges.push([at, at + clause.text.length]);
      }
      continue;
    }
    const answers = answersWord(clause, typos);
    for (const token of found) {
      if (token.kind !== "word") continue;
      const length = answers(token.text);
      if (length > 0) ranges.push([token.start, token.start + length]);
    }
  }
  return ranges;
}

/** The units laid out for scanning, with the unit to which each letter belongs. */
interface Spelling {
  units: Unit[];
  text: string;
  marks: string;
  owner: number[];
}

/** The characters behind the letters from–to; of a word only those letters. */
function charactersBehind(spelling: Spelling, from: number, to: number): Range[] {
  const first = spelling.owner[from]!;
  const last = spelling.owner[to - 1]!;
  let letters = from;
  return spelling.units.slice(first, last + 1).map((unit) => {
    const end = unit.kind === "run" ? unit.end : Math.min(unit.end, unit.start + to - letters);
    letters += unit.text.length;
    return [unit.start, end];
  });
}

function spelledRanges(spelling: Spelling, wanted: string, partial: boolean, isName: boolean): Range[] {
  const { text, marks } = spelling;
  const ranges: Range[] = [];
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
    // As in matching: a single letter counts at the very beginning of a name only.
    const begins = marks[at] === "1" && (wanted.length > 1 || (isName && at === 0));
    const end = at + wanted.length;
    if (begins && (partial || marks[end] === "1")) ranges.push(...charactersBehind(spelling, at, end));
  }
  return ranges;
}

function initialRanges(units: Unit[], wanted: string, isName: boolean): Range[] {
  const firsts = units.map((unit) => unit.text[0]).join("");
  const chinese = units.map((unit) => (unit.kind === "run" ? unit.text[0] : "\t")).join("");
  const ranges: Range[] = [];
  const markUnits = (at: number): void => {
    for (const unit of units.slice(at, at + wanted.length)) {
      ranges.push([unit.start, unit.kind === "run" ? unit.end : unit.start + 1]);
    }
  };
  const acronym =
    isName && firsts.startsWith(wanted) && (wanted.length > 2 || firsts.length === wanted.length);
  if (acronym) markUnits(0);
  if (wanted.length < 2) return ranges;
  for (let at = chinese.indexOf(wanted); at >= 0; at = chinese.indexOf(wanted, at + 1)) markUnits(at);
  return ranges;
}

function pronouncedRanges(
  units: Unit[],
  query: AnalyzedQuery,
  { pronounced, typos }: HighlightOptions,
): Range[] {
  const isName = pronounced === "name";
  const spelling: Spelling = {
    units,
    text: units.map((unit) => unit.text).join(""),
    marks: units.map((unit) => "1".padEnd(unit.text.length, "0")).join("") + "1",
    owner: units.flatMap((unit, i) => Array<number>(unit.text.length).fill(i)),
  };
  const ranges: Range[] = [];
  const homophones = query.words ? [] : [query.sound];
  const spellings = new Set(query.words ? [query.sound] : []);
  for (const clause of query.clauses) {
    if (clause.kind === "word") spellings.add(clause.sounds[0]!);
    else homophones.push(...clause.sounds);
  }
  for (const sound of spellings) {
    // As in matching: so few letters sound like too many titles.
    if (pronounced === "title" && sound.length < HEARD) continue;
    const initials = pronounced === "title" ? [] : initialRanges(units, sound, isName);
    const found = [...spelledRanges(spelling, sound, true, isName), ...initials];
    const max = typos && found.length === 0 ? allowedTypos(sound.length) : 0;
    const near = max > 0 ? new Misspelling(sound, max).rangeIn(spelling.text, spelling.marks, true) : null;
    ranges.push(...found, ...(near === null ? [] : charactersBehind(spelling, ...near)));
  }
  if (typos) for (const sound of homophones) ranges.push(...spelledRanges(spelling, sound, false, isName));
  return ranges;
}

/** From offsets in folded text to offsets in its source: in order, without overlaps. */
function sourceRanges(source: string, folded: FoldedText, ranges: Range[]): Range[] {
  const merged: Range[] = [];
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const last = folded.at[to - 1]!;
    const character = source.codePointAt(last)! > 0xffff ? 2 : 1;
    const start = folded.at[from]!;
    // What was folded to nothing (combining marks) stays with the character before it.
    const end = Math.max(folded.at[to]!, last + character);
    const previous = merged.at(-1);
    if (previous !== undefined && start <= previous[1]) previous[1] = Math.max(previous[1], end);
    else merged.push([start, end]);
  }
  return merged;
}

/** The start of the range after which the most ranges follow within `room`; of equal ones the first. */
function densest(ranges: Range[], room: number): number {
  let best = 0;
  let most = 0;
  let end = 0;
  ranges.forEach(([from], i) => {
    while (end < ranges.length && ranges[end]![1] <= from + room) end += 1;
    if (end - i > most) {
      most = end - i;
      best = i;
    }
  });
  return ranges[best]![0];
}

/** Whether a cut at this offset would part a surrogate pair. */
function splitsCharacter(source: string, at: number): boolean {
  return /^[\udc00-\udfff]/.test(source.slice(at, at + 1));
}

/** The part of a long text in which the most matches stand; surrogate pairs stay whole. */
function fragmentOf(source: string, ranges: Range[], size: number): Range {
  if (source.length <= size) return [0, source.length];
  const best = densest(ranges, size - BEFORE);
  let start = Math.max(0, Math.min(best - BEFORE, source.length - size));
  // Not from the middle of a word, where that can be helped.
  const space = start === 0 ? -1 : source.slice(start, best).search(/[\s\p{P}]/u);
  if (space >= 0) start += space + 1;
  let end = Math.min(source.length, start + size);
  if (splitsCharacter(source, start)) start += 1;
  if (splitsCharacter(source, end)) end -= 1;
  return [start, end];
}

function mark(source: string, ranges: Range[], size: number): string {
  const [start, end] = fragmentOf(source, ranges, size);
  let html = "";
  let done = start;
  for (const range of ranges) {
    const from = Math.max(range[0], start);
    const to = Math.min(range[1], end);
    if (from >= to) continue;
    html += `${escapeHtml(source.slice(done, from))}<em>${escapeHtml(source.slice(from, to))}</em>`;
    done = to;
  }
  return html + escapeHtml(source.slice(done, end));
}

export interface HighlightOptions {
  /** What the field is, where it also matches by pinyin; a title does not by initials. */
  pronounced: "name" | "tags" | "title" | null;
  /** The query was taken loosely. */
  typos: boolean;
  /** Length of a fragment. */
  fragment?: number;
}

/**
 * Shows where a field answers a query: its text as escaped HTML (of a long one a fragment) with `<em>` around what
 * matched. `null` where nothing did.
 */
export function highlight(source: string, query: AnalyzedQuery, options: HighlightOptions): string | null {
  for (let start = 0, end = 0; end < source.length; start = nextStart(source, end)) {
    end = Math.min(source.length, start + PART);
    if (splitsCharacter(source, end)) end -= 1;
    const part = source.slice(start, end);
    const ranges = rangesIn(part, query, options);
    if (ranges.length > 0) return mark(part, ranges, options.fragment ?? FRAGMENT);
  }
  return null;
}

function rangesIn(source: string, query: AnalyzedQuery, options: HighlightOptions): Range[] {
  const guessed = options.pronounced !== null || options.typos;
  // Most parts of long texts end here.
  if (!guessed) {
    const text = fold(source);
    if (!query.clauses.some((clause) => text.includes(clause.text))) return [];
  }
  // Folding again is cheaper than keeping the positions of everything in memory.
  const folded = foldWithPositions(source);
  const found = tokens(folded.text);
  const ranges = writtenRanges(folded.text, found, query, options.typos);
  if (options.pronounced !== null) {
    for (const part of options.pronounced === "tags" ? byTag(folded.text, found) : [found]) {
      ranges.push(...pronouncedRanges(unitsOf(part), query, options));
    }
  }
  return sourceRanges(source, folded, ranges);
}

/** Tags are shown with ", " between them, and what is pronounced as one does not go on from one to the next. */
function byTag(text: string, found: Token[]): Token[][] {
  const tags: Token[][] = [];
  let end = 0;
  for (const token of found) {
    const tag = tags.at(-1);
    if (tag === undefined || text.slice(end, token.start).includes(", ")) tags.push([token]);
    else tag.push(token);
    end = token.start + token.text.length;
  }
  return tags;
}

/** Where the next part begins: a little before the end of the last one, at a word, so that none is cut in both. */
function nextStart(source: string, end: number): number {
  const start = end - OVERLAP;
  const gap = source.slice(start, end).search(/[\s\p{P}]/u);
  if (gap >= 0) return start + gap + 1;
  return splitsCharacter(source, start) ? start + 1 : start;
}
