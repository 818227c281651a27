/** One-time passwords by time (RFC 6238), and how their secrets and the codes that stand in for them are kept. */
import { createCipheriv, createDecipheriv, hash, hkdfSync, randomBytes } from "node:crypto";
import { Secret, TOTP } from "otpauth";
import { encodeQR } from "qr";
import type { SigningKeys } from "../../lib/keys.ts";

const PERIOD = 30;
/** Steps that a clock may be off, either way. */
const WINDOW = 1;
/** What RFC 4226 recommends. */
const SECRET_BYTES = 20;
const ISSUER = "Club Alliance";
const CIPHER = "aes-256-gcm";
const IV_BYTES = 12;
const TAG_BYTES = 16;
export const RECOVERY_CODES = 10;
/** 80 bits. */
const RECOVERY_BYTES = 10;

/** A new secret, in base32. */
export function newSecret(): string {
  return new Secret({ size: SECRET_BYTES }).base32;
}

/** How an authenticator app takes it over. */
export function invitationOf(secret: string, account: string): { secret: string; uri: string; qr: string } {
  const uri = totpOf(secret, account).toString();
  return { secret, uri, qr: encodeQR(uri, "svg") };
}

/** The time step that a code belongs to, if it is one of those around `now` (milliseconds); else null. */
export function stepOf(secret: string, code: string, now: number): number | null {
  const delta = totpOf(secret).validate({ token: code, timestamp: now, window: WINDOW });
  return delta === null ? null : Math.floor(now / 1000 / PERIOD) + delta;
}

function totpOf(secret: string, label = "administrator"): TOTP {
  return new TOTP({ issuer: ISSUER, label, algorithm: "SHA1", digits: 6, period: PERIOD, secret });
}

/** Codes for who has lost the app: `abcd-efgh-…`, lower case letters and digits. */
export function newRecoveryCodes(): string[] {
  return Array.from({ length: RECOVERY_CODES }, () => {
    const text = Secret.fromHex(randomBytes(RECOVERY_BYTES).toString("hex")).base32.toLowerCase();
    return (text.match(/.{4}/g) as string[]).join("-");
  });
}

/** A code as people may write it, without spaces and hyphens. */
export function plainCode(code: string): string {
  return code.replaceAll(/[\s-]/g, "").toLowerCase();
}

/** What is kept of a recovery code; 80 random bits need no salt against guessing. */
export function recoveryHash(user: string, code: string): string {
  return hash("sha256", `${user} ${plainCode(code)}`, "hex");
}

/** Encrypts secrets with a key from the first signing key, and reads what any of them has encrypted. */
export class Sealer {
  readonly #keys: readonly Buffer[];

  constructor(keys: SigningKeys) {
    this.#keys = keys.map(({ privateKey }) =>
      Buffer.from(
        hkdfSync("sha256", privateKey.export({ type: "pkcs8", format: "der" }), "", "totp secrets", 32),
      ),
    );
  }

  /** The secret of a user, for the store; of no use for another user. */
  seal(user: string, secret: string): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(CIPHER, this.#keys[0] as Buffer, iv).setAAD(Buffer.from(user));
    const body = Buffer.concat([cipher.update(secret, "utf8"), cipher.final()]);
    return Buffer.concat([iv, cipher.getAuthTag(), body]).toString("base64url");
  }

  /** The secret, and whether an older key had encrypted it. Throws when none of the keys has. */
  open(user: string, sealed: string): { secret: string; old: boolean } {
    const bytes = Buffer.from(sealed, "base64url");
    for (const [n, key] of this.#keys.entries()) {
      const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, IV_BYTES))
        .setAAD(Buffer.from(user))
        .setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
      try {
        const body = bytes.subarray(IV_BYTES + TAG_BYTES);
        const secret = Buffer.concat([decipher.update(body), decipher.final()]).toString("utf8");
        return { secret, old: n > 0 };
      } catch {
        // Another key's.
      }
    }
    throw new Error(
      "The secret of a second factor was encrypted with a key that is in ADMIN_JWT_KEYS no longer: put it back at the end of the set, or let its owner set up another one (npm run admin -- reset-totp).",
    );
  }
}
