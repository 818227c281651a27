/** The second factor: set up, asked for, used once, guessed at, lost and taken away. */
import fc from "fast-check";
import { Secret, TOTP } from "otpauth";
import { generateKeySet, parseKeySet } from "../../lib/keys.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { newRecoveryCodes, plainCode, Sealer, stepOf } from "../../services/admin/totp.ts";
import { startOffice } from "../support/admin.ts";
import type { Administrator, Office } from "../support/admin.ts";
import { eventually } from "../support/eventually.ts";

const STEP = 30_000;

let office: Office;
/** The clock of the admin domain, ahead of the real one. */
let ahead = 0;

beforeAll(async () => {
  office = await startOffice();
  (office.broker.getLocalService("adminAuth") as unknown as { now: () => number }).now = () =>
    Date.now() + ahead;
}, 60_000);
afterAll(async () => office?.stop());

type Somebody = Awaited<ReturnType<Office["another"]>>;

const codeOf = (secret: string, steps = 0): string =>
  new TOTP({ secret }).generate({ timestamp: Date.now() + ahead + steps * STEP });

/** The clock goes on, so that the next code is another one. */
const wait = (): void => void (ahead += STEP);

const signIn = (who: Somebody, code?: string): Promise<string> =>
  office.outcome("POST", "/admin/auth/login", {
    body: { login: who.username, password: who.password, ...(code !== undefined && { code }) },
  });

const confirm = (token: string, code: string): Promise<string> =>
  office.outcome("POST", "/admin/auth/totp/confirm", { token, body: { code } });

const remove = (token: string, code: string): Promise<string> =>
  office.outcome("DELETE", "/admin/auth/totp", { token, body: { code } });

interface SetUp {
  admin: Administrator;
  secret: string;
  codes: string[];
}

/** Sets up the second factor of somebody and puts it in force. */
async function protect(who: Somebody): Promise<SetUp> {
  const admin = await office.admin(who.username, who.password);
  const { token } = admin;
  const { secret } = await office.ok<{ secret: string }>("POST", "/admin/auth/totp", { token });
  const { recoveryCodes } = await office.ok<{ recoveryCodes: string[] }>("POST", "/admin/auth/totp/confirm", {
    token,
    body: { code: codeOf(secret) },
  });
  wait();
  return { admin, secret, codes: recoveryCodes };
}

