/**
 * Founding a club: the record with its founder, the review task at the applications domain, and the end, which shows
 * the club and tells of it. Until then nobody sees it, so that it can vanish without a trace.
 */
import type { ServiceBroker } from "moleculer";
import { actedType } from "../../lib/audit.ts";
import type { Acted } from "../../lib/audit.ts";
import type { Tx } from "../../lib/database.ts";
import type { Answer, Params } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import type { DatabaseMethods } from "../../mixins/database.ts";
import type { ReadYourWritesMethods } from "../../mixins/read-your-writes.ts";
import { stillRunning } from "../../mixins/saga-rows.ts";
import type { SagaDefinition, SagaMethods } from "../../mixins/saga.ts";
import { checkCategory } from "./categories.ts";
import { columnsOf, takingName, writeTags } from "./fields.ts";
import type { ClubRow } from "./rows.ts";
import { about } from "./rows.ts";

/** Milliseconds that the applications domain has for a step. */
const STEP_TIMEOUT = 2_000;

interface Founding {
  clubId: string;
  clubName: string;
  taskId: string;
  filedBy: string;
  requestId: string | null;
  /** What the audit log is told of it when it stands. */
  acted: Acted | null;
}

export interface NewClub {
  id: string;
  founder: string;
  requestId: string | null;
  acted: Acted | null;
  fields: Omit<Params<"clubs.create">, "id">;
}

/** Commits the record, its founder and the saga together; returns the saga's id. A repeat finds what is there. */
export async function foundClub(
  tx: Tx,
  { id, founder, requestId, acted, fields }: NewClub,
  beginSaga: SagaMethods["beginSaga"],
): Promise<string> {
  const known = await tx.one<ClubRow>("SELECT saga_id FROM clubs WHERE id = :id", { id });
  if (known) return known.saga_id;
  await checkCategory(tx, fields.category);
  const data = { clubId: id, clubName: fields.name, taskId: newId(), filedBy: founder, requestId, acted };
  const sagaId = await beginSaga(tx, "createClub", data satisfies Founding);
  const now = Date.now();
  const { description = "", tags = [], logoFileId = null, joinPolicy = "review", questions = [] } = fields;
  const { reviewStages = ["officer"] } = fields;
  const all = { ...fields, description, tags, logoFileId, joinPolicy, questions, reviewStages };
  await takingName(() =>
    tx.insert("clubs", {
      ...columnsOf(all, true),
      id,
      status: "pending",
      version: 1,
      revision: 1,
      member_count: 1,
      favorite_count: 0,
      created_by: founder,
      created_at: now,
      updated_at: now,
      saga_id: sagaId,
      ready: 0,
    }),
  );
  await writeTags(tx, id, tags);
  await tx.insert("members", {
    club_id: id,
    user_id: founder,
    role: "president",
    title: null,
    joined_at: now,
    version: 1,
  });
  return sagaId;
}

type Service = DatabaseMethods & ReadYourWritesMethods & { broker: ServiceBroker };

/** The saga that carries a founding on. */
export function createClub(service: Service): SagaDefinition<Founding> {
  const call = (action: string, params: object, requestID?: string | null) =>
    service.broker.call(action, params, { timeout: STEP_TIMEOUT, requestID: requestID ?? undefined });
  return {
    type: "createClub",
    ended: async ({ clubId }, sagaId) =>
      (await service.db.primary.number(
        "SELECT COUNT(*) FROM clubs WHERE id = :clubId AND saga_id = :sagaId AND ready = 1",
        { clubId, sagaId },
      )) > 0,
    undoFirst: ({ clubId }, sagaId) => service.db.transaction((tx) => removeRecord(tx, clubId, sagaId)),
    steps: [
      {
        name: "review",
        async run({ taskId, clubId, clubName, filedBy, requestId }, sagaStep) {
          const task = { sagaStep, taskId, clubId, clubName, clubVersion: 1, filedBy };
          const { opened } = (await call("reviews.open", task, requestId)) as Answer<"reviews.open">;
          if (!opened) throw new Error("The review task was undone already: this try came too late.");
        },
        async undo({ requestId }, sagaStep) {
          await call("reviews.undoOpen", { sagaStep }, requestId);
        },
      },
      {
        name: "finish",
        async run(data, sagaStep) {
          const sagaId = sagaStep.slice(0, sagaStep.indexOf(":"));
          const origin = { actor: data.filedBy, requestId: data.requestId };
          await service.db.transaction((tx) => finish(tx, data, sagaId), origin);
          service.relay.nudge();
          await service.forget("clubs.record", data.clubId);
          await service.wrote([data.filedBy]);
        },
        // Without its record there is nothing that a late try could finish.
        async undo() {},
      },
    ],
  };
}

async function finish(tx: Tx, { clubId, clubName, filedBy, acted }: Founding, sagaId: string): Promise<void> {
  await stillRunning(tx, sagaId);
  const shown = await tx.run(
    "UPDATE clubs SET ready = 1, revision = revision + 1 WHERE id = :clubId AND saga_id = :sagaId AND ready = 0",
    { clubId, sagaId },
  );
  if (shown === 0) return;
  const club = { id: clubId, version: 1 };
  await tx.tell(about(club, "clubs.created", { name: clubName, createdBy: filedBy }));
  if (acted) await tx.tell(about(club, actedType("clubs"), acted));
}

/** Removes what this saga made, and not what a later try with the same id has made since. */
async function removeRecord(tx: Tx, clubId: string, sagaId: string): Promise<void> {
  const removed = await tx.run("DELETE FROM clubs WHERE id = :clubId AND saga_id = :sagaId", {
    clubId,
    sagaId,
  });
  if (removed === 0) return;
  for (const table of ["club_tags", "members", "favorites", "transfers"])
    await tx.run(`DELETE FROM ${table} WHERE club_id = :clubId`, { clubId });
}
