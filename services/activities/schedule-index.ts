/**
 * The published activities in memory, for windows of the calendar. Nothing is expanded ahead: a page asks each series for
 * its next occurrence and takes the earliest until it is full, so that memory does not grow with windows, and a change
 * costs nothing but its own activity.
 */
import { nextOccurrence, occurrences, spanOf } from "../../lib/recurrence.ts";
import type { Occurrence, Schedule } from "../../lib/recurrence.ts";

export interface Scheduled extends Schedule {
  id: string;
  clubId: string;
  version: number;
  status: "published" | "cancelled";
  /** Original starts of occurrences that were cancelled one by one. */
  cancelled: number[];
}

/** A place in the order of pages. */
export interface SchedulePlace {
  startsAt: number;
  id: string;
  occurrence: number;
}

export interface ScheduleWindow {
  from: number;
  to: number;
  clubId?: string;
  /** The last item of the page before. */
  after?: SchedulePlace | null;
  limit: number;
}

export interface ScheduleItem<S extends Scheduled> {
  activity: S;
  occurrence: Occurrence;
  cancelled: boolean;
}

/** Nothing lasts longer (lib/recurrence.ts refuses it). */
const LONGEST = 31 * 86_400_000;

interface Row<S extends Scheduled> {
  activity: S;
  first: number;
  last: number;
  /** What the last question found first: also the answer to every question from `since` until its end. */
  known: { since: number; next: Occurrence | null } | null;
}

/** Of all activities, or of one club's. Single ones are in order of start and id. */
interface Shelf<S extends Scheduled> {
  singles: Row<S>[];
  series: Set<Row<S>>;
}

/** The next item of a series, or of the single ones, and what comes after it. */
interface Head<S extends Scheduled> {
  item: ScheduleItem<S>;
  rest: Iterator<ScheduleItem<S>>;
}

const newShelf = <S extends Scheduled>(): Shelf<S> => ({ singles: [], series: new Set() });

export class ScheduleIndex<S extends Scheduled> {
  readonly #rows = new Map<string, Row<S>>();
  readonly #all = newShelf<S>();
  readonly #clubs = new Map<string, Shelf<S>>();

  get size(): number {
    return this.#rows.size;
  }

