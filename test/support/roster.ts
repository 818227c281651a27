/** What tests of rosters have in common. */
import type { Store, Terms } from "../../services/activities/records.ts";
import { RosterBook } from "../../services/activities/roster-book.ts";
import type { RosterChanges } from "../../services/activities/roster-book.ts";

const HOUR = 3_600_000;

/** Terms of an occurrence that begins in half an hour and ends in an hour; sign-up is open. */
export function newTerms(more: Partial<Terms> = {}): Terms {
  const now = Date.now();
  return {
    revision: 1,
    startsAt: now + HOUR / 2,
    endsAt: now + HOUR,
    location: "",
    capacity: null,
    waitlist: false,
    opensAt: 0,
    closesAt: now + HOUR / 2,
    membersOnly: false,
    cancelled: false,
    reason: null,
    dissolved: false,
    ...more,
  };
}

/** Books without the fence, on one store: a commit does not look which version it follows. For negative controls. */
export function unfenced(store: Store): typeof RosterBook {
  return class extends RosterBook {
    override async commit(id: string, version: number, changes: RosterChanges): Promise<boolean> {
      const { matched } = await store.rosters.updateOne(
        { _id: id },
        { $set: { ...changes, version: version + 1, pending: changes.journal.length > 0 } },
      );
      return matched === 1;
    }
    override async isAt(): Promise<boolean> {
      return true;
    }
  };
}
