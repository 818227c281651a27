/**
 * The keys that sign access tokens: one JWK set (RFC 7517), whose public half verifies them (tokens.ts). The algorithm
 * follows from the key. Why RS256 is the default: docs/decisions/0003-token-algorithm.md.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import jwt from "jsonwebtoken";

export const ALGORITHMS = ["ES256", "RS256"] as const;
export type Algorithm = (typeof ALGORITHMS)[number];
export const DEFAULT_ALGORITHM: Algorithm = "RS256";

/** One key of a set, private or public. */
export interface Jwk {
  kty?: string;
  kid?: string;
  alg?: string;
  use?: string;
  [member: string]: unknown;
}
export interface JwkSet {
  keys: Jwk[];
}

export interface SigningKey {
  kid: string;
  algorithm: Algorithm;
  privateKey: KeyObject;
  publicJwk: Jwk;
}
/** The first signs, all verify. */
export type SigningKeys = readonly [SigningKey, ...SigningKey[]];

/** A new private key as a JWK set, for example for a first start. */
export function generateKeySet(algorithm: Algorithm = DEFAULT_ALGORITHM): JwkSet {
  const { privateKey } =
    algorithm === "ES256"
      ? generateKeyPairSync("ec", { namedCurve: "P-256" })
      : generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk: Jwk = privateKey.export({ format: "jwk" });
  return { keys: [{ ...jwk, kid: thumbprint(jwk), alg: algorithm, use: "sig" }] };
}

/**
 * The keys of a JWK set in JSON: private, ES256 or RS256 of at least 2048 bits. A key without `kid` is named by its
 * thumbprint. Throws an Error with a sentence that names `variableName` and repeats nothing of `text`.
 */
export function parseKeySet(text: string, variableName: string): SigningKeys {
  const fail = (what: string): never => {
    throw new Error(
      `${variableName} ${what}; it takes a JWK set of private keys: {"keys":[…]}, each ES256 or RS256.`,
    );
  };
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch {
    return fail("is not JSON");
  }
  if (!isRecord(set) || !Array.isArray(set.keys)) return fail("has no list `keys`");
  const keys = set.keys.map((jwk: unknown, index) =>
    signingKey(jwk, (what) => fail(`has a key (number ${index + 1}) that ${what}`)),
  );
  if (new Set(keys.map((key) => key.kid)).size < keys.length) fail("has two keys of one `kid`");
  const [first, ...others] = keys;
  return first ? [first, ...others] : fail("has no key");
}

function signingKey(jwk: unknown, fail: (what: string) => never): SigningKey {
  if (!isJwk(jwk)) return fail("is not a private key");
  const privateKey =
    importKey(() => createPrivateKey({ key: jwk, format: "jwk" })) ?? fail("is not a private key");
  const algorithm =
    algorithmOf(privateKey) ?? fail("is neither on the curve P-256 nor RSA of at least 2048 bits");
  if (jwk.alg !== undefined && jwk.alg !== algorithm) fail(`says another \`alg\` than its own, ${algorithm}`);
  if (jwk.use !== undefined && jwk.use !== "sig") fail('is not for signing (`use` is not "sig")');
  if (jwk.kid === "") fail("has an empty `kid`");
  const publicKey = createPublicKey({ key: publicMembers(jwk), format: "jwk" });
  try {
    // The halves of a key come apart by copying: better found at boot than by the first who signs in.
    jwt.verify(jwt.sign({}, privateKey, { algorithm }), publicKey, { algorithms: [algorithm] });
  } catch {
    fail("does not verify what it signs");
  }
  const kid = jwk.kid ?? thumbprint(jwk);
  return {
    kid,
    algorithm,
    privateKey,
    publicJwk: { ...publicMembers(jwk), kid, alg: algorithm, use: "sig" },
  };
}

export interface VerifyingKey {
  algorithm: Algorithm;
  publicKey: KeyObject;
}

/**
 * Public keys by their `kid`. Throws when the set holds no key that can be used, as when the answer was another thing
 * altogether.
 */
export function verifyingKeys(set: JwkSet): Map<string, VerifyingKey> {
  const keys = new Map<string, VerifyingKey>();
  for (const jwk of set.keys) {
    const publicKey = importKey(() => createPublicKey({ key: publicMembers(jwk), format: "jwk" }));
    const algorithm = publicKey && algorithmOf(publicKey);
    if (publicKey && algorithm && jwk.kid) keys.set(jwk.kid, { algorithm, publicKey });
  }
  if (keys.size === 0) throw new Error("The set of public keys has no key that can be used.");
  return keys;
}

/** Whether it has members. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isJwk(value: unknown): value is Jwk {
  const texts = ["kty", "kid", "alg", "use"];
  return (
    isRecord(value) && texts.every((name) => value[name] === undefined || typeof value[name] === "string")
  );
}

function algorithmOf(key: KeyObject): Algorithm | undefined {
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === "ec" && details?.namedCurve === "prime256v1") return "ES256";
  if (key.asymmetricKeyType === "rsa" && (details?.modulusLength ?? 0) >= 2048) return "RS256";
  return undefined;
}

function importKey(make: () => KeyObject): KeyObject | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

/** The members that make a public key and its thumbprint, in the order that RFC 7638 wants. */
function publicMembers({ kty, crv, x, y, n, e }: Jwk): Record<string, unknown> & { kty?: string } {
  return kty === "EC" ? { crv, kty, x, y } : { e, kty, n };
}

/** RFC 7638. */
function thumbprint(jwk: Jwk): string {
  return createHash("sha256")
    .update(JSON.stringify(publicMembers(jwk)))
    .digest("base64url");
}
