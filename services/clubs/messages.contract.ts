import { Type as T } from "typebox";
import { Acted } from "../../lib/audit.ts";
import { declareMessages } from "../../lib/declare.ts";
import { Id, Nullable, OneOf } from "../../lib/types.ts";
import { ClubRole, ClubStatus } from "./clubs.contract.ts";

/** What the domain tells others. */
export const clubMessages = declareMessages({
  /** Whatever is done in the domain, for the audit log. */
  "clubs.acted": Acted,
  /** A pending club stands, its review task too. */
  "clubs.created": T.Object({ name: T.String(), createdBy: Id }),
  /**
   * Something that a search shows may have changed: texts, with a new version (a claim on a pending club's review
   * then ends), or the count of members, without one. Favorites are not told.
   */
  "clubs.updated": T.Object({ name: T.String(), status: ClubStatus }),
  /** By a review or an administrator; the reason is the reviewer's comment or theirs. */
  "clubs.statusChanged": T.Object({
    name: T.String(),
    from: ClubStatus,
    to: ClubStatus,
    reason: Nullable(T.String()),
    by: Nullable(T.String()),
  }),
  "clubs.deleted": T.Object({ name: T.String(), from: ClubStatus }),
  // The revision, which grows with every change of a club, says which of them was later.
  "clubs.memberJoined": T.Object({
    clubId: Id,
    userId: Id,
    applicationId: Nullable(T.String()),
    revision: T.Integer(),
  }),
  "clubs.memberLeft": T.Object({
    clubId: Id,
    userId: Id,
    by: Nullable(T.String()),
    revision: T.Integer(),
  }),
  "clubs.memberRoleChanged": T.Object({ clubId: Id, userId: Id, role: ClubRole, by: Nullable(T.String()) }),
  "clubs.transferOffered": T.Object({ clubId: Id, userId: Id, expiresAt: T.Integer() }),
  /** A decision was made on a text that had changed meanwhile: its review is open again. */
  "clubs.reviewOutdated": T.Object({ clubId: Id }),
  /** An approved application could not become a membership. */
  "clubs.memberRefused": T.Object({
    clubId: Id,
    userId: Id,
    applicationId: T.String(),
    reason: OneOf(["club", "person"]),
  }),
});
