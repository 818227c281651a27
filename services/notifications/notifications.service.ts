import type { ServiceBroker, ServiceSettingSchema } from "moleculer";
import type { Answer, Envelope } from "../../lib/declare.ts";
import { pageOf, readCursor, writeCursor } from "../../lib/cursor.ts";
import { AppError, invalid } from "../../lib/errors.ts";
import { implement, userOf } from "../../lib/implement.ts";
import type { Mixin } from "../../lib/implement.ts";
import { iso } from "../../lib/types.ts";
import { documents } from "../../mixins/documents.ts";
import { patiently } from "../../mixins/patiently.ts";
import { gatewayUrl, runtimeOf } from "../../mixins/runtime.ts";
import { sweeper } from "../../mixins/sweeper.ts";
import { Announcing } from "./announcing.ts";
import { audiencePage } from "./audience.ts";
import { Bulletins } from "./bulletins.ts";
import { FanOuts, MANY } from "./fan-out.ts";
import { batches, Inbox } from "./inbox.ts";
import type { NotificationDocument, Place } from "./inbox.ts";
import { Mailings } from "./mailings.ts";
import { notifications } from "./notifications.contract.ts";
import { Preferences } from "./preferences.ts";
import { isoOrNull, present } from "./present.ts";
import { noticesOf } from "./recipients.ts";
import type { Notice, Told } from "./recipients.ts";
import { Sender } from "./sending.ts";
import { stopOf, unsubscribeKey } from "./unsubscribe.ts";
import type { Stop } from "./unsubscribe.ts";

const HOUR = 3_600_000;
const EXPORT_PAGE = 200;
/** Notices that a stream gets at once. */
const STREAM_PAGE = 50;
const CURSOR = "notifications";
/** Milliseconds until what a node that died has left is told. */
const FAN_OUT_SWEEP = 2_000;
/** Milliseconds until an announcement that is due is begun with. */
const ANNOUNCING = 500;

/** In milliseconds; tests change them. */
interface Pace {
  /** How often mails that are due are looked for. */
  mails: number;
  /** How long the first notice of a digest waits for others. */
  digest: number;
}

interface Settings extends ServiceSettingSchema {
  pace: Pace;
}
const SETTINGS: Settings = { pace: { mails: 1_000, digest: HOUR } };

interface Own {
  settings: Settings;
  inbox: Inbox;
  preferences: Preferences;
  mailings: Mailings;
  sender: Sender;
  fanOuts: FanOuts;
  bulletins: Bulletins;
  announcing: Announcing;
  unsubscribeKey: Buffer;
  /** Tells the people of a message, by inbox, stream and mail. */
  tellAll(message: { id: string; at: number }, notices: Notice[]): Promise<void>;
  /** Mails are due, and gateways are to know of it. */
  spread(docs: NotificationDocument[]): Promise<void>;
  /** Deletes everything of people who are erased. */
  forget(users: string[]): Promise<void>;
  /** @throws VALIDATION_FAILED for a token that is not one of ours */
  stopBy(token: string): Stop;
}

const own: Mixin<Own> = {};

