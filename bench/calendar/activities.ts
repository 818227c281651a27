/** 10,000 activities as a federation has them: 60 % single, the rest weekly, monthly and daily, in five zones. */
import { occurrencesBetween } from "../../lib/recurrence.ts";
import type { Recurrence, Schedule } from "../../lib/recurrence.ts";
import type { Scheduled } from "../../services/activities/schedule-index.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ZONES = ["Asia/Shanghai", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia"];
const RULES = [
  "FREQ=WEEKLY;BYDAY=TU",
  "FREQ=WEEKLY;BYDAY=MO,WE,FR",
  "FREQ=WEEKLY;INTERVAL=2;BYDAY=SA;COUNT=16",
  "FREQ=WEEKLY;BYDAY=TH;UNTIL=20270701",
  "FREQ=MONTHLY;BYDAY=1FR",
  "FREQ=MONTHLY;BYMONTHDAY=15,-1",
  "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
  "FREQ=DAILY",
  "FREQ=DAILY;INTERVAL=3;COUNT=100",
  "FREQ=YEARLY;BYMONTH=9;BYDAY=1MO",
];

/** The start of the year that activities begin in. */
export const YEAR = Date.UTC(2026, 0, 1);

const at = <T>(items: readonly T[], index: number): T => items[index % items.length] as T;

export function activity(number: number, version = 1): Scheduled {
  // Spread by a multiplier that is prime to what it is taken modulo of.
  const startsAt = YEAR + ((number * 7919) % (365 * 24 * 4)) * (HOUR / 4);
  const plain: Schedule = {
    startsAt,
    endsAt: startsAt + (1 + (number % 4)) * HOUR,
    timezone: at(ZONES, number),
    recurrence:
      number % 10 < 6 ? null : { rrule: at(RULES, Math.floor(number / 10)), exdates: [], overrides: [] },
  };
  return {
    ...plain,
    recurrence: plain.recurrence && withExceptions(plain, plain.recurrence.rrule),
    id: `0199${String(number).padStart(8, "0")}`,
    clubId: `club-${number % 500}`,
    version,
    status: number % 50 === 0 ? "cancelled" : "published",
    cancelled: [],
  };
}

function withExceptions(plain: Schedule, rrule: string): Recurrence {
  const [, exdate, moved] = occurrencesBetween(plain, -Infinity, Infinity, 3);
  return {
    rrule,
    exdates: exdate ? [exdate.occurrence] : [],
    overrides: moved
      ? [{ occurrence: moved.occurrence, startsAt: moved.startsAt + DAY, location: "Hall" }]
      : [],
  };
}
