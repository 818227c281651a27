/**
 * The sessions revoked lately, whose access tokens are good no longer: pulled from users every 500 ms, and pushed by a
 * broadcast, which may be lost.
 */
const EVERY_MS = 500;
/** Longer than an access token lives (10 minutes), whatever the clocks. */
const KEPT_MS = 15 * 60_000;
/** Asked for again each time: a revocation may be committed a moment after its time. */
const OVERLAP_MS = 5_000;
/** Pulls that fail for as long as this are worth a warning. */
const PATIENCE_MS = 5_000;

export interface Revoked {
  /** The time at the one who answers, in milliseconds. */
  now: number;
  sids: { sid: string; at: number }[];
}

export interface RevocationsOptions {
  /** Those revoked at or after `since`; null while nobody is there to ask. */
  pull(since: number): Promise<Revoked | null>;
  /** Of each session that is new among them. */
  revoked?(sid: string): void;
  /** After the first pull that succeeded. */
  ready(): void;
  warn(text: string): void;
}

export class Revocations {
  /** When each is forgotten. */
  readonly #sids = new Map<string, number>();
  readonly #options: RevocationsOptions;
  #since = Date.now() - KEPT_MS;
  #ready = false;
  #failingSince = 0;
  #warned = false;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: RevocationsOptions) {
    this.#options = options;
  }

  has(sid: string): boolean {
    return this.#sids.has(sid);
  }

  /** What a broadcast brought; anybody on the bus may have sent it. */
  add(sids: unknown): void {
    if (!Array.isArray(sids)) return;
    const until = Date.now() + KEPT_MS;
    for (const sid of sids) {
      if (typeof sid !== "string") continue;
      const known = this.#sids.has(sid);
      this.#sids.set(sid, until);
      if (!known) this.#options.revoked?.(sid);
    }
  }

  /** Pulls now and from now on. */
  start(): void {
    this.#failingSince = Date.now();
    void this.#pull();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Never rejects. */
  async #pull(): Promise<void> {
    try {
      const revoked = await this.#options.pull(this.#since);
      if (revoked) this.#take(revoked);
      else this.#failed();
    } catch {
      this.#failed();
    }
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#pull(), EVERY_MS).unref();
  }

  #take({ now, sids }: Revoked): void {
    this.add(sids.map(({ sid }) => sid));
    this.#since = now - OVERLAP_MS;
    this.#forget();
    if (this.#warned) this.#options.warn("Revoked sessions are known again");
    this.#warned = false;
    this.#failingSince = 0;
    if (!this.#ready) this.#options.ready();
    this.#ready = true;
  }

  /** In the order of their coming, so that the first that stays ends the search. */
  #forget(): void {
    const now = Date.now();
    for (const [sid, until] of this.#sids) {
      if (until > now) return;
      this.#sids.delete(sid);
    }
  }

  #failed(): void {
    this.#failingSince ||= Date.now();
    if (this.#warned || Date.now() - this.#failingSince < PATIENCE_MS) return;
    this.#warned = true;
    this.#options.warn(
      "Revoked sessions cannot be learnt: is a node of users up? Tokens stay good until they expire",
    );
  }
}
