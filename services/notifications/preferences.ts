/** Which notices reach somebody which way. */
import type { Collection, DocumentStore } from "../../lib/documents.ts";
import { KINDS } from "./notifications.contract.ts";

export type Kind = (typeof KINDS)[number];
export interface Channels {
  inbox: boolean;
  stream: boolean;
  email: boolean;
}

/** What somebody has chosen; of the rest the defaults hold. */
interface Chosen {
  _id: string;
  kinds: Partial<Record<Kind, Partial<Channels>>>;
}

/** Those that somebody waits for, or that ask for something to be done. */
const BY_MAIL: ReadonlySet<Kind> = new Set(["waitlist", "activity", "moderation", "account", "application"]);

export class Preferences {
  readonly #chosen: Collection<Chosen>;

  constructor(chosen: Collection<Chosen>) {
    this.#chosen = chosen;
  }

  static async open(store: DocumentStore): Promise<Preferences> {
    return new Preferences(await store.collection<Chosen>("preferences", { indexes: [] }));
  }

  async of(user: string): Promise<Record<Kind, Channels>> {
    const wants = await this.ofAll([user]);
    return Object.fromEntries(KINDS.map((kind) => [kind, wants(user, kind)])) as Record<Kind, Channels>;
  }

  /** In one batch. */
  async ofAll(users: string[]): Promise<(user: string, kind: Kind) => Channels> {
    const found = users.length > 0 ? await this.#chosen.find({ _id: { $in: users } }) : [];
    const byUser = new Map(found.map(({ _id, kinds }) => [_id, kinds]));
    return (user, kind) => ({
      inbox: true,
      stream: true,
      email: BY_MAIL.has(kind),
      ...byUser.get(user)?.[kind],
    });
  }

  /** Without the defaults; null where nothing was chosen. */
  async chosenBy(user: string): Promise<Chosen["kinds"] | null> {
    return (await this.#chosen.findOne({ _id: user }))?.kinds ?? null;
  }

  async choose(user: string, kinds: Partial<Record<Kind, Channels>>): Promise<void> {
    const set = Object.fromEntries(
      Object.entries(kinds).map(([kind, channels]) => [`kinds.${kind}`, channels]),
    );
    if (Object.keys(set).length > 0)
      await this.#chosen.updateOne({ _id: user }, { $set: set }, { upsert: true });
  }

  async stopMails(user: string, kinds: readonly Kind[]): Promise<void> {
    const set = Object.fromEntries(kinds.map((kind) => [`kinds.${kind}.email`, false]));
    await this.#chosen.updateOne({ _id: user }, { $set: set }, { upsert: true });
  }

  async forget(users: string[]): Promise<void> {
    await this.#chosen.deleteMany({ _id: { $in: users } });
  }
}
