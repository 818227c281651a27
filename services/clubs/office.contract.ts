/** Clubs and their categories, for the admin domain: its administrators have no tokens that other domains take. */
import { Type as T } from "typebox";
import { declare } from "../../lib/declare.ts";
import { Id, List, Page, Text } from "../../lib/types.ts";
import { CategoryNames, Club, clubs, ClubStatus } from "./clubs.contract.ts";

const { setStatus } = clubs.actions;
const Categories = T.Array(CategoryNames, { maxItems: 1_000 });

export const clubOffice = declare("clubOffice", {
  /** In any status, newest first. */
  list: {
    params: T.Object({
      q: T.Optional(Text(1, 100)),
      status: T.Optional(ClubStatus),
      category: T.Optional(CategoryNames.properties.slug),
      ...Page,
    }),
    returns: List(Club),
    access: "service",
    safe: true,
  },
  setStatus: {
    params: T.Object({ ...setStatus.params.properties, by: Id }),
    returns: T.Object({ club: Club, before: ClubStatus }),
    access: "service",
  },
  /** Puts these categories in place of those that there are. */
  setCategories: {
    params: T.Object({ categories: Categories, by: Id }),
    returns: T.Object({ categories: Categories, before: Categories }),
    access: "service",
  },
});
