import { toCsv } from "../../lib/csv.ts";
import { AppError, invalid } from "../../lib/errors.ts";
import type { Answer, Envelope, Params } from "../../lib/declare.ts";
import { implement, respond } from "../../lib/implement.ts";
import type { Ctx, Mixin } from "../../lib/implement.ts";
import { iso } from "../../lib/types.ts";
import { database } from "../../mixins/database.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { sweeper } from "../../mixins/sweeper.ts";
import { clubPeriod, mostActive } from "./statistics-of-clubs.ts";
import { count, lockGenerations } from "./statistics-counting.ts";
import { Groups } from "./statistics-groups.ts";
import { factsOf } from "./statistics-messages.ts";
import type { Facts } from "./statistics-messages.ts";
import { defaultFrom, periodOf } from "./statistics-periods.ts";
import type { Period } from "./statistics-periods.ts";
import { liveGeneration, rateOf, readPeriod, seriesOf, totalsOf } from "./statistics-reading.ts";
import type { Reading } from "./statistics-reading.ts";
import { begin, lastRebuild, Rebuilder } from "./statistics-rebuild.ts";
import { METRICS, statistics } from "./statistics.contract.ts";
import type { Metric } from "./statistics.contract.ts";

/** Of a metric. */
const MOST_POINTS = 2_000;
/** Facts that are counted in one transaction. */
const AT_ONCE = 1_000;
/** Milliseconds. */
const SWEEP = 2_000;
const LATEST = Date.UTC(2200, 0);

type Asked = Params<"statistics.get">;

interface Methods {
  groups: Groups<Facts>;
  rebuilder: Rebuilder;
  read(asked: Asked): Promise<{ generation: number; period: Period; reading: Reading }>;
  mostActive(ctx: Ctx<Params<"statistics.clubs">>): Promise<Answer<"statistics.clubs">>;
}

const own: Mixin<Methods> = {};

export default implement(statistics, {
  mixins: [database("admin"), sweeper(), own],
  methods: {
    async read(asked: Asked) {
      const now = Date.now();
      const metrics = metricsOf(asked.metric);
      const timezone = runtimeOf(this.broker).live.get("campus.timezone");
      const period = wantedPeriod(asked, timezone, now);
      const generation = await liveGeneration(this.db.primary);
      return { generation, period, reading: await readPeriod(this.db, generation, period, metrics, now) };
    },
    async mostActive(ctx: Ctx<Params<"statistics.clubs">>) {
      const now = Date.now();
      const timezone = runtimeOf(this.broker).live.get("campus.timezone");
      const to = timeOf(ctx.params.to, "to") ?? now;
      const from = timeOf(ctx.params.from, "from") ?? defaultFrom("day", timezone, to);
      if (to <= from) throw invalid({ field: "to", code: "NOT_AFTER_FROM" });
      const period = clubPeriod(from, to);
      const items = await mostActive(ctx, this.db.primary, period, ctx.params.limit ?? 20);
      return { from: iso(period.from), to: iso(period.to), items, nextCursor: null };
    },
  },
  actions: {
    async get(ctx) {
      const { generation, period, reading } = await this.read(ctx.params);
      const { borders, unit, timezone } = period;
      return {
        totals: await totalsOf(this.db.primary, generation),
        attendance: { ...reading.attendance, rate: rateOf(reading.attendance) },
        from: iso(borders[0] as number),
        to: iso(borders.at(-1) as number),
        bucket: unit,
        timezone,
        series: seriesOf(period, reading),
      };
    },
    async csv(ctx) {
      const { period, reading } = await this.read(ctx.params);
      const columns = [...reading.series.values()];
      const rows = period.borders
        .slice(0, -1)
        .map((at, i) => [iso(at), ...columns.map((values) => values[i] ?? null)]);
      respond(ctx, { headers: { "Content-Disposition": 'attachment; filename="statistics.csv"' } });
      return toCsv(["at", ...reading.series.keys()], rows);
    },
    async clubs(ctx) {
      return this.mostActive(ctx);
    },
    async clubsCsv(ctx) {
      const { items } = await this.mostActive(ctx);
      respond(ctx, { headers: { "Content-Disposition": 'attachment; filename="clubs.csv"' } });
      const heading = ["id", "name", "score", "activities", "applications", "signUps", "checkIns", "posts"];
      const rows = items.map(({ club: { id, name }, ...counts }) => [
        id,
        name,
        counts.score,
        counts.activities,
        counts.applications,
        counts.signUps,
        counts.checkIns,
        counts.posts,
      ]);
      return toCsv(heading, rows);
    },
    async rebuild(ctx) {
      const rebuild = await this.change(ctx, async (tx) => ({ rebuild: await begin(tx) }));
      void this.rebuilder.work().catch(() => undefined);
      return rebuild;
    },
    async rebuilding() {
      const last = await lastRebuild(this.db);
      if (!last) throw new AppError("NOT_FOUND");
      return last;
    },
    async beginRebuild() {
      const rebuild = await this.db.transaction((tx) => begin(tx));
      void this.rebuilder.work().catch(() => undefined);
      return rebuild;
    },
    async onMessage(ctx) {
      const facts = factsOf(ctx.params as Envelope);
      if (facts.facts.length + facts.rosters.length > 0) await this.groups.add(facts, facts.facts.length);
    },
  },
  async started() {
    this.groups = new Groups<Facts>(async (group) => {
      const all = {
        facts: group.flatMap(({ facts }) => facts),
        rosters: group.flatMap(({ rosters }) => rosters),
      };
      await this.db.transaction(async (tx) => {
        for (const { id } of await lockGenerations(tx)) await count(tx, id, all);
      });
    }, AT_ONCE);
    this.rebuilder = new Rebuilder(this.broker, this.db);
    this.every(SWEEP, () => this.rebuilder.work());
  },
  async stopped() {
    this.rebuilder?.stop();
  },
});

/** @throws 422 for what is no metric */
function metricsOf(asked: readonly string[] | undefined): readonly Metric[] {
  const named = (asked ?? []).flatMap((each) => each.split(",")).map((each) => each.trim());
  if (named.length === 0) return METRICS;
  const known: readonly string[] = METRICS;
  if (named.some((each) => !known.includes(each)))
    throw invalid({ field: "metric", code: "NOT_ALLOWED", values: { allowed: METRICS.join(", ") } });
  return METRICS.filter((metric) => named.includes(metric));
}

/** @throws 422 where it ends before it begins, or has too many points */
function wantedPeriod({ from, to, bucket: unit = "day" }: Asked, timezone: string, now: number): Period {
  const until = timeOf(to, "to") ?? now;
  const since = timeOf(from, "from") ?? defaultFrom(unit, timezone, until);
  if (until <= since) throw invalid({ field: "to", code: "NOT_AFTER_FROM" });
  const period = periodOf(unit, timezone, since, until, MOST_POINTS);
  if (!period) throw invalid({ field: "to", code: "TOO_MANY_POINTS", values: { limit: MOST_POINTS } });
  return period;
}

/** Milliseconds. @throws 422 */
function timeOf(text: string | undefined, field: string): number | null {
  if (text === undefined) return null;
  const at = Date.parse(text);
  if (Number.isFinite(at) && at >= 0 && at < LATEST) return at;
  throw invalid({ field, code: "INVALID_FORMAT" });
}
