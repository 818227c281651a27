/** Notifications with a world of which every person is meant by announcements. */
import type { Answer, Params } from "../../lib/declare.ts";
import { startNeighbourhood, World } from "./neighbours.ts";
import type { Neighbourhood } from "./neighbours.ts";

export interface AnnouncingNode {
  near: Neighbourhood;
  announce(id: string): Promise<void>;
  reach(id: string): Promise<Answer<"bulletin.reach">>;
}

/** @param people by id, in order */
export async function announcingNode(dataDir: string, people: string[]): Promise<AnnouncingNode> {
  const world = new World();
  for (const id of people)
    world.people.set(id, { id, displayName: "P", locale: "en", status: "active", roles: [] });
  const near = await startNeighbourhood(["notifications"], { env: { DATA_DIR: dataDir }, world });
  near.broker.createService({
    name: "userAudience",
    actions: {
      page({ params }: { params: Params<"userAudience.page"> }) {
        const rest = people.filter((id) => params.after === null || id > params.after);
        const ids = rest.slice(0, params.limit);
        return { ids, after: ids.length < params.limit ? null : (ids.at(-1) ?? null) };
      },
    },
  });
  return {
    near,
    async announce(id) {
      const at = 1;
      const content = { title: "T", body: "B", level: "info", audience: {}, startsAt: at, createdAt: at };
      await near.tell("bulletin.onMessage", "announcements.changed", {
        aggregate: { type: "announcement", id, version: 1 },
        data: { ...content, endsAt: null },
      });
    },
    reach: (id) => near.broker.call<Answer<"bulletin.reach">, { id: string }>("bulletin.reach", { id }),
  };
}
