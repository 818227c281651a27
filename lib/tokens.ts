/**
 * Access tokens: JSON Web Tokens (RFC 7519) signed with the private keys of one JWK set (keys.ts) and verified with its
 * public half. A token names its key by `kid`; the algorithm follows from the key, never from the token.
 */
import jwt from "jsonwebtoken";
import { LRUCache } from "lru-cache";
import { isRecord, verifyingKeys } from "./keys.ts";
import type { JwkSet, SigningKeys, VerifyingKey } from "./keys.ts";

/** What a token says: whose it is, its session, and its times in seconds since 1970. */
export interface Claims {
  readonly sub: string;
  readonly sid: string;
  readonly aud: string;
  readonly iat?: number;
  readonly exp: number;
}

/** The token is at fault: sign in or refresh. */
export class TokenError extends Error {
  readonly reason: "expired" | "invalid";

  constructor(reason: "expired" | "invalid") {
    super(reason === "expired" ? "The access token is expired." : "The access token is not valid.");
    this.name = "TokenError";
    this.reason = reason;
  }
}

/** Nothing is known about the token, because the public keys cannot be had just now: try again later. */
export class KeysUnavailableError extends Error {
  constructor(cause: unknown) {
    super("The keys that verify access tokens are not available just now.", { cause });
    this.name = "KeysUnavailableError";
  }
}

/** Signs tokens for one audience with the first key. */
export class Signer {
  readonly #keys: SigningKeys;
  readonly #audience: string;
  readonly #now: () => number;

  /** `now` in milliseconds. */
  constructor(keys: SigningKeys, audience: string, now: () => number = Date.now) {
    this.#keys = keys;
    this.#audience = audience;
    this.#now = now;
  }

  /** A token of the person `sub` in the session `sid`, good for `ttlSeconds`. */
  sign({ sub, sid }: { sub: string; sid: string }, ttlSeconds: number): string {
    const { kid, algorithm, privateKey } = this.#keys[0];
    const claims = { sub, sid, iat: Math.floor(this.#now() / 1000) };
    return jwt.sign(claims, privateKey, {
      algorithm,
      keyid: kid,
      audience: this.#audience,
      expiresIn: ttlSeconds,
    });
  }

  /** The public halves of all keys, as `/.well-known/jwks.json` shows them. */
  publicJwks(): JwkSet {
    return { keys: this.#keys.map((key) => key.publicJwk) };
  }
}

const MAX_TOKEN_LENGTH = 2048;
/** An unknown `kid` asks for the keys again at most this often (milliseconds). */
const REFETCH_MS = 10_000;
/** After a failure the next token that needs the keys may ask again this soon. */
const RETRY_MS = 1000;
/** Keys as old as this are fetched again beside the work, so that one taken out of the set stops counting. */
const STALE_MS = 300_000;

/**
 * Verifies tokens of one audience. To rotate keys without signing anyone out, add the new one at the end of the set,
 * and put it first a few minutes later.
 */
export class Verifier {
  readonly #audience: string;
  readonly #fetchKeys: () => Promise<JwkSet>;
  readonly #now: () => number;
  readonly #verified: LRUCache<string, Claims>;
  #keys = new Map<string, VerifyingKey>();
  #fetching: Promise<void> | undefined;
  #fetchedAt = -Infinity;
  #failure: { at: number; cause: unknown } | undefined;

  /** `fetchKeys` gives the public keys; `now` is in milliseconds; `cacheSize` is how many verified tokens are kept. */
  constructor(
    audience: string,
    fetchKeys: () => Promise<JwkSet>,
    { now = Date.now, cacheSize = 50_000 }: { now?: () => number; cacheSize?: number } = {},
  ) {
    this.#audience = audience;
    this.#fetchKeys = fetchKeys;
    this.#now = now;
    this.#verified = new LRUCache({ max: cacheSize });
  }

  /** The claims of a token that was verified before and is not expired; no signature is checked again. */
  cached(token: string): Claims | undefined {
    const claims = this.#verified.get(token);
    return claims && this.#now() < claims.exp * 1000 ? claims : undefined;
  }

  /** The token's claims. Fails with a TokenError, or with a KeysUnavailableError when its key cannot be looked up. */
  async verify(token: string): Promise<Claims> {
    const known = this.cached(token);
    if (known) return known;
    const kid = kidOf(token);
    let key = this.#keys.get(kid);
    if (!key) {
      await this.#lookUp();
      key = this.#keys.get(kid);
    } else if (this.#now() - this.#fetchedAt >= STALE_MS && this.#mayFetch()) {
      void this.#fetch();
    }
    if (!key) throw new TokenError("invalid");
    const claims = this.#check(token, key);
    this.#verified.set(token, claims);
    return claims;
  }

  #check(token: string, { algorithm, publicKey }: VerifyingKey): Claims {
    let payload: unknown;
    try {
      payload = jwt.verify(token, publicKey, { algorithms: [algorithm], clockTimestamp: this.#now() / 1000 });
    } catch (error) {
      throw new TokenError(error instanceof jwt.TokenExpiredError ? "expired" : "invalid");
    }
    // The whole audience, not one of a list, as jsonwebtoken would take it.
    if (!hasClaims(payload) || payload.aud !== this.#audience) throw new TokenError("invalid");
    const { sub, sid, aud, iat, exp } = payload;
    return Object.freeze({ sub, sid, aud, iat, exp });
  }

  /** After a `kid` that is not known: resolves when the set is as new as it may be. */
  async #lookUp(): Promise<void> {
    if (this.#fetching || this.#mayFetch()) await this.#fetch();
    if (this.#failure) throw new KeysUnavailableError(this.#failure.cause);
  }

  #mayFetch(): boolean {
    return this.#failure
      ? this.#now() - this.#failure.at >= RETRY_MS
      : this.#now() - this.#fetchedAt >= REFETCH_MS;
  }

  /** Never rejects: what went wrong is in `#failure`. */
  #fetch(): Promise<void> {
    this.#fetching ??= this.#replaceKeys().finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }

  async #replaceKeys(): Promise<void> {
    try {
      const fresh = verifyingKeys(await this.#fetchKeys());
      // What a removed key has signed is forgotten with it.
      if ([...this.#keys.keys()].some((kid) => !fresh.has(kid))) this.#verified.clear();
      this.#keys = fresh;
      this.#fetchedAt = this.#now();
      this.#failure = undefined;
    } catch (cause) {
      this.#failure = { at: this.#now(), cause };
    }
  }
}

/** The key that a token names, before anything about it is believed. */
function kidOf(token: string): string {
  if (token.length > MAX_TOKEN_LENGTH) throw new TokenError("invalid");
  let header: unknown;
  try {
    header = JSON.parse(Buffer.from(token.slice(0, Math.max(0, token.indexOf("."))), "base64url").toString());
  } catch {
    throw new TokenError("invalid");
  }
  if (!isRecord(header) || typeof header.kid !== "string") throw new TokenError("invalid");
  return header.kid;
}

function hasClaims(payload: unknown): payload is Claims {
  if (!isRecord(payload)) return false;
  const { sub, sid, exp } = payload;
  return (
    typeof sub === "string" && sub !== "" && typeof sid === "string" && sid !== "" && typeof exp === "number"
  );
}
