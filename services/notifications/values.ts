/** What a notification keeps beside its event; ids are named when it is read. Comments and reasons stay as written. */
export interface Values {
  clubId?: string;
  personId?: string;
  status?: "approved" | "rejected";
  reason?: "club" | "person";
  role?: "president" | "officer" | "member";
  comment?: string | null;
  /** Milliseconds since 1970. */
  expiresAt?: number;
  activityId?: string;
  /** The original start, which names it; milliseconds since 1970. */
  occurrence?: number;
  /** Milliseconds since 1970. */
  startsAt?: number;
  endsAt?: number;
  location?: string;
  /** How long before the start a reminder was due. */
  minutes?: number;
  /** What a moderator looks at. */
  content?: "post" | "comment";
  announcementId?: string;
}