describe("setting up", () => {
  test("gives a secret, its address and a picture; a code puts it in force", async () => {
    const who = await office.another();
    const { token } = await office.admin(who.username, who.password);
    const made = await office.call<{ secret: string; uri: string; qr: string }>("POST", "/admin/auth/totp", {
      token,
    });
    expect(made.status).toBe(201);
    expect(made.headers["cache-control"]).toBe("no-store");
    const { secret, uri, qr } = made.body;
    expect(Secret.fromBase32(secret).bytes).toHaveLength(20);
    const url = new URL(uri);
    expect([url.protocol, url.host]).toEqual(["otpauth:", "totp"]);
    expect(Object.fromEntries(url.searchParams)).toMatchObject({ secret, digits: "6", period: "30" });
    expect(decodeURIComponent(url.pathname)).toContain(who.username);
    expect(qr).toMatch(/^<svg /);
    // Not in force yet: nobody is locked out by a picture that was not scanned.
    expect(await signIn(who)).toBe("200");
    expect(await confirm(token, "000000")).toBe("422 TOTP_INVALID");
    expect(await confirm(token, codeOf(secret, 5))).toBe("422 TOTP_INVALID");
    expect(await confirm(token, codeOf(secret))).toBe("200");
    expect(await confirm(token, codeOf(secret))).toBe("409 TOTP_ALREADY_SET");
    expect(await office.outcome("POST", "/admin/auth/totp", { token })).toBe("409 TOTP_ALREADY_SET");
    expect(await signIn(who)).toBe("401 TOTP_REQUIRED");
  });

  test("anew replaces a secret that was not confirmed; nothing is confirmed without one", async () => {
    const who = await office.another();
    const { token } = await office.admin(who.username, who.password);
    expect(await confirm(token, "123456")).toBe("409 TOTP_NOT_SET");
    expect(await remove(token, "123456")).toBe("409 TOTP_NOT_SET");
    const first = await office.ok<{ secret: string }>("POST", "/admin/auth/totp", { token });
    const second = await office.ok<{ secret: string }>("POST", "/admin/auth/totp", { token });
    expect(second.secret).not.toBe(first.secret);
    expect(await confirm(token, codeOf(first.secret))).toBe("422 TOTP_INVALID");
    expect(await confirm(token, codeOf(second.secret))).toBe("200");
  });

  test("two confirmations at once: one gives the recovery codes", async () => {
    const who = await office.another();
    const { token } = await office.admin(who.username, who.password);
    const { secret } = await office.ok<{ secret: string }>("POST", "/admin/auth/totp", { token });
    const code = codeOf(secret);
    const outcomes = await Promise.all([confirm(token, code), confirm(token, code)]);
    expect(outcomes.toSorted()).toEqual(["200", "409 TOTP_ALREADY_SET"]);
  });

  test("ends the sessions that were opened without it, and is told to every node", async () => {
    const who = await office.another();
    const before = await office.admin(who.username, who.password);
    const { admin } = await protect(who);
    const see = (token: string) => office.outcome("GET", "/admin/auth/session", { token });
    expect(await see(before.token)).toBe("401 INVALID_TOKEN");
    expect(await see(admin.token)).toBe("200");
    expect(runtimeOf(office.broker).live.hasTotp(who.id)).toBe(true);
    // So their work as an administrator goes through the admin gateway alone, whatever their password.
    const own = await office.public.ok<{ accessToken: string }>("POST", "/auth/login", {
      body: { login: who.username, password: who.password },
    });
    const { status, body } = await office.public.call("GET", "/users", { token: own.accessToken });
    expect([status, body]).toMatchObject([403, { code: "USE_ADMIN_GATEWAY" }]);
  });

  test("keeps neither the secret nor a recovery code as it is", async () => {
    const { secret, codes } = await protect(await office.another());
    const rows = [
      ...(await office.db.primary.all("SELECT * FROM admin_totp")),
      ...(await office.db.primary.all("SELECT * FROM admin_recovery_codes")),
      ...(await office.db.primary.all("SELECT * FROM outbox")),
    ];
    const kept = JSON.stringify(rows);
    for (const each of [secret, ...codes, ...codes.map(plainCode)]) expect(kept).not.toContain(each);
    expect(kept).not.toContain(Buffer.from(Secret.fromBase32(secret).bytes).toString("base64url"));
  });
});

