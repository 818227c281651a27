import { Readable } from "node:stream";
import type { Static } from "typebox";
import { v5 as uuid } from "uuid";
import { audited } from "../../lib/audit.ts";
import type { Envelope } from "../../lib/declare.ts";
import { AppError } from "../../lib/errors.ts";
import { expectVersion, implement, respond, userOf } from "../../lib/implement.ts";
import type { Ctx } from "../../lib/implement.ts";
import { actedBy, actedEnvelope } from "../../mixins/acting.ts";
import { documents } from "../../mixins/documents.ts";
import { sweeper } from "../../mixins/sweeper.ts";
import { about, changeCase, contentOf, contentOfCase, outcomeOf, presentCase, queuePage } from "./cases.ts";
import { holdLeftovers, holdReported } from "./holding.ts";
import { keeping } from "./keeping.ts";
import type { Telling } from "./keeping.ts";
import { moderation } from "./moderation.contract.ts";
import type { moderationMessages } from "./moderation.contract.ts";
import type { CaseRecord, ContentType, ReportDocument } from "./records.ts";
import { closeReports, eraseReports, exportReports, reportId, sweepReports } from "./reports.ts";
import { wordKeeping } from "./words.ts";

type Acted = Static<(typeof moderationMessages)["moderation.acted"]>;
type Decided = Static<(typeof moderationMessages)["moderation.decided"]>;

const HOUR = 3_600_000;
const LOG_KEPT = 2 * 365 * 24 * HOUR;
/** Names the messages that tell of reports. */
const REPORTS = "0d0f7b7c-3f0e-4f6a-9d2b-1f6f4a5f2c61";
/** How often it is looked for what nodes that died have left, and how far clocks of nodes may differ. */
const LEFTOVERS = 10_000;
const CLOCKS = 10 * 60_000;
/** Tries of a decision that others get ahead of by changing the content. */
const TRIES = 20;

export default implement(moderation, {
  mixins: [wordKeeping(), keeping(), sweeper(), documents("posts", { tells: true })],
  methods: {
    async report(
      ctx: Ctx<{ id: string; reason: ReportDocument["reason"]; detail?: string }>,
      type: ContentType,
    ) {
      const user = userOf(ctx);
      const { id, reason, detail = "" } = ctx.params;
      const content = await contentOf(this.store, type, id);
      if (!content) throw new AppError("NOT_FOUND");
      if (content.doc.authorId === user) throw new AppError("FORBIDDEN");
      if (content.doc.status !== "published") throw new AppError("NOT_PUBLISHED");
      // Before it, so that there is none without; a repeat is the same report.
      const acted = actedBy(ctx, null);
      if (acted) {
        const message = uuid(reportId(id, user), REPORTS);
        await this.outbox.tell([actedEnvelope(ctx, "posts", acted, message)]);
        this.relay.nudge();
      }
      const report = { content: id, type, user, reason, detail, at: Date.now(), closed: false };
      const isNew = await this.store.reports.insertOne({ _id: reportId(id, user), ...report });
      // Also after a repeat: the first try may have come no further.
      await holdReported(this, type, id, ctx.requestID ?? null);
      respond(ctx, { status: isNew ? 201 : 200 });
      return { reported: true as const };
    },
    /** Why a case cannot be decided that no content has as its last. */
    async refuseCase(id: string): Promise<never> {
      const known = await this.store.log.findOne({ _id: id });
      throw new AppError(known ? "ALREADY_DECIDED" : "NOT_FOUND");
    },
  },
  actions: {
    reportPost(ctx) {
      return this.report(ctx, "post");
    },
    reportComment(ctx) {
      return this.report(ctx, "comment");
    },
    queue(ctx) {
      const { limit = 20, cursor } = ctx.params;
      return queuePage(ctx, this.store, limit, cursor);
    },
    async decide(ctx) {
      const { id, decision, comment = null } = ctx.params;
      for (let tries = 0; tries < TRIES; tries++) {
        const content = await contentOfCase(this.store, id);
        if (!content?.doc.case) return this.refuseCase(id);
        const { case: open, status, authorId, version } = content.doc;
        if (authorId === ctx.locals.user) throw new AppError("SELF_REVIEW");
        expectVersion(ctx, version);
        if (status !== "held" || open.decision !== null) throw new AppError("ALREADY_DECIDED");
        // Before anything is decided, since those who are asked may be away.
        const shown = await presentCase(ctx, this.store, content);
        const decidedAt = Date.now();
        const decided: CaseRecord = { ...open, decision, decidedAt, comment };
        const change = { status: decision === "approve" ? "published" : "removed", case: decided } as const;
        const told = tellingsOf(about(content), decided, decision);
        const { subject } = about(content);
        audited(ctx, { after: { content: `${subject.type}:${subject.id}`, decision } });
        if (!(await changeCase(this, ctx, content, change, told))) continue;
        // What has been decided counts as such also without this; see holdReported.
        await closeReports(this.store, content.doc._id, decidedAt).catch(() => undefined);
        return { ...shown, ...outcomeOf(decided), version: version + 1 };
      }
      throw new AppError("UNAVAILABLE", { retryAfter: 1 });
    },
    words() {
      return this.readWords();
    },
    replaceWords(ctx) {
      return this.storeWords(ctx, ctx.stream instanceof Readable ? ctx.stream : null);
    },
    wordsVersion() {
      return this.wordsVersion();
    },
    wordsPart(ctx) {
      return this.wordsPart(ctx.params.version, ctx.params.part);
    },
    exportUser(ctx) {
      return exportReports(this.store, ctx.params.user, ctx.params.cursor);
    },
    async onActed(ctx) {
      // The relay brings what was told, and that is typed by the contract.
      const { id, at, actor, requestId, data } = ctx.params as unknown as Envelope<Acted>;
      const { action, subject, comment, caseId } = data;
      await this.store.log.insertOne({
        // A case is decided once; by its id a decision is found when the content has a newer case.
        _id: caseId ?? id,
        at,
        actor: actor ?? "",
        action,
        subjectType: subject.type,
        subjectId: subject.id,
        comment,
        requestId,
      });
    },
    async onUserErased(ctx) {
      await eraseReports(this.store, ctx.params.aggregate.id);
    },
  },
  async started() {
    // At first all of them, since all nodes may have been away.
    let since = 0;
    this.every(LEFTOVERS, async () => {
      const began = Date.now();
      await holdLeftovers(this, since);
      since = began - CLOCKS;
    });
    this.every(HOUR, async () => {
      await sweepReports(this.store, Date.now());
      await this.store.log.deleteMany({ at: { $lt: Date.now() - LOG_KEPT } });
    });
  },
});

function tellingsOf(
  content: Omit<Decided, "caseId" | "decision" | "comment">,
  { id: caseId, comment }: CaseRecord,
  decision: Decided["decision"],
): Telling[] {
  const { subject } = content;
  const acted: Acted = { action: decision, subject, comment, caseId };
  const decided: Decided = { ...content, caseId, decision, comment };
  return [
    { type: "moderation.decided", data: decided },
    { type: "moderation.acted", data: acted },
  ];
}
