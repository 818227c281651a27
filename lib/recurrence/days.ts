/** Civil days, as numbers since 1970-01-01. Months count from 1, weekdays from Monday = 0. */

export const DAY = 86_400_000;

/** By a name of its own, since tests run where each look at a global costs a hundred times as much. */
export const { floor } = Math;

export interface Civil {
  year: number;
  month: number;
  day: number;
}

const BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

/** Days of an era of 400 years, after which the calendar repeats. */
export const ERA = 146_097;

/** https://howardhinnant.github.io/date_algorithms.html#civil_from_days */
export function civilOf(number: number): Civil {
  const shifted = number + 719_468;
  const era = floor(shifted / ERA);
  const ofEra = shifted - era * ERA;
  const years = floor((ofEra - floor(ofEra / 1460) + floor(ofEra / 36_524) - floor(ofEra / 146_096)) / 365);
  const ofYear = ofEra - (365 * years + floor(years / 4) - floor(years / 100));
  const march = floor((5 * ofYear + 2) / 153);
  const day = ofYear - floor((153 * march + 2) / 5) + 1;
  const month = march < 10 ? march + 3 : march - 9;
  return { year: years + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

export function isLeap(year: number): boolean {
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
}

/** Of January 1. */
export function firstOfYear(year: number): number {
  const past = year - 1;
  return past * 365 + floor(past / 4) - floor(past / 100) + floor(past / 400) - 719_162;
}

/** Of the first of `month`, which may be 13. */
export function firstOfMonth(year: number, month: number): number {
  return firstOfYear(year) + (BEFORE_MONTH[month - 1] as number) + (month > 2 && isLeap(year) ? 1 : 0);
}

export function weekdayOf(number: number): number {
  return modulo(number + 3, 7);
}

export function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}
