/** Sends the mails about notices that are due. While the mail server is away only one mail now and then is tried. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Answer } from "../../lib/declare.ts";
import { isRefusal } from "../../lib/errors.ts";
import type { Ctx } from "../../lib/implement.ts";
import { digestOf } from "./digest-mail.ts";
import type { Bulletins } from "./bulletins.ts";
import type { Inbox } from "./inbox.ts";
import type { Digest, Mailings } from "./mailings.ts";
import type { Preferences } from "./preferences.ts";
import { present } from "./present.ts";

export interface SenderParts {
  inbox: Inbox;
  mailings: Mailings;
  preferences: Preferences;
  bulletins: Bulletins;
  /** Of the tokens that unsubscribe. */
  key: Buffer;
  /** The address of the public gateway. */
  base: () => string;
  /** How long a digest waits, in milliseconds. */
  wait: () => number;
}

type Address = Answer<"users.mailAddresses">[number];

const BATCH = 50;
/** Fewer than a mail server is spoken to at once, so that a mail about an account never waits for these. */
const AT_ONCE = 2;
/** After each of them (milliseconds): when thousands are due, whoever is told something else comes first. */
const BREAK = 20;
/** How long an address that takes nothing just now, or a mail whose names are away, is left alone (milliseconds). */
const RETRY = 30_000;
/** Of one call. */
const LONGEST = 30_000;
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 60_000;

export class Sender {
  readonly #parts: SenderParts;
  #pausedUntil = 0;
  #pause = FIRST_PAUSE;
  #stopped = false;
  #until = 0;

  constructor(parts: SenderParts) {
    this.#parts = parts;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Until nothing is due any more, or the mail server is away; for some time at most. */
  async sendDue(ctx: Ctx): Promise<void> {
    if (Date.now() < this.#until) return;
    this.#until = Date.now() + LONGEST;
    try {
      for (let sent = BATCH; sent === BATCH && !this.#isOver();) sent = await this.#sendSome(ctx);
    } finally {
      this.#until = 0;
    }
  }

  #isOver(): boolean {
    const now = Date.now();
    return this.#stopped || now < this.#pausedUntil || now > this.#until;
  }

  /** Returns how many were due. */
  async #sendSome(ctx: Ctx): Promise<number> {
    const { mailings, wait } = this.#parts;
    // After a pause one mail shows whether the server is back.
    const limit = this.#pause > FIRST_PAUSE ? 1 : BATCH;
    const due = await mailings.due(Date.now(), limit);
    if (due.length === 0) return 0;
    const found = await this.#addresses(
      ctx,
      due.map(({ _id }) => _id),
    );
    if (!found) return 0;
    const addresses = new Map(found.map((address) => [address.id, address]));
    const open = [...due];
    const worker = async (): Promise<void> => {
      for (let next = open.shift(); next && !this.#isOver(); next = open.shift()) {
        const digest = await mailings.claim(next, wait(), Date.now());
        if (digest) await this.#send(ctx, digest, addresses.get(next._id));
        await sleep(BREAK);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return limit === 1 && !this.#isOver() ? BATCH : due.length;
  }

  /** Null while nobody can be asked for them. */
  async #addresses(ctx: Ctx, ids: string[]): Promise<Address[] | null> {
    try {
      return await ctx.call("users.mailAddresses", { ids });
    } catch {
      this.#rest();
      return null;
    }
  }

  async #send(ctx: Ctx, digest: Digest, address: Address | undefined): Promise<void> {
    const { mailings, preferences, bulletins, key, base } = this.#parts;
    const user = digest.mailing._id;
    const wants = await preferences.ofAll([user]);
    // What was read meanwhile, and what the person has stopped, is left out.
    const docs = digest.docs.filter(({ readAt, kind }) => readAt === null && wants(user, kind).email);
    try {
      if (address && docs.length > 0) {
        const language = address.locale;
        const shown = await present(ctx, { id: user, language, strict: true }, docs, bulletins);
        const mail = digestOf({ user, language }, shown, base(), key);
        await ctx.call("mail.deliver", { id: digest.id, to: address.email, ...mail }, { retries: 0 });
        this.#pause = FIRST_PAUSE;
      }
      await mailings.done(digest, Date.now());
    } catch (error) {
      await this.#failed(digest, error);
    }
  }

  async #failed(digest: Digest, error: unknown): Promise<void> {
    const away = isRefusal(error, "UNAVAILABLE") && error.data["away"] === true;
    if (away) this.#rest();
    // By then the pause is over, and it is among the first.
    const wait = away ? 0 : RETRY * (0.5 + Math.random());
    await this.#parts.mailings.postpone(digest, Date.now() + wait);
  }

  #rest(): void {
    this.#pausedUntil = Date.now() + this.#pause;
    this.#pause = Math.min(LONGEST_PAUSE, this.#pause * 2);
  }
}
