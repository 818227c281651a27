/**
 * Every activity that was published, in the memory of each node: the calendar and the lists are read from it. Before
 * each reading it takes over what has changed in the store since.
 */
import type { Logger, ServiceBroker } from "moleculer";
import type { Mixin } from "../../lib/implement.ts";
import { Fresh } from "../../lib/fresh.ts";
import type { Occurrence } from "../../lib/recurrence.ts";
import { occurrencesBetween, spanOf } from "../../lib/recurrence.ts";
import { fold } from "../../lib/search/fold.ts";
import type { Answer } from "../../lib/declare.ts";
import type { Query } from "../../lib/documents.ts";
import { patiently } from "../../mixins/patiently.ts";
import type { KeepingMethods } from "./keeping.ts";
import type { ActivityDocument, Store } from "./records.ts";
import { scheduleOf } from "./records.ts";
import { ScheduleIndex } from "./schedule-index.ts";
import type { Scheduled } from "./schedule-index.ts";

/** Clocks of nodes may differ by so much, and a write may take so long to be seen (milliseconds). */
const LOOKBACK = 10_000;
const PAGE = 1_000;
const END = Number.MAX_SAFE_INTEGER;
/** What is kept of an activity. */
const FIELDS = [
  "clubId",
  "title",
  "startsAt",
  "endsAt",
  "timezone",
  "location",
  "recurrence",
  "originalStart",
  "cancelledOccurrences",
  "status",
  "version",
  "updatedAt",
  "publishedAt",
] as const;
type Kept = Pick<ActivityDocument, (typeof FIELDS)[number] | "_id">;

export interface Listed extends Scheduled {
  title: string;
  location: string;
  /** The title as it is searched in. */
  folded: string;
  /** When all of it has ended; null: never. */
  last: number | null;
}

export interface Filter {
  from?: number | undefined;
  to?: number | undefined;
  clubId?: string | undefined;
  q?: string | undefined;
  status?: Answer<"activities.get">["status"] | undefined;
  /** Those with smaller ids. */
  before: string | null;
  limit: number;
}

export interface DirectoryMethods {
  /** Takes over a change of this node's own at once. */
  learn(activity: ActivityDocument): void;
  /** Ids, the newest first. */
  find(filter: Filter): Promise<string[]>;
  page(
    window: Parameters<ScheduleIndex<Listed>["page"]>[0],
  ): Promise<{ activity: Listed; occurrence: Occurrence; cancelled: boolean }[]>;
}

class Directory {
  readonly #store: Store;
  readonly #index = new ScheduleIndex<Listed>();
  readonly #all = new Map<string, Listed>();
  readonly #catchingUp = new Fresh<"all", void>(() => this.#catchUp());
  #newest: string[] | null = null;
  #seen = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  upToDate(): Promise<void> {
    return this.#catchingUp.get("all");
  }

  put(kept: Kept): void {
    if (kept.publishedAt === null || kept.status === "draft") return;
    const known = this.#all.get(kept._id);
    if (known && known.version >= kept.version) return;
    const listed = listedOf(kept, kept.status);
    this.#all.set(listed.id, listed);
    this.#index.put(listed);
    if (!known) this.#newest = null;
  }

  find({ from = 0, to = END, clubId, q, status, before, limit }: Filter, now: number): string[] {
    const anytime = from === 0 && to === END;
    this.#newest ??= [...this.#all.keys()].toSorted().toReversed();
    const wanted = q === undefined ? null : fold(q);
    const found: string[] = [];
    for (const id of this.#newest) {
      const listed = this.#all.get(id) as Listed;
      if (before !== null && id >= before) continue;
      if (clubId !== undefined && listed.clubId !== clubId) continue;
      if (wanted !== null && !listed.folded.includes(wanted)) continue;
      if (status !== undefined && statusAt(listed, now) !== status) continue;
      if (!anytime && occurrencesBetween(listed, from, to, 1).length === 0) continue;
      if (found.push(id) === limit) break;
    }
    return found;
  }

  page(window: Parameters<ScheduleIndex<Listed>["page"]>[0]) {
    return this.#index.page(window);
  }

  async #catchUp(): Promise<void> {
    let query: Query<ActivityDocument> = { updatedAt: { $gt: this.#seen - LOOKBACK } };
    for (;;) {
      const page: Kept[] = await this.#store.activities.find(query, {
        sort: { updatedAt: 1, _id: 1 },
        limit: PAGE,
        projection: FIELDS,
      });
      for (const kept of page) this.put(kept);
      const last = page.at(-1);
      if (last) this.#seen = Math.max(this.#seen, last.updatedAt);
      if (page.length < PAGE || !last) return;
      const { updatedAt, _id } = last;
      query = { $or: [{ updatedAt: { $gt: updatedAt } }, { updatedAt, _id: { $gt: _id } }] };
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

function listedOf(kept: Kept, status: "published" | "cancelled"): Listed {
  const { _id: id, clubId, version, title, location, cancelledOccurrences } = kept;
  const cancelled = cancelledOccurrences.map(({ occurrence }) => occurrence);
  const schedule = scheduleOf(kept);
  return {
    ...schedule,
    last: spanOf(schedule).last,
    id,
    clubId,
    version,
    status,
    cancelled,
    title,
    location,
    folded: fold(title),
  };
}

function statusAt(listed: Listed, now: number): "published" | "cancelled" | "finished" {
  if (listed.status === "cancelled") return "cancelled";
  return listed.last !== null && listed.last <= now ? "finished" : "published";
}

type Self = DirectoryMethods &
  KeepingMethods & { broker: ServiceBroker; name: string; logger: Logger; directory: Directory };

/** Services of one node share one. */
const shared = new WeakMap<ServiceBroker, Directory>();

/** Needs the keeping mixin behind it: what stands last in a list starts first. */
export function directory(): Mixin<DirectoryMethods> {
  const mixin = {
    async started(this: Self) {
      this.directory = shared.get(this.broker) ?? new Directory(this.store);
      shared.set(this.broker, this.directory);
      await patiently(this, () => this.directory.upToDate());
    },
    async stopped(this: Self) {
      shared.delete(this.broker);
    },
    methods: {
      learn(this: Self, activity: ActivityDocument): void {
        this.directory.put(activity);
      },
      async find(this: Self, filter: Filter): Promise<string[]> {
        await this.directory.upToDate();
        return this.directory.find(filter, Date.now());
      },
      async page(this: Self, window: Parameters<Directory["page"]>[0]) {
        await this.directory.upToDate();
        return this.directory.page(window);
      },
    },
  };
  return mixin as unknown as Mixin<DirectoryMethods>;
}