export default implement(notifications, {
  mixins: [documents("notifications"), sweeper(), own],
  settings: SETTINGS,
  methods: {
    async tellAll(message: { id: string; at: number }, notices: Notice[]): Promise<void> {
      const told = await this.inbox.tell(
        message,
        notices,
        (users) => this.preferences.ofAll(users),
        (docs) => this.spread(docs),
      );
      // Asked afterwards: whoever is erased in between is either known to be so now, or their notices go with users.erased.
      for (const some of batches(told)) {
        const gone = await goneOf(this.broker, some);
        if (gone.length > 0) await this.forget(gone);
      }
    },
    async spread(docs: NotificationDocument[]): Promise<void> {
      await this.mailings.told(docs, this.settings.pace.digest);
      const users = docs.filter(({ unstreamed }) => !unstreamed).map(({ user }) => user);
      // What is lost on the way gateways find when they ask.
      if (users.length > 0) void this.broker.broadcast("notifications.told", { users });
    },
    async forget(users: string[]): Promise<void> {
      await this.preferences.forget(users);
      await this.mailings.forget(users);
      await this.inbox.forget(users);
    },
    stopBy(token: string): Stop {
      const stop = stopOf(this.unsubscribeKey, token);
      if (!stop) throw invalid({ field: "token", code: "INVALID" });
      return stop;
    },
  },
  actions: {
    async list(ctx) {
      const user = userOf(ctx);
      const { unread = false, limit = 20, cursor } = ctx.params;
      const docs = await this.inbox.page(user, { unread, after: placeOf(cursor), limit: limit + 1 });
      const { items, nextCursor } = pageOf(docs, limit, cursorOf);
      const unreadCount = await this.inbox.unread(user);
      const reader = { id: user, language: ctx.headers.lang };
      return { items: await present(ctx, reader, items, this.bulletins), nextCursor, unreadCount };
    },
    async read(ctx) {
      const user = userOf(ctx);
      await this.inbox.read(user, "ids" in ctx.params ? ctx.params.ids : null, Date.now());
      return { unreadCount: await this.inbox.unread(user) };
    },
    async stream() {
      // Whoever comes here has not come by a gateway, and has no connection to write to.
      throw new AppError("NOT_FOUND");
    },
    async preferences(ctx) {
      return this.preferences.of(userOf(ctx));
    },
    async setPreferences(ctx) {
      const user = userOf(ctx);
      await this.preferences.choose(user, ctx.params);
      return this.preferences.of(user);
    },
    async unsubscription(ctx) {
      const { user, kinds } = this.stopBy(ctx.params.token);
      const wants = await this.preferences.ofAll([user]);
      return { kinds: [...kinds], stopped: kinds.every((kind) => !wants(user, kind).email) };
    },
    async unsubscribe(ctx) {
      const { user, kinds } = this.stopBy(ctx.params.token);
      await this.preferences.stopMails(user, kinds);
      // Nothing is kept of who is gone, and nothing is sent to them anyway.
      const gone = await goneOf(this.broker, [user]);
      await this.preferences.forget(gone);
      return { kinds: [...kinds], stopped: true };
    },
    async place(ctx) {
      const { user, id } = ctx.params;
      const known = id === null ? null : await this.inbox.seqOf(user, id);
      return known ?? (await this.inbox.heads([user])).get(user) ?? 0;
    },
    async after(ctx) {
      const { user, seq } = ctx.params;
      const docs = await this.inbox.after(user, seq, STREAM_PAGE);
      const shown = docs.filter(({ unstreamed }) => !unstreamed);
      return {
        items: await present(ctx, { id: user }, shown, this.bulletins),
        seq: docs.at(-1)?.seq ?? seq,
        more: docs.length === STREAM_PAGE,
      };
    },
    async heads(ctx) {
      const found = await Promise.all(batches(ctx.params.users).map((some) => this.inbox.heads(some)));
      return found.flatMap((heads) => [...heads].map(([user, seq]) => ({ user, seq })));
    },
    async sendMails(ctx) {
      await this.sender.sendDue(ctx);
    },
    async onMessage(ctx) {
      const message = toldBy(ctx.params);
      const notices = await noticesOf(message, {
        officersOf: (clubId) => ctx.call("members.officersOf", { clubId }),
        reviewers: () => ctx.call("users.withRole", { role: "reviewer" }),
        moderators: () => ctx.call("users.withRole", { role: "moderator" }),
      });
      const people = notices.reduce((sum, { to }) => sum + to.length, 0);
      if (people > MANY) await this.fanOuts.keep(message, notices);
      else await this.tellAll(message, notices);
    },
    async onUserErased(ctx) {
      const user = ctx.params.aggregate.id;
      await this.forget([user]);
      await this.idempotencyKeys.forget(user);
    },
    async exportUser(ctx) {
      const { user, cursor } = ctx.params;
      const page = { all: true, after: placeOf(cursor), limit: EXPORT_PAGE + 1 };
      const { items, nextCursor } = pageOf(await this.inbox.page(user, page), EXPORT_PAGE, cursorOf);
      const preferences = cursor === null ? await this.preferences.chosenBy(user) : null;
      return { records: [...(preferences ? [{ preferences }] : []), ...items.map(recordOf)], nextCursor };
    },
  },
  async started() {
    this.inbox = await Inbox.open(this.documents);
    this.preferences = await Preferences.open(this.documents);
    this.mailings = await Mailings.open(this.documents, this.inbox);
    this.unsubscribeKey = await patiently(this, () => unsubscribeKey(this.documents));
    this.bulletins = await Bulletins.open(this.documents);
    const { inbox, preferences, mailings, bulletins, unsubscribeKey: key } = this;
    this.sender = new Sender({
      inbox,
      preferences,
      bulletins,
      mailings,
      key,
      base: () => gatewayUrl(runtimeOf(this.broker)),
      wait: () => this.settings.pace.digest,
    });
    this.fanOuts = await FanOuts.open(
      this.documents,
      (message, notices) => this.tellAll(message, notices),
      this.logger,
    );
    this.announcing = await Announcing.open(this.documents, {
      bulletins,
      inbox,
      page: (audience, after) => audiencePage(this.broker, audience, after),
      tell: (message, notices) => this.tellAll(message, notices),
      log: this.logger,
    });
    this.every(ANNOUNCING, () => this.announcing.work());
    this.every(FAN_OUT_SWEEP, () => this.fanOuts.work());
    this.every(this.settings.pace.mails, async () => {
      await this.broker.call("notifications.sendMails");
    });
    this.every(HOUR, async () => {
      await this.inbox.sweep(Date.now());
      await this.idempotencyKeys.sweep(Date.now());
    });
  },
  async stopped() {
    this.sender?.stop();
    this.fanOuts?.stop();
    this.announcing?.stop();
  },
});

/** The relay brings what domains have told, and those are typed by the same declarations. */
function toldBy(envelope: Envelope): Told {
  return envelope as unknown as Told;
}

/** Those who are erased, or nobody. */
async function goneOf(broker: ServiceBroker, users: string[]): Promise<string[]> {
  if (users.length === 0) return [];
  const found = await broker.call<Answer<"users.names">, { ids: string[] }>("users.names", { ids: users });
  const statuses = new Map(found.map(({ id, status }) => [id, status]));
  return users.filter((id) => (statuses.get(id) ?? "erased") === "erased");
}

function cursorOf({ createdAt, _id }: NotificationDocument): string {
  return writeCursor(CURSOR, [createdAt, _id]);
}

function placeOf(cursor: string | null | undefined): Place | null {
  const values = readCursor(cursor, CURSOR, ["number", "string"]);
  return values && { createdAt: values[0] as number, id: values[1] as string };
}

function recordOf({ _id: id, kind, event, subject, values, createdAt, readAt }: NotificationDocument) {
  return { id, kind, event, subject, values, createdAt: iso(createdAt), readAt: isoOrNull(readAt) };
}
