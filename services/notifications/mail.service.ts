import type { Collection } from "../../lib/documents.ts";
import { AppError } from "../../lib/errors.ts";
import { implement } from "../../lib/implement.ts";
import type { Mixin } from "../../lib/implement.ts";
import { createMailer } from "../../lib/mail.ts";
import type { Mail, Mailer } from "../../lib/mail.ts";
import { SettingsError } from "../../lib/settings.ts";
import { documents } from "../../mixins/documents.ts";
import { gatewayUrl, runtimeOf } from "../../mixins/runtime.ts";
import { sweeper } from "../../mixins/sweeper.ts";
import { mailOf } from "./mails.ts";
import { mail } from "./notifications.contract.ts";

/** That a mail was sent, or is being sent until the lease ends; of the mail itself nothing is kept. */
interface SentMail {
  _id: string;
  /** When it was sent, or begun. */
  sentAt: number;
  /** Milliseconds; null once it was sent. */
  leaseUntil: number | null;
}

const HOUR = 3_600_000;
/** Longer than any call to a mail server takes. */
const LEASE = 60_000;
/** A repeat comes within minutes. */
const KEPT = 7 * 24 * HOUR;

const own: Mixin<{
  mailer: Mailer;
  sent: Collection<SentMail>;
  /** Mails under way, by id. */
  sending: Map<string, Promise<void>>;
}> = {};

export default implement(mail, {
  mixins: [documents("notifications"), sweeper(), own],
  methods: {
    /** Who comes while it is under way waits with the first. */
    sendOnce(id: string, send: () => Promise<void>): Promise<void> {
      const running = this.sending.get(id);
      if (running) return running;
      const begun = this.sendNew(id, send).finally(() => this.sending.delete(id));
      this.sending.set(id, begun);
      return begun;
    },
    async sendNew(id: string, send: () => Promise<void>): Promise<void> {
      if (!(await this.claim(id))) return;
      try {
        await send();
      } catch (error) {
        await this.sent.updateOne({ _id: id }, { $set: { leaseUntil: 0 } });
        throw error;
      }
      // A crash before this sends it again, with the same Message-ID.
      await this.sent.updateOne({ _id: id }, { $set: { sentAt: Date.now(), leaseUntil: null } });
    },
    /** Whether this node is to send it; false when it was sent. @throws UNAVAILABLE while another node is sending it */
    async claim(id: string): Promise<boolean> {
      const now = Date.now();
      const lease = { sentAt: now, leaseUntil: now + LEASE };
      if (await this.sent.insertOne({ _id: id, ...lease })) return true;
      const { matched } = await this.sent.updateOne({ _id: id, leaseUntil: { $lt: now } }, { $set: lease });
      if (matched > 0) return true;
      const known = await this.sent.findOne({ _id: id });
      if (typeof known?.leaseUntil === "number") throw new AppError("UNAVAILABLE", { retryAfter: 5 });
      return false;
    },
    /** Resolves when the mail was handed over; UNAVAILABLE when it is worth another try. */
    async handOver(letter: Mail, requestId: string | undefined): Promise<void> {
      const send = async (): Promise<void> => {
        try {
          await this.mailer.send(letter);
        } catch (error) {
          const { code, responseCode } = error as { code?: string; responseCode?: number };
          // Neither the address nor anything of the mail gets into the log.
          this.logger.warn("A mail was not taken", { mail: letter.id, code, responseCode, requestId });
          if (isFinal(code, responseCode)) return;
          const away = code !== "EENVELOPE" && code !== "EMESSAGE";
          throw code ? new AppError("UNAVAILABLE", { retryAfter: 5, away }) : error;
        }
      };
      await this.sendOnce(letter.id, send);
    },
  },
  actions: {
    async send(ctx) {
      const { id, to, locale, template, values } = ctx.params;
      const content = mailOf(template, locale, values, gatewayUrl(runtimeOf(this.broker)));
      await this.handOver({ id, to, ...content }, ctx.requestID ?? undefined);
    },
    async deliver(ctx) {
      await this.handOver(ctx.params, ctx.requestID ?? undefined);
    },
  },
  created() {
    const { mailUrl, dataDir } = runtimeOf(this.broker).settings;
    this.sending = new Map();
    try {
      this.mailer = createMailer(mailUrl ?? undefined, dataDir, this.logger);
    } catch (error) {
      throw new SettingsError((error as Error).message);
    }
  },
  async started() {
    this.sent = await this.documents.collection<SentMail>("mails", { indexes: [{ fields: ["sentAt"] }] });
    this.every(HOUR, async () => {
      await this.sent.deleteMany({ sentAt: { $lt: Date.now() - KEPT } });
    });
  },
  async stopped() {
    this.mailer.close();
  },
});

/** The server will never take this mail (RFC 5321, 4.2.1): the address does not exist, say. */
function isFinal(code: string | undefined, responseCode: number | undefined): boolean {
  return (responseCode ?? 0) >= 500 && (code === "EENVELOPE" || code === "EMESSAGE");
}
