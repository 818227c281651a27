/** When reminders of far activities are due. */
import type { ActivityDocument } from "../../services/activities/records.ts";
import { nextReminder } from "../../services/activities/reminding.ts";

const DAY = 86_400_000;
const PUBLISHED = Date.UTC(2026, 0, 1);

test.each([1, 390, 410, 3_650])("a single activity in %i days is reminded of an hour before", (days) => {
  const startsAt = PUBLISHED + days * DAY;
  const activity = {
    status: "published",
    reminders: [60],
    remindedUntil: PUBLISHED,
    startsAt,
    endsAt: startsAt + 3_600_000,
    timezone: "Asia/Shanghai",
    recurrence: null,
    overrides: [],
    cancelledOccurrences: [],
  } as unknown as ActivityDocument;
  expect(nextReminder(activity)).toBe(startsAt - 3_600_000);
});