  /** Takes a new or changed activity, which must not change afterwards; an older version is ignored. */
  put(activity: S): void {
    const before = this.#rows.get(activity.id);
    if (before && before.activity.version > activity.version) return;
    const { first, last } = spanOf(activity);
    if (before) this.remove(activity.id);
    const row: Row<S> = { activity, first, last: last ?? Infinity, known: null };
    this.#rows.set(activity.id, row);
    for (const shelf of [this.#all, this.#shelfOf(activity.clubId)]) shelve(shelf, row);
  }

  remove(id: string): void {
    const row = this.#rows.get(id);
    if (!row) return;
    this.#rows.delete(id);
    const { clubId } = row.activity;
    const shelf = this.#shelfOf(clubId);
    for (const each of [this.#all, shelf]) unshelve(each, row);
    if (shelf.singles.length + shelf.series.size === 0) this.#clubs.delete(clubId);
  }

  /** Occurrences that overlap [from, to) in order of start, activity id and original start, after the place. */
  page(window: ScheduleWindow): ScheduleItem<S>[] {
    const shelf = window.clubId === undefined ? this.#all : this.#clubs.get(window.clubId);
    const items: ScheduleItem<S>[] = [];
    const heads = shelf ? headsOf(shelf, window) : [];
    for (let head = heads[0]; head && items.length < window.limit; head = heads[0]) {
      items.push(head.item);
      advance(heads, head);
    }
    return items;
  }

  #shelfOf(clubId: string): Shelf<S> {
    const shelf = this.#clubs.get(clubId) ?? newShelf<S>();
    this.#clubs.set(clubId, shelf);
    return shelf;
  }
}

function shelve<S extends Scheduled>({ singles, series }: Shelf<S>, row: Row<S>): void {
  if (row.activity.recurrence) series.add(row);
  else singles.splice(placeOf(singles, row.first, row.activity.id), 0, row);
}

function unshelve<S extends Scheduled>({ singles, series }: Shelf<S>, row: Row<S>): void {
  if (row.activity.recurrence) series.delete(row);
  else singles.splice(placeOf(singles, row.first, row.activity.id), 1);
}

/** The index of the first single one that is not before this start and id. */
function placeOf<S extends Scheduled>(singles: Row<S>[], start: number, id: string): number {
  let [low, high] = [0, singles.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const row = singles[middle] as Row<S>;
    if (row.first < start || (row.first === start && row.activity.id < id)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A heap: the earliest is the first. */
function headsOf<S extends Scheduled>({ singles, series }: Shelf<S>, window: ScheduleWindow): Head<S>[] {
  const heads: Head<S>[] = [];
  const add = (rest: Iterator<ScheduleItem<S>>): void => {
    const { done, value } = rest.next();
    if (!done) heads.push({ item: value, rest });
  };
  add(singlesIn(singles, window));
  for (const row of series) if (mayBeIn(row, window)) add(seriesIn(row, window));
  for (let index = (heads.length >> 1) - 1; index >= 0; index -= 1) sink(heads, index);
  return heads;
}

/** Most series have nothing in a short window, which they mostly know without looking. */
function mayBeIn<S extends Scheduled>(row: Row<S>, { from, to }: ScheduleWindow): boolean {
  if (row.first >= to || row.last <= from) return false;
  const next = nextOf(row, from);
  return next !== null && next.startsAt < to;
}

function nextOf<S extends Scheduled>(row: Row<S>, from: number): Occurrence | null {
  const { known } = row;
  if (known && known.since <= from && (known.next === null || known.next.endsAt > from)) return known.next;
  const next = nextOccurrence(row.activity, from);
  row.known = { since: from, next };
  return next;
}

function* seriesIn<S extends Scheduled>(row: Row<S>, window: ScheduleWindow): Generator<ScheduleItem<S>> {
  const { from, to, after } = window;
  const next = nextOf(row, from);
  const known = next !== null && isAfter(next, row.activity, after);
  if (known) yield itemOf(row.activity, next);
  for (const each of occurrences(row.activity, from, to, after?.startsAt))
    if (!(known && each.occurrence === next.occurrence) && isAfter(each, row.activity, after))
      yield itemOf(row.activity, each);
}

function* singlesIn<S extends Scheduled>(rows: Row<S>[], window: ScheduleWindow): Generator<ScheduleItem<S>> {
  const { from, to, after } = window;
  let index = placeOf(rows, Math.max(from - LONGEST, after?.startsAt ?? -Infinity), "");
  for (let row = rows[index]; row && row.first < to; row = rows[index]) {
    for (const each of occurrences(row.activity, from, to))
      if (isAfter(each, row.activity, after)) yield itemOf(row.activity, each);
    index += 1;
  }
}

function isAfter(
  { startsAt, occurrence }: Occurrence,
  { id }: Scheduled,
  place?: SchedulePlace | null,
): boolean {
  return !place || compare({ startsAt, id, occurrence }, place) > 0;
}

function itemOf<S extends Scheduled>(activity: S, occurrence: Occurrence): ScheduleItem<S> {
  const { status, cancelled } = activity;
  return {
    activity,
    occurrence,
    cancelled: status === "cancelled" || cancelled.includes(occurrence.occurrence),
  };
}

function compare(one: SchedulePlace, other: SchedulePlace): number {
  if (one.startsAt !== other.startsAt) return one.startsAt - other.startsAt;
  if (one.id !== other.id) return one.id < other.id ? -1 : 1;
  return one.occurrence - other.occurrence;
}

function comesBefore<S extends Scheduled>({ item: one }: Head<S>, { item: other }: Head<S>): boolean {
  return compare(placeOfItem(one), placeOfItem(other)) < 0;
}

function placeOfItem<S extends Scheduled>({ activity: { id }, occurrence }: ScheduleItem<S>): SchedulePlace {
  return { startsAt: occurrence.startsAt, id, occurrence: occurrence.occurrence };
}

/** Moves the first head on to its next item, or takes it off. */
function advance<S extends Scheduled>(heads: Head<S>[], head: Head<S>): void {
  const { done, value } = head.rest.next();
  if (!done) head.item = value;
  const last = done ? heads.pop() : head;
  if (last && heads.length > 0) {
    heads[0] = last;
    sink(heads, 0);
  }
}

function sink<S extends Scheduled>(heads: Head<S>[], from: number): void {
  const head = heads[from] as Head<S>;
  let index = from;
  for (;;) {
    let child = 2 * index + 1;
    const [left, right] = [heads[child], heads[child + 1]];
    if (!left) break;
    if (right && comesBefore(right, left)) child += 1;
    const least = heads[child] as Head<S>;
    if (!comesBefore(least, head)) break;
    heads[index] = least;
    index = child;
  }
  heads[index] = head;
}
