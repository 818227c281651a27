import { createHash, createHmac, createPublicKey, generateKeyPairSync } from "node:crypto";
import jwt from "jsonwebtoken";
import {
  ALGORITHMS,
  generateKeySet,
  parseKeySet,
  type Jwk,
  type JwkSet,
  type SigningKeys,
} from "../../lib/keys.ts";
import { KeysUnavailableError, Signer, TokenError, Verifier } from "../../lib/tokens.ts";

const START = Date.UTC(2025, 8, 1);
const es = generateKeySet("ES256");
const rs = generateKeySet("RS256");
const person = { sub: "u1", sid: "s1" };

const set = (...keys: unknown[]) => JSON.stringify({ keys });
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
const keysOf = (...sets: JwkSet[]): SigningKeys =>
  parseKeySet(JSON.stringify({ keys: sets.flatMap(({ keys }) => keys) }), "JWT_KEYS");

/** A signer and a verifier that share a clock, and a count of how often the keys were fetched. */
function pair(keys: SigningKeys, audience = "public") {
  const state = { now: START, fetched: 0, keys, fails: false };
  const now = () => state.now;
  const verifier = new Verifier(
    audience,
    () => {
      state.fetched += 1;
      return state.fails
        ? Promise.reject(new Error("users is away"))
        : Promise.resolve(new Signer(state.keys, audience).publicJwks());
    },
    { now, cacheSize: 3 },
  );
  return { state, verifier, signer: new Signer(keys, audience, now) };
}

const invalid = expect.objectContaining({ name: "TokenError", reason: "invalid" });
const expired = expect.objectContaining({ name: "TokenError", reason: "expired" });

describe("key sets", () => {
  test("a generated set is accepted and has a private key with kid and alg", () => {
    for (const algorithm of ALGORITHMS) {
      const [key] = parseKeySet(JSON.stringify(generateKeySet(algorithm)), "JWT_KEYS");
      expect(key.algorithm).toBe(algorithm);
      expect(key.kid).toMatch(/^[\w-]{43}$/);
    }
    expect(generateKeySet().keys[0]).toMatchObject({ alg: "RS256" });
  });

  test("public keys carry no private member", () => {
    const { keys } = new Signer(keysOf(es, rs), "public").publicJwks();
    expect(keys.map((key) => Object.keys(key).toSorted())).toEqual([
      ["alg", "crv", "kid", "kty", "use", "x", "y"],
      ["alg", "e", "kid", "kty", "n", "use"],
    ]);
  });

  test("the thumbprint is that of RFC 7638, section 3.1", () => {
    const n =
      "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3okn" +
      "jhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qM" +
      "QvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJ" +
      "zKnqDKgw";
    // Its private half is not published, so the name is seen on a key of ours and computed on the example by hand.
    const canonical = `{"e":"AQAB","kty":"RSA","n":"${n}"}`;
    expect(createHash("sha256").update(canonical).digest("base64url")).toBe(
      "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
    );
    const own = rs.keys[0]!;
    const ownCanonical = `{"e":"${String(own.e)}","kty":"RSA","n":"${String(own.n)}"}`;
    expect(own.kid).toBe(createHash("sha256").update(ownCanonical).digest("base64url"));
    const { kid: _, ...nameless } = own;
    expect(keysOf({ keys: [nameless] })[0].kid).toBe(own.kid);
  });

  const rsaKey = rs.keys[0]!;
  const ecKey = es.keys[0]!;
  const otherEc = generateKeySet("ES256").keys[0]!;
  const small: Jwk = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey.export({ format: "jwk" });
  const p384: Jwk = generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey.export({ format: "jwk" });
  const ed: Jwk = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  test.each<[string, string, RegExp]>([
    ["no JSON", "-----BEGIN s3cret", /is not JSON/],
    ["null", "null", /no list/],
    ["no list", "{}", /no list/],
    ["an empty list", set(), /no key/],
    ["a thing that is no key", set(7), /not a private key/],
    ["a public key", set({ kty: ecKey.kty, crv: ecKey.crv, x: ecKey.x, y: ecKey.y }), /not a private key/],
    ["a secret", set({ kty: "oct", k: "s3cret" }), /not a private key/],
    ["another curve", set(p384), /neither/],
    ["Ed25519", set(ed), /neither/],
    ["a short RSA key", set(small), /2048/],
    ["a wrong alg", set({ ...rsaKey, alg: "ES256" }), /another `alg`/],
    ["a key for encryption", set({ ...rsaKey, use: "enc" }), /not for signing/],
    ["halves of two keys", set({ ...ecKey, d: otherEc.d }), /(does not verify|not a private key)/],
    ["a kid that is a number", set({ ...ecKey, kid: 7 }), /not a private key/],
    ["an empty kid", set({ ...ecKey, kid: "" }), /kid/],
    ["a kid twice", set(ecKey, { ...rsaKey, kid: ecKey.kid }), /two keys/],
  ])("%s is refused with a sentence that names the variable and no secret", (_, text, reason) => {
    let message = "";
    try {
      parseKeySet(text, "ADMIN_JWT_KEYS");
    } catch (error) {
      message = String(error);
    }
    expect(message).toMatch(reason);
    expect(message).toMatch(/^Error: ADMIN_JWT_KEYS .*it takes a JWK set/);
    expect(message).not.toContain("s3cret");
    for (const secret of [ecKey.d, rsaKey.d, small.d]) expect(message).not.toContain(String(secret));
  });
});

