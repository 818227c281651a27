/** The admin domain beside clubs and search, with stand-ins that refuse, hang or are away when a test says so. */
import type { ServiceSchema } from "moleculer";
import { AppError } from "../../lib/errors.ts";
import type { DatabaseMethods } from "../../mixins/database.ts";
import { startOffice } from "./admin.ts";
import type { Office } from "./admin.ts";
import { eventually } from "./eventually.ts";

export interface Neighbourhood {
  /** Consumers that refuse what they are told. */
  refusing: Set<string>;
  /** Reviews does not answer. */
  reviewsAway: boolean;
  /** Runs when a review task is opened, before the answer. */
  onOpen: () => Promise<void>;
  /** Messages that the consumer of reviews has taken. */
  taken: string[];
  /** Steps whose review task is there, and those that were taken back. */
  opened: Set<string>;
  undone: Set<string>;
}

interface Asked {
  params: { id: string; sagaStep: string };
}

export function neighbourhood(): Neighbourhood {
  return {
    refusing: new Set(),
    reviewsAway: false,
    onOpen: async () => undefined,
    taken: [],
    opened: new Set(),
    undone: new Set(),
  };
}

export async function startSystem(world: Neighbourhood): Promise<Office> {
  const services = standIns(world);
  return startOffice({ domains: ["clubs", "search"], services });
}

function standIns(world: Neighbourhood): ServiceSchema[] {
  const here = (): void => {
    if (world.reviewsAway) throw new AppError("UNAVAILABLE", { retryAfter: 2 });
  };
  const hear = (consumer: string) => () => {
    if (world.refusing.has(consumer)) throw new AppError("CLUB_NOT_ACTIVE");
  };
  return [
    {
      name: "reviews",
      actions: {
        async open({ params }: Asked) {
          here();
          await world.onOpen();
          if (world.undone.has(params.sagaStep)) return { opened: false };
          world.opened.add(params.sagaStep);
          return { opened: true };
        },
        undoOpen({ params }: Asked) {
          here();
          world.undone.add(params.sagaStep);
          world.opened.delete(params.sagaStep);
        },
        onClubChanged({ params }: Asked) {
          hear("reviews.onClubChanged")();
          world.taken.push(params.id);
        },
        onUserErased: hear("reviews.onUserErased"),
      },
    },
    {
      name: "applications",
      actions: {
        onClubChanged: hear("applications.onClubChanged"),
        onUserErased: hear("applications.onUserErased"),
      },
    },
    { name: "notifications", actions: { onMessage: hear("notifications.onMessage") } },
    {
      name: "posts",
      actions: { onClubChanged: hear("posts.onClubChanged"), page: () => ({ posts: [], next: null }) },
    },
  ];
}

/** A service's database, and a nudge to the relay of its outbox, sparing the test the waits between tries. */
export function outboxOf(office: Office, service: "usersQueue" | "clubsQueue") {
  const { db, relay } = office.broker.getLocalService(service) as unknown as DatabaseMethods;
  return {
    db,
    async tryAgain(): Promise<void> {
      await db.primary.run("UPDATE outbox SET due_at = 0 WHERE published_at IS NULL");
      relay.nudge();
    },
    /** Waits until there are so many dead letters; their ids. */
    async dead(count: number): Promise<string[]> {
      return eventually(async () => {
        await this.tryAgain();
        const rows = await db.primary.all<{ id: string }>("SELECT id FROM dead_letters ORDER BY id");
        return rows.length === count ? rows.map(({ id }) => id) : undefined;
      });
    },
  };
}
