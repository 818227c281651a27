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

/** The next occurrence of an activity that is not on the page yet. */
interface Head<S extends Scheduled> {
  activity: S;
  occurrence: Occurrence;
  /** What comes after it, once that was asked. */
  rest: Iterator<Occurrence> | null;
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
      items.push(itemOf(head));
      advance(heads, head, window);
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
function headsOf<S extends Scheduled>(shelf: Shelf<S>, window: ScheduleWindow): Head<S>[] {
  const all = singlesIn(shelf.singles, window);
  for (const row of shelf.series) {
    const head = row.first < window.to && row.last > window.from ? headOf(row, window) : null;
    if (head) all.push(head);
  }
  const heads = earliest(all, window.limit);
  for (let index = (heads.length >> 1) - 1; index >= 0; index -= 1) sink(heads, index);
  return heads;
}

/** Of the others none comes to its turn before the page is full. */
function earliest<S extends Scheduled>(heads: Head<S>[], limit: number): Head<S>[] {
  if (heads.length <= limit) return heads;
  const starts = Float64Array.from(heads, ({ occurrence }) => occurrence.startsAt).toSorted();
  const last = starts[limit - 1] as number;
  return heads.filter(({ occurrence }) => occurrence.startsAt <= last);
}

/** No more than fit on the page. */
function singlesIn<S extends Scheduled>(rows: Row<S>[], window: ScheduleWindow): Head<S>[] {
  const { from, to, after, limit } = window;
  const heads: Head<S>[] = [];
  let index = placeOf(rows, Math.max(from - LONGEST, after?.startsAt ?? -Infinity), "");
  for (let row = rows[index]; row && row.first < to && heads.length < limit; row = rows[index]) {
    const head = row.last > from ? headOf(row, window) : null;
    if (head) heads.push(head);
    index += 1;
  }
  return heads;
}

function headOf<S extends Scheduled>(row: Row<S>, window: ScheduleWindow): Head<S> | null {
  const { activity } = row;
  const next = nextOf(row, window.from);
  if (next === null || next.startsAt >= window.to) return null;
  const { after } = window;
  if (!after || isAfter(next, activity, after)) return { activity, occurrence: next, rest: null };
  const rest = following(activity, window, after);
  const { done, value } = rest.next();
  return done ? null : { activity, occurrence: value, rest };
}

/** Most series have nothing in a short window, which they mostly know without looking. */
function nextOf<S extends Scheduled>(row: Row<S>, from: number): Occurrence | null {
  const { known } = row;
  if (known && known.since <= from && (known.next === null || known.next.endsAt > from)) return known.next;
  const next = nextOccurrence(row.activity, from);
  row.known = { since: from, next };
  return next;
}

function* following(
  activity: Scheduled,
  { from, to }: ScheduleWindow,
  place: SchedulePlace,
): Generator<Occurrence, void, undefined> {
  for (const each of occurrences(activity, from, to, place.startsAt))
    if (isAfter(each, activity, place)) yield each;
}

function isAfter({ startsAt, occurrence }: Occurrence, { id }: Scheduled, place: SchedulePlace): boolean {
  if (startsAt !== place.startsAt) return startsAt > place.startsAt;
  return id === place.id ? occurrence > place.occurrence : id > place.id;
}

function placeAt<S extends Scheduled>({ activity: { id }, occurrence }: Head<S>): SchedulePlace {
  return { startsAt: occurrence.startsAt, id, occurrence: occurrence.occurrence };
}

function itemOf<S extends Scheduled>({ activity, occurrence }: Head<S>): ScheduleItem<S> {
  const { status, cancelled } = activity;
  return {
    activity,
    occurrence,
    cancelled: status === "cancelled" || cancelled.includes(occurrence.occurrence),
  };
}

/** Moves the first head on to its next occurrence, or takes it off. */
function advance<S extends Scheduled>(heads: Head<S>[], head: Head<S>, window: ScheduleWindow): void {
  head.rest ??= following(head.activity, window, placeAt(head));
  const { done, value } = head.rest.next();
  if (!done) head.occurrence = value;
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

function comesBefore<S extends Scheduled>(one: Head<S>, other: Head<S>): boolean {
  if (one.occurrence.startsAt !== other.occurrence.startsAt)
    return one.occurrence.startsAt < other.occurrence.startsAt;
  return isAfter(other.occurrence, other.activity, placeAt(one));
}