describe("signing in", () => {
  test("a code is good once, one step either way, and never an older one than was used", async () => {
    const who = await office.another();
    const { secret } = await protect(who);
    wait();
    const [old, now, next] = [codeOf(secret, -1), codeOf(secret), codeOf(secret, 1)];
    expect(await signIn(who, codeOf(secret, -3))).toBe("401 TOTP_INVALID");
    expect(await signIn(who, now)).toBe("200");
    expect(await signIn(who, now)).toBe("401 TOTP_INVALID");
    expect(await signIn(who, old)).toBe("401 TOTP_INVALID");
    expect(await signIn(who, ` ${next.slice(0, 3)} ${next.slice(3)} `)).toBe("200");
    expect(await signIn(who, next)).toBe("401 TOTP_INVALID");
  });

  test("of two at once with one code one comes in", async () => {
    const who = await office.another();
    const { secret } = await protect(who);
    const code = codeOf(secret);
    const outcomes = await Promise.all([signIn(who, code), signIn(who, code), signIn(who, code)]);
    expect(outcomes.toSorted()).toEqual(["200", "401 TOTP_INVALID", "401 TOTP_INVALID"]);
  });

  test("a clock that jumps back does not make a used code good again", async () => {
    const who = await office.another();
    const { secret } = await protect(who);
    const code = codeOf(secret);
    expect(await signIn(who, code)).toBe("200");
    ahead -= STEP;
    expect(await signIn(who, code)).toBe("401 TOTP_INVALID");
    expect(await signIn(who, codeOf(secret))).toBe("401 TOTP_INVALID");
    ahead += 2 * STEP;
    expect(await signIn(who, codeOf(secret))).toBe("200");
  });

  test("five wrong codes lock for a while, which no sign-in by password takes back", async () => {
    const who = await office.another();
    const { secret } = await protect(who);
    for (let n = 0; n < 5; n++) {
      expect(await signIn(who, codeOf(secret, 10 + n))).toBe("401 TOTP_INVALID");
      // The right password on the public gateway forgets wrong passwords, and nothing else.
      await office.public.ok("POST", "/auth/login", {
        body: { login: who.username, password: who.password },
      });
    }
    const { headers, body } = await office.call("POST", "/admin/auth/login", {
      body: { login: who.username, password: who.password, code: codeOf(secret) },
    });
    expect(body).toMatchObject({ code: "ACCOUNT_LOCKED" });
    expect(Number(headers["retry-after"])).toBeGreaterThan(800);
    ahead += 15 * 60_000 + STEP;
    expect(await signIn(who, codeOf(secret))).toBe("200");
  });

  test("guesses at the same time are counted each", async () => {
    const who = await office.another();
    const { secret } = await protect(who);
    const guesses = Array.from({ length: 10 }, (_, n) => signIn(who, codeOf(secret, 20 + n)));
    const outcomes = await Promise.all(guesses);
    expect(outcomes.filter((each) => each === "401 TOTP_INVALID")).toHaveLength(5);
    expect(outcomes.filter((each) => each === "429 ACCOUNT_LOCKED")).toHaveLength(5);
  });

  test("without the right password a code says nothing, and is not used up", async () => {
    const who = await office.another();
    const { secret } = await protect(who);
    const code = codeOf(secret);
    expect(await signIn({ ...who, password: "a wrong passphrase" }, code)).toBe("401 INVALID_CREDENTIALS");
    expect(await signIn({ ...who, password: "a wrong passphrase" })).toBe("401 INVALID_CREDENTIALS");
    expect(await signIn(who, code)).toBe("200");
  });
});

describe("recovery codes", () => {
  test("ten, each good once, in place of a code, however it is written", async () => {
    const who = await office.another();
    const { codes, admin } = await protect(who);
    expect(new Set(codes).size).toBe(10);
    const [first, second, third] = codes as [string, string, string];
    expect(await signIn(who, first)).toBe("200");
    expect(await signIn(who, first)).toBe("401 TOTP_INVALID");
    expect(await signIn(who, second.toUpperCase().replaceAll("-", " "))).toBe("200");
    const both = await Promise.all([signIn(who, third), signIn(who, third)]);
    expect(both.toSorted()).toEqual(["200", "401 TOTP_INVALID"]);
    const shown = await office.ok("GET", "/admin/auth/session", { token: admin.token });
    expect(shown).toMatchObject({ totp: true, recoveryCodesLeft: 7 });
  });

  test("of one administrator are of no use for another", async () => {
    const [one, other] = [await office.another(), await office.another()];
    const { codes } = await protect(one);
    await protect(other);
    expect(await signIn(other, codes[0])).toBe("401 TOTP_INVALID");
    expect(await signIn(one, codes[0])).toBe("200");
  });
});

describe("taking it away", () => {
  test("needs a code, and leaves no recovery code behind", async () => {
    const who = await office.another();
    const { admin, secret, codes } = await protect(who);
    expect(await remove(admin.token, codeOf(secret, 9))).toBe("422 TOTP_INVALID");
    expect(await remove(admin.token, codes[0] as string)).toBe("204");
    expect(await signIn(who)).toBe("200");
    expect(runtimeOf(office.broker).live.hasTotp(who.id)).toBe(false);
    const again = await protect(who);
    expect(await signIn(who, codes[1])).toBe("401 TOTP_INVALID");
    expect(await signIn(who, again.codes[1])).toBe("200");
  });

  test("cannot be guessed with a stolen session", async () => {
    const who = await office.another();
    const { admin, secret } = await protect(who);
    for (let n = 0; n < 5; n++)
      expect(await remove(admin.token, codeOf(secret, 30 + n))).toBe("422 TOTP_INVALID");
    expect(await remove(admin.token, codeOf(secret))).toBe("429 ACCOUNT_LOCKED");
  });
});

