import { isDuplicate } from "../../lib/database.ts";
import type { Row, Tx } from "../../lib/database.ts";
import { AppError } from "../../lib/errors.ts";
import { Claims, dueAt, failedRow, sealed } from "../../lib/imports.ts";
import type { Batch, Outcome } from "../../lib/imports.ts";
import { implement } from "../../lib/implement.ts";
import type { Mixin } from "../../lib/implement.ts";
import { loadSigningKeys } from "../../lib/signing-keys.ts";
import { wordsInForce } from "../../middlewares/moderate.ts";
import { database } from "../../mixins/database.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { invitationsFor } from "./account-mails.ts";
import { aggregateOf, searchKey, undoAccount } from "./accounts.ts";
import type { UserRow } from "./accounts.ts";
import { EXISTING, HOLDERS } from "./cross-shard.ts";
import { loginValue } from "./identities.ts";
import { activateNames, claimOfPerson, readPerson, reserveNames, settled } from "./imported.ts";
import type { Candidate } from "./imported.ts";
import { userImports } from "./imports.contract.ts";
import { mailKeysOf } from "./secrets.ts";

/** Others who take a name of a batch at the same moment. */
const TRIES = 10;
/** Milliseconds between two invitations, so that no mail server is flooded. */
const MAIL_EVERY = 20;

const own: Mixin<{ mailKeys: readonly Buffer[] }> = {};

export default implement(userImports, {
  mixins: [database("users"), own],
  methods: {
    /** Makes those who are not here; what becomes of each. */
    async make(batch: Batch, people: readonly Candidate[]): Promise<Map<Candidate, Outcome>> {
      for (let attempt = 0; attempt < TRIES; attempt++) {
        const outcomes = new Map<Candidate, Outcome>();
        const fresh: Candidate[] = [];
        const inFile = new Claims();
        for (const [person, standing] of await settled(this.db.primary, people)) {
          const is = (outcome: Outcome["outcome"]) => outcomes.set(person, { row: person.row, outcome });
          const claimed = standing === "new" ? inFile.take(claimOfPerson(person)) : standing;
          if (claimed === "new" || claimed === "made") is("created");
          else if (claimed === "same") is("unchanged");
          else if (claimed !== "doubt") outcomes.set(person, failedRow(person.row, claimed));
          if (claimed === "new") fresh.push(person);
        }
        if (fresh.length === 0 || (await this.create(batch, fresh))) return outcomes;
      }
      throw new AppError("UNAVAILABLE", { retryAfter: 2 });
    },

    /** False when somebody was faster with one of the names: then it is looked at again. */
    async create(batch: Batch, people: readonly Candidate[]): Promise<boolean> {
      if (!(await reserveNames(this.db, people))) return false;
      try {
        await this.db.transaction((tx) => this.write(tx, batch, people), {
          actor: batch.by,
          requestId: null,
        });
      } catch (error) {
        // Another try of the same rows has made them meanwhile.
        if (isDuplicate(error)) return false;
        throw error;
      }
      const lost = await activateNames(this.db, people);
      for (const { id, names } of lost)
        await undoAccount(this.db, { id, version: 1 }, [names.username, names.email]);
      this.relay.nudge();
      return lost.length === 0;
    },

    async write(tx: Tx, batch: Batch, people: readonly Candidate[]): Promise<void> {
      const now = Date.now();
      const rows = people.map((person) => rowOf(person, batch.lang, now));
      await tx.insertAll(
        "users",
        rows.map((row) => ({ ...row, search_key: searchKey(row) })),
      );
      const given = people.flatMap(({ id, roles }) =>
        roles.map((role): Row => ({ user_id: id, role, active: 1, changes: 0 })),
      );
      await tx.insertAll("user_roles", given);
      await tx.tellAll(
        rows.map((user, i) => ({
          type: "users.registered",
          aggregate: aggregateOf(user),
          data: {},
          dueAt: dueAt(batch, people[i]?.row ?? 0),
        })),
      );
      const due = people.map(({ id, row }) => ({ user: id, dueAt: dueAt(batch, row, MAIL_EVERY) }));
      await invitationsFor(tx, this.mailKeys, due, now);
    },
  },
  actions: {
    async take(ctx) {
      const batch = ctx.params;
      const words = await wordsInForce(this.broker);
      const outcomes: Outcome[] = [];
      const people: Candidate[] = [];
      for (const row of batch.rows) {
        const read = readPerson(batch, row, words);
        if (Array.isArray(read)) outcomes.push(failedRow(row.row, read));
        else people.push(read);
      }
      const found = batch.dryRun
        ? await settled(this.db.primary, people).then((all) => [...all].map(foreseen))
        : (await this.make(batch, people)).values();
      return [...outcomes, ...found].toSorted((a, b) => a.row - b.row);
    },

    async find(ctx) {
      const values = ctx.params.logins.map(loginValue);
      const holders = await this.db.primary.all<{ value: string; user_id: string }>(HOLDERS, { values });
      const ids = [...new Set(holders.map(({ user_id: id }) => id))];
      const users = await this.db.primary.all<UserRow>(EXISTING, { ids });
      const byValue = new Map<string, string>(
        users
          .filter(({ status }) => status === "active")
          .flatMap(({ id, username, email_key: email }) => [
            [`u:${username}`, id] as const,
            [`e:${email}`, id] as const,
          ]),
      );
      return values.map((value) => byValue.get(value) ?? null);
    },
  },
  created() {
    this.mailKeys = mailKeysOf(loadSigningKeys(runtimeOf(this.broker).settings, "public"));
  },
});

/** What would become of a row. */
function foreseen([person, standing]: [Candidate, unknown]): Outcome {
  const { row } = person;
  if (standing === "new" || standing === "made")
    return { row, outcome: "created", claim: sealed(claimOfPerson(person)) };
  if (Array.isArray(standing)) return failedRow(row, standing);
  return { row, outcome: "unchanged" };
}

/** Without a password nobody signs in; the invitation's token sets one. */
function rowOf({ id, username, email, emailKey, stored }: Candidate, locale: Batch["lang"], now: number) {
  const row: UserRow = {
    id,
    username,
    email,
    email_key: emailKey,
    password_hash: null,
    password_once: 0,
    display_name: stored.displayName,
    bio: null,
    avatar_file_id: null,
    college: stored.college,
    major: stored.major,
    grade: stored.grade,
    locale,
    status: "active",
    status_reason: null,
    email_token: null,
    terms_accepted_at: null,
    signed_in_at: null,
    erased_at: null,
    version: 1,
    created_at: now,
    updated_at: now,
  };
  return { ...row };
}
