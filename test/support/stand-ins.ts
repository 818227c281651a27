/** Small stand-ins of the domains that applications asks. */
import type { ServiceSchema } from "moleculer";
import type { Answer, Envelope, Params } from "../../lib/declare.ts";
import { AppError } from "../../lib/errors.ts";
import { newId } from "../../lib/ids.ts";
import type { Signer } from "../../lib/tokens.ts";
import type { ClubRecord } from "../../services/clubs/clubs.contract.ts";

export type Role = "president" | "officer" | "member";
type Named = Answer<"users.names">[number];

/** What the stand-ins answer with; tests change it. */
export interface World {
  clubs: Map<string, ClubRecord>;
  /** `<club>:<user>` → role. */
  members: Map<string, Role>;
  people: Map<string, Named>;
  /** Global roles. */
  roles: Map<string, string[]>;
  /** Every message that notifications would have got. */
  told: Envelope[];
  /** Runs when the role of somebody is asked for, before the answer. */
  onRoles: () => Promise<void>;
  /** Nobody answers for clubs. */
  clubsAway: boolean;
}

/** A message as another domain would tell it. */
export function message(
  type: string,
  aggregate: Envelope["aggregate"],
  data: object = {},
  at = Date.now(),
): Envelope {
  return { id: newId(), type, at, aggregate, actor: null, requestId: null, data };
}

const RANK = { visible: 0, member: 1, officer: 2, president: 3 };

/** Services under the names that applications calls; the keys are those that `signer` signs with. */
export function standIns(world: World, signer: Signer): ServiceSchema[] {
  const roleOf = (clubId: string, userId: string | null) => world.members.get(`${clubId}:${userId}`) ?? null;
  return [
    { name: "auth", actions: { keys: () => signer.publicJwks() } },
    { name: "sessions", actions: { revokedSince: () => ({ now: Date.now(), sids: [] }) } },
    {
      name: "users",
      actions: {
        names: (ctx) => (ctx.params as Params<"users.names">).ids.flatMap((id) => world.people.get(id) ?? []),
        rolesOf: (ctx) => world.roles.get((ctx.params as Params<"users.rolesOf">).id) ?? [],
      },
    },
    {
      name: "clubs",
      actions: {
        records(ctx) {
          if (world.clubsAway) throw new AppError("UNAVAILABLE");
          return (ctx.params as Params<"clubs.records">).ids.flatMap((id) => world.clubs.get(id) ?? []);
        },
        allows(ctx): Answer<"clubs.allows"> {
          const { id, relation, user } = ctx.params as Params<"clubs.allows">;
          const club = world.clubs.get(id);
          if (!club) return { verdict: "missing", grant: {} };
          const role = roleOf(id, user);
          const grant = { status: club.status, role };
          if (club.status !== "active" && !role) return { verdict: "hidden", grant };
          const enough = (role ? RANK[role] : 0) >= RANK[relation as keyof typeof RANK];
          return { verdict: enough ? "yes" : "forbidden", grant };
        },
      },
    },
    {
      name: "members",
      actions: {
        async rolesOf(ctx): Promise<Answer<"members.rolesOf">> {
          await world.onRoles();
          return (ctx.params as Params<"members.rolesOf">).pairs.flatMap(({ clubId, userId }) => {
            const role = roleOf(clubId, userId);
            return role ? [{ clubId, userId, role }] : [];
          });
        },
        onApplicationDecided: () => undefined,
      },
    },
    {
      name: "notifications",
      actions: {
        onMessage(ctx) {
          world.told.push(ctx.params as Envelope);
        },
      },
    },
  ];
}