describe("required of everybody", () => {
  test("who has none may set it up and nothing else, also in open sessions", async () => {
    const who = await office.another();
    const { token } = await office.admin(who.username, who.password);
    const settings = (as: string): Promise<string> => office.outcome("GET", "/admin/settings", { token: as });
    const set = async (as: string, value: boolean): Promise<void> => {
      await office.ok("PUT", "/admin/settings/admin.requireTotp", { token: as, body: { value } });
    };
    expect(await settings(token)).toBe("200");
    const boss = (await protect(await office.another())).admin;
    await set(boss.token, true);
    expect(await settings(token)).toBe("403 TOTP_SETUP_REQUIRED");
    expect(await office.outcome("GET", "/admin/auth/session", { token })).toBe("200");
    const fresh = await office.admin(who.username, who.password);
    expect(await settings(fresh.token)).toBe("403 TOTP_SETUP_REQUIRED");
    // On the public gateway nothing of an administrator's goes any more.
    const publicly = await office.public.admin();
    const refused = await office.public.call("GET", "/users", { token: publicly.token });
    expect([refused.status, refused.body]).toMatchObject([403, { code: "USE_ADMIN_GATEWAY" }]);
    const { secret } = await office.ok<{ secret: string }>("POST", "/admin/auth/totp", {
      token: fresh.token,
    });
    expect(await settings(fresh.token)).toBe("403 TOTP_SETUP_REQUIRED");
    expect(await confirm(fresh.token, codeOf(secret))).toBe("200");
    expect(await settings(fresh.token)).toBe("200");
    await set(boss.token, false);
    await eventually(async () => {
      const { status } = await office.public.call("GET", "/users", { token: publicly.token });
      return status === 200 || undefined;
    });
  });
});

describe("the parts", () => {
  test("a code belongs to its own step and its neighbours' windows alone", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1e12, max: 4e12 }), fc.integer({ min: -4, max: 4 }), (now, off) => {
        const secret = new Secret({ size: 20 }).base32;
        const code = new TOTP({ secret }).generate({ timestamp: now + off * STEP });
        const step = stepOf(secret, code, now);
        if (Math.abs(off) <= 1) expect(step).not.toBeNull();
        // Another step's code may be the same by chance; then the step is one of those around now.
        if (step !== null) expect(Math.abs(step - Math.floor(now / STEP))).toBeLessThanOrEqual(1);
      }),
    );
  });

  test("the test vectors of RFC 6238", () => {
    const secret = Secret.fromUTF8("12345678901234567890").base32;
    for (const [seconds, code] of [
      [59, "287082"],
      [1_111_111_109, "081804"],
      [2_000_000_000, "279037"],
    ] as const)
      expect(stepOf(secret, code, seconds * 1000)).toBe(Math.floor(seconds / 30));
  });

  test("what one key has sealed another reads while the first is in the set, for the same user alone", () => {
    const [old, fresh] = [generateKeySet("ES256"), generateKeySet("ES256")];
    const keys = (...sets: { keys: object[] }[]) =>
      parseKeySet(JSON.stringify({ keys: sets.flatMap((set) => set.keys) }), "KEYS");
    const sealed = new Sealer(keys(old)).seal("ann", "SECRET");
    expect(new Sealer(keys(fresh, old)).open("ann", sealed)).toEqual({ secret: "SECRET", old: true });
    expect(new Sealer(keys(old)).open("ann", sealed)).toEqual({ secret: "SECRET", old: false });
    expect(() => new Sealer(keys(old)).open("bob", sealed)).toThrow(/ADMIN_JWT_KEYS/);
    expect(() => new Sealer(keys(fresh)).open("ann", sealed)).toThrow(/ADMIN_JWT_KEYS/);
    const changed = `${sealed.slice(0, -2)}${sealed.endsWith("AA") ? "BB" : "AA"}`;
    expect(() => new Sealer(keys(old)).open("ann", changed)).toThrow(/ADMIN_JWT_KEYS/);
  });

  test("recovery codes are long, and no six digits", () => {
    for (const code of newRecoveryCodes()) {
      expect(code).toMatch(/^[a-z2-7]{4}(-[a-z2-7]{4}){3}$/);
      expect(plainCode(code)).toHaveLength(16);
    }
  });
});