describe.each([
  ["ES256", es],
  ["RS256", rs],
])("tokens by %s", (algorithm, own) => {
  test("what was signed is verified, once", async () => {
    const { signer, verifier, state } = pair(keysOf(own));
    const token = signer.sign(person, 600);
    expect(verifier.cached(token)).toBeUndefined();
    const claims = await verifier.verify(token);
    expect(claims).toEqual({ ...person, aud: "public", iat: START / 1000, exp: START / 1000 + 600 });
    expect(verifier.cached(token)).toBe(claims);
    expect(await verifier.verify(token)).toBe(claims);
    expect(state.fetched).toBe(1);
    expect(jwt.decode(token, { complete: true })?.header).toMatchObject({
      alg: algorithm,
      kid: own.keys[0]?.kid,
    });
  });

  test("expires, from the cache too", async () => {
    const { signer, verifier, state } = pair(keysOf(own));
    const token = signer.sign(person, 600);
    const late = signer.sign({ sub: "u2", sid: "s2" }, 600);
    await verifier.verify(token);
    state.now += 599_999;
    expect(verifier.cached(token)).toBeDefined();
    state.now += 1;
    expect(verifier.cached(token)).toBeUndefined();
    await expect(verifier.verify(token)).rejects.toEqual(expired);
    await expect(verifier.verify(late)).rejects.toEqual(expired);
  });

  test("a token of another audience, key or content is invalid", async () => {
    const keys = keysOf(own);
    const { verifier } = pair(keys);
    const [{ privateKey, kid }] = keys;
    const sign = (claims: object, options: jwt.SignOptions = {}) =>
      jwt.sign({ exp: START / 1000 + 600, aud: "public", ...claims }, privateKey, {
        algorithm: keys[0].algorithm,
        keyid: kid,
        ...options,
      });
    const good = sign(person);
    await expect(verifier.verify(good)).resolves.toMatchObject(person);
    const [head, body, signature] = good.split(".");
    const forged = Buffer.from(JSON.stringify({ ...person, sub: "admin", aud: "public", exp: 9e9 })).toString(
      "base64url",
    );
    const other = generateKeySet(keys[0].algorithm);
    const foreign = new Signer(keysOf({ keys: [{ ...other.keys[0], kid }] }), "public", () => START);
    const bad = {
      audience: sign({ ...person, aud: "admin" }),
      audiences: sign({ ...person, aud: ["public", "admin"] }),
      noAudience: jwt.sign({ ...person, exp: START / 1000 + 600 }, privateKey, {
        algorithm: keys[0].algorithm,
        keyid: kid,
      }),
      noExpiry: jwt.sign({ ...person, aud: "public" }, privateKey, {
        algorithm: keys[0].algorithm,
        keyid: kid,
      }),
      noSub: sign({ sid: "s1" }),
      noSid: sign({ sub: "u1" }),
      emptySid: sign({ sub: "u1", sid: "" }),
      noKid: jwt.sign({ ...person, aud: "public", exp: 9e9 }, privateKey, { algorithm: keys[0].algorithm }),
      changedBody: `${head}.${forged}.${signature}`,
      noSignature: `${head}.${body}.`,
      foreignKey: foreign.sign(person, 600),
      notBefore: sign({ ...person, nbf: START / 1000 + 60 }),
      tooLong: sign({ ...person, more: "x".repeat(3000) }),
    };
    for (const [name, token] of Object.entries(bad)) {
      await expect(verifier.verify(token).catch((error: unknown) => [name, error])).resolves.toEqual([
        name,
        invalid,
      ]);
      expect(verifier.cached(token)).toBeUndefined();
    }
  });
});

test("no algorithm but the key's own: none, HMAC with the public key, the other family", async () => {
  const keys = keysOf(es, rs);
  const { verifier } = pair(keys);
  const body = part({ ...person, aud: "public", exp: 9e9 });
  for (const { kid, privateKey, algorithm } of keys) {
    const pem = createPublicKey(privateKey).export({ type: "spki", format: "pem" });
    const hmacHead = part({ alg: "HS256", kid });
    const hmac = createHmac("sha256", pem).update(`${hmacHead}.${body}`).digest("base64url");
    const good = jwt.sign({ ...person, aud: "public", exp: 9e9 }, privateKey, { algorithm, keyid: kid });
    const rest = good.slice(good.indexOf("."));
    const tokens = [
      `${hmacHead}.${body}.${hmac}`,
      `${part({ alg: "none", kid })}.${body}.`,
      `${part({ alg: "None", kid })}.${body}.AA`,
      `${part({ alg: algorithm === "ES256" ? "RS256" : "ES256", kid })}${rest}`,
      ...(algorithm === "RS256"
        ? (["RS384", "PS256"] as const).map((alg) =>
            jwt.sign({ ...person, aud: "public", exp: 9e9 }, privateKey, { algorithm: alg, keyid: kid }),
          )
        : []),
    ];
    for (const token of tokens) await expect(verifier.verify(token)).rejects.toEqual(invalid);
    await expect(verifier.verify(good)).resolves.toMatchObject(person);
  }
});

test.each(["", ".", "..", "a.b.c", "bnVsbA.bnVsbA.AA", "e30.e30.AA", "x".repeat(100_000)])(
  "what is no token at all costs no fetch: %#",
  async (text) => {
    const { verifier, state } = pair(keysOf(rs));
    await expect(verifier.verify(text)).rejects.toEqual(invalid);
    expect(state.fetched).toBe(0);
  },
);

describe("where the keys come from", () => {
  test("an unknown kid fetches again, at most once in 10 s, and together", async () => {
    const { verifier, state, signer } = pair(keysOf(rs));
    await verifier.verify(signer.sign(person, 600));
    const rotated = new Signer(keysOf(es, rs), "public", () => START).sign(person, 600);
    state.keys = keysOf(rs, es);
    await expect(verifier.verify(rotated)).rejects.toEqual(invalid);
    expect(state.fetched).toBe(1);
    state.now += 10_000;
    const answers = await Promise.all([1, 2, 3].map(() => verifier.verify(rotated)));
    expect(answers).toHaveLength(3);
    expect(state.fetched).toBe(2);
    // and tokens of the older key go on
    await expect(verifier.verify(signer.sign({ sub: "u2", sid: "s2" }, 600))).resolves.toBeDefined();
    expect(state.fetched).toBe(2);
  });

  test("a failing fetch is no verdict on the token, and is tried again after a second", async () => {
    const { verifier, state, signer } = pair(keysOf(rs));
    state.fails = true;
    const token = signer.sign(person, 600);
    const failure: unknown = await verifier.verify(token).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(KeysUnavailableError);
    expect(failure).not.toBeInstanceOf(TokenError);
    expect(failure).toHaveProperty("cause", new Error("users is away"));
    state.fails = false;
    await expect(verifier.verify(token)).rejects.toBeInstanceOf(KeysUnavailableError);
    expect(state.fetched).toBe(1);
    state.now += 1000;
    await expect(verifier.verify(token)).resolves.toMatchObject(person);
    expect(state.fetched).toBe(2);
  });

  test("known keys go on while fetching fails; an unknown one is unavailable, not invalid", async () => {
    const { verifier, state, signer } = pair(keysOf(rs));
    await verifier.verify(signer.sign(person, 600));
    state.fails = true;
    state.now += 10_000;
    const unknown = new Signer(keysOf(es), "public", () => state.now).sign(person, 600);
    await expect(verifier.verify(unknown)).rejects.toBeInstanceOf(KeysUnavailableError);
    await expect(verifier.verify(signer.sign({ sub: "u2", sid: "s2" }, 600))).resolves.toBeDefined();
  });

  test("a key taken out of the set stops counting within minutes, with what it had signed", async () => {
    const { verifier, state } = pair(keysOf(rs, es));
    const old = new Signer(keysOf(rs), "public", () => START).sign(person, 3600);
    const current = new Signer(keysOf(es), "public", () => START);
    await verifier.verify(old);
    state.keys = keysOf(es);
    state.now += 300_000;
    await verifier.verify(current.sign(person, 3600)); // starts the fetch beside itself
    await new Promise(setImmediate);
    expect(state.fetched).toBe(2);
    expect(verifier.cached(old)).toBeUndefined();
    await expect(verifier.verify(old)).rejects.toEqual(invalid);
  });

  test("an answer without a usable key counts as a failure", async () => {
    const junk = {
      keys: [
        { kty: "oct", kid: "k", k: "AA" },
        { kty: "RSA", kid: "r", n: "AQAB", e: "AQAB" },
      ],
    };
    const token = new Signer(keysOf(rs), "public").sign(person, 600);
    await expect(new Verifier("public", () => Promise.resolve(junk)).verify(token)).rejects.toBeInstanceOf(
      KeysUnavailableError,
    );
  });
});

test("the cache is bounded", async () => {
  const { verifier, signer } = pair(keysOf(rs));
  const tokens = [1, 2, 3, 4].map((n) => signer.sign({ sub: `u${n}`, sid: "s" }, 600));
  for (const token of tokens) await verifier.verify(token);
  expect(tokens.map((token) => verifier.cached(token) !== undefined)).toEqual([false, true, true, true]);
});
