/** Refresh tokens against a model of the rules, and sessions over HTTP. */
import fc from "fast-check";
import { newId } from "../../lib/ids.ts";
import {
  endSessions,
  findSession,
  openSession,
  revokedSince,
  rotate,
} from "../../services/users/session-store.ts";
import { sweepDaily, sweepOften } from "../../services/users/sweeps.ts";
import { eventually } from "../support/federation.ts";
import { signIn, startHouse, unique } from "../support/users.ts";
import type { House } from "../support/users.ts";

const DAY = 24 * 3_600_000;

let house: House;
beforeAll(async () => {
  house = await startHouse();
});
afterAll(() => house.stop());

interface Known {
  token: string;
  state: "current" | "spent" | "replaced";
  spentAt: number;
  successor: Known | null;
}

/** The rules, with all that ever happened to a session at hand. */
class Model {
  readonly tokens: Known[] = [];
  ended = false;
  expires: number;
  readonly latest: number;

  constructor(token: string, now: number) {
    this.latest = now + 180 * DAY;
    this.expires = now + 30 * DAY;
    this.issue(token);
  }

  issue(token: string): Known {
    const known: Known = { token, state: "current", spentAt: 0, successor: null };
    this.tokens.push(known);
    return known;
  }

  /** What presenting a token brings; `take` tells the model of the new one. */
  present(known: Known, now: number): { outcome: string; take?: (token: string) => void } {
    if (this.ended) return { outcome: "ended" };
    if (now >= this.expires) return { outcome: "invalid" };
    if (known.state === "replaced") return { outcome: "invalid" };
    const first = known.state === "current";
    const graced =
      known.state === "spent" && now - known.spentAt <= 10_000 && known.successor?.state === "current";
    if (!first && !graced) {
      this.ended = true;
      return { outcome: "reused" };
    }
    const take = (token: string): void => {
      if (first) Object.assign(known, { state: "spent", spentAt: now });
      else if (known.successor) known.successor.state = "replaced";
      known.successor = this.issue(token);
      this.expires = Math.min(now + 30 * DAY, this.latest);
    };
    return { outcome: "rotated", take };
  }
}

const step = fc.record({
  wait: fc.constantFrom(0, 0, 1, 5_000, 5_000, 9_999, 10_000, 10_001, 60_000, 25 * DAY, 30 * DAY),
  /** Counted from the newest, since that is where the rules are. */
  back: fc.integer({ min: 0, max: 4 }),
});

async function newSession(now: number) {
  const user = newId();
  const opened = await house.db.transaction((tx) =>
    openSession(tx, user, { address: "::1", device: "d" }, now),
  );
  return { user, ...opened };
}

test("refresh tokens do as the model says", async () => {
  const seen = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      let now = Date.now();
      const { user, sid, refreshToken } = await newSession(now);
      const model = new Model(refreshToken, now);
      for (const { wait, back } of steps) {
        now += wait;
        const known = model.tokens[Math.max(0, model.tokens.length - 1 - back)] as Known;
        const expected = model.present(known, now);
        const rotation = await rotate(house.db, known.token, undefined, now);
        expect(rotation.outcome).toBe(expected.outcome);
        seen.set(rotation.outcome, (seen.get(rotation.outcome) ?? 0) + 1);
        if (rotation.outcome === "rotated") expected.take?.(rotation.refreshToken);
        if (rotation.outcome === "reused")
          await house.db.transaction((tx) => endSessions(tx, user, { only: sid }));
        expect((await findSession(house.db.primary, user, sid))?.ended_at === null).toBe(!model.ended);
      }
    }),
    { numRuns: 100 },
  );
  expect([...seen.keys()].toSorted()).toEqual(["ended", "invalid", "reused", "rotated"]);
}, 60_000);

test("a token changed anywhere is none, and ends nothing", async () => {
  const now = Date.now();
  const { user, sid, refreshToken } = await newSession(now);
  await fc.assert(
    fc.asyncProperty(
      fc.nat(refreshToken.length - 1),
      fc.base64String({ minLength: 4, maxLength: 4 }),
      async (at, text) => {
        const char = text[0] as string;
        const changed = refreshToken.slice(0, at) + char + refreshToken.slice(at + 1);
        fc.pre(changed !== refreshToken);
        expect((await rotate(house.db, changed, undefined, now)).outcome).toBe("invalid");
      },
    ),
    { numRuns: 200 },
  );
  expect((await findSession(house.db.primary, user, sid))?.ended_at).toBeNull();
  expect((await rotate(house.db, refreshToken, undefined, now)).outcome).toBe("rotated");
});

test("of many at once each gets a pair, and one of them is good", async () => {
  const now = Date.now();
  const { refreshToken } = await newSession(now);
  const all = await Promise.all(
    Array.from({ length: 10 }, () => rotate(house.db, refreshToken, undefined, now)),
  );
  const pairs = all.flatMap((each) => (each.outcome === "rotated" ? [each.refreshToken] : []));
  expect(pairs).toHaveLength(10);
  const next = [];
  for (const token of pairs) next.push((await rotate(house.db, token, undefined, now)).outcome);
  expect(next.toSorted()).toEqual([...Array<string>(9).fill("invalid"), "rotated"]);
});

describe("over HTTP", () => {
  const refresh = (refreshToken: string) =>
    house.call<{ accessToken: string; refreshToken: string; user: { id: string } }>("POST", "/auth/refresh", {
      body: { refreshToken },
    });
  const outcome = (refreshToken: string) =>
    house.outcome("POST", "/auth/refresh", { body: { refreshToken } });
  const me = (token: string) => house.outcome("GET", "/users/me", { token });
  const refused = (token: string) =>
    eventually(async () => ((await me(token)) === "401 INVALID_TOKEN" ? true : undefined), 1_500);

  test("a new pair; the spent token ends the session when it comes again later", async () => {
    const person = await house.federation.register(`u${unique()}`);
    const second = await refresh(person.refreshToken);
    expect(second).toMatchObject({ status: 200, body: { user: { id: person.id }, expiresIn: 600 } });
    expect(second.headers["cache-control"]).toBe("no-store");
    expect(await me(second.body.accessToken)).toBe("200");
    await house.db.primary.run("UPDATE sessions SET spent_at = spent_at - 11000 WHERE user_id = :id", {
      id: person.id,
    });
    expect(await outcome(person.refreshToken)).toBe("401 REFRESH_REUSED");
    expect(await outcome(second.body.refreshToken)).toBe("401 INVALID_TOKEN");
    await refused(second.body.accessToken);
    await refused(person.token);
  });

  test("within ten seconds it gives a new pair, and the one so replaced is refused and revokes nothing", async () => {
    const person = await house.federation.register(`u${unique()}`);
    const lost = await refresh(person.refreshToken);
    const again = await refresh(person.refreshToken);
    expect(again.status).toBe(200);
    expect(await outcome(lost.body.refreshToken)).toBe("401 INVALID_TOKEN");
    expect((await refresh(again.body.refreshToken)).status).toBe(200);
    // Its successor was presented: no grace any more.
    expect(await outcome(person.refreshToken)).toBe("401 REFRESH_REUSED");
  });

  test("what is no token", async () => {
    expect(await outcome("garbage")).toBe("401 INVALID_TOKEN");
    expect(await outcome("A".repeat(107))).toBe("401 INVALID_TOKEN");
    expect(await house.outcome("POST", "/auth/refresh", { body: {} })).toBe("422 VALIDATION_FAILED");
  });

  test("an expired one", async () => {
    const person = await house.federation.register(`u${unique()}`);
    await house.db.primary.run("UPDATE sessions SET expires_at = 1 WHERE user_id = :id", { id: person.id });
    expect(await outcome(person.refreshToken)).toBe("401 INVALID_TOKEN");
  });

  test("of someone suspended", async () => {
    const person = await house.federation.register(`u${unique()}`);
    const { token } = await house.federation.admin();
    const body = { status: "suspended", reason: "A test." };
    await house.federation.ok("PUT", `/users/${person.id}/status`, { token, body });
    await refused(person.token);
    expect(await outcome(person.refreshToken)).toBe("403 ACCOUNT_SUSPENDED");
    await house.federation.ok("PUT", `/users/${person.id}/status`, {
      token,
      body: { ...body, status: "active" },
    });
    // The session stays ended.
    expect(await outcome(person.refreshToken)).toBe("401 INVALID_TOKEN");
  });

  test("signing out ends this session alone", async () => {
    const person = await house.federation.register(`u${unique()}`);
    const other = await signIn(house, person);
    expect(await house.outcome("POST", "/auth/logout", { token: person.token })).toBe("204");
    await refused(person.token);
    expect(await outcome(person.refreshToken)).toBe("401 INVALID_TOKEN");
    expect(await me(other.token)).toBe("200");
    expect(await house.outcome("POST", "/auth/logout")).toBe("401 UNAUTHENTICATED");
  });

  test("sessions are listed in pages and ended one by one", async () => {
    const person = await house.federation.register(`u${unique()}`);
    const agent = { "user-agent": "Phone" };
    const body = { login: person.username, password: person.password };
    const { body: phone } = await house.call<{ accessToken: string }>("POST", "/auth/login", {
      body,
      headers: agent,
    });
    interface Page {
      items: { id: string; device: string; address: string; current: boolean; createdAt: string }[];
      nextCursor: string | null;
    }
    const { token } = person;
    const first = await house.federation.ok<Page>("GET", "/auth/sessions?limit=1", { token });
    expect(first.items).toEqual([
      expect.objectContaining({ device: "Phone", address: "127.0.0.1", current: false }),
    ]);
    const second = await house.federation.ok<Page>("GET", `/auth/sessions?cursor=${first.nextCursor}`, {
      token,
    });
    expect(second).toMatchObject({ items: [{ current: true }], nextCursor: null });
    expect(await house.outcome("GET", "/auth/sessions?cursor=x", { token })).toBe("422 INVALID_CURSOR");
    expect(await house.outcome("GET", "/auth/sessions")).toBe("401 UNAUTHENTICATED");

    const target = `/auth/sessions/${first.items[0]?.id}`;
    const stranger = await house.federation.register(`u${unique()}`);
    expect(await house.outcome("DELETE", target, { token: stranger.token })).toBe("404 NOT_FOUND");
    expect(await house.outcome("DELETE", target, { token })).toBe("204");
    expect(await house.outcome("DELETE", target, { token })).toBe("404 NOT_FOUND");
    expect(await house.outcome("DELETE", "/auth/sessions/none", { token })).toBe("422 VALIDATION_FAILED");
    expect(await house.outcome("DELETE", target)).toBe("401 UNAUTHENTICATED");
    await refused(phone.accessToken);
    expect(await me(token)).toBe("200");
  });

  test("keys are public", async () => {
    const { status, body } = await house.call<{ keys: Record<string, unknown>[] }>(
      "GET",
      "/.well-known/jwks.json",
    );
    expect(status).toBe(200);
    expect(body.keys).toEqual([
      expect.objectContaining({ kty: "RSA", use: "sig", kid: expect.any(String) as string }),
    ]);
    expect(body.keys[0]).not.toHaveProperty("d");
  });
});

describe("revocations", () => {
  test("are told again for a while, since one may be committed after its time", async () => {
    const now = Date.now();
    const { user, sid } = await newSession(now);
    const before = await revokedSince(house.db.primary, now);
    await house.db.transaction((tx) => endSessions(tx, user));
    // As if it had begun 20 s before it was committed.
    await house.db.primary.run(
      "UPDATE session_revocations SET revoked_at = revoked_at - 20000 WHERE sid = :sid",
      { sid },
    );
    const { sids } = await revokedSince(house.db.primary, before.now);
    expect(sids.map((each) => each.sid)).toContain(sid);
    await sweepOften(house.db.primary, now + 16 * 60_000);
    expect((await revokedSince(house.db.primary, 0)).sids).toEqual([]);
  });

  test("for operators: sessions of a user, and their end", async () => {
    const person = await house.federation.register(`u${unique()}`);
    const { broker } = house.federation;
    for (const user of [person.id, person.username, person.email])
      expect(await broker.call("sessions.ofUser", { user })).toHaveLength(1);
    expect(await broker.call("sessions.endOfUser", { user: person.username })).toMatchObject({ ended: 1 });
    expect(await broker.call("sessions.ofUser", { user: person.id })).toEqual([]);
    await expect(broker.call("sessions.ofUser", { user: "nobody-there" })).rejects.toMatchObject({
      type: "NOT_FOUND",
    });
  });
});

test("no session outlives 180 days, and sweeping takes what is over", async () => {
  const start = Date.now();
  const { user, sid, refreshToken } = await newSession(start);
  let token = refreshToken;
  for (let day = 25; day <= 175; day += 25) {
    const rotation = await rotate(house.db, token, undefined, start + day * DAY);
    if (rotation.outcome === "rotated") token = rotation.refreshToken;
  }
  expect((await findSession(house.db.primary, user, sid))?.expires_at).toBe(start + 180 * DAY);
  expect((await rotate(house.db, token, undefined, start + 180 * DAY)).outcome).toBe("invalid");
  const ended = await newSession(start);
  await house.db.transaction((tx) => endSessions(tx, ended.user));
  await sweepDaily(house.db.primary, start + 29 * DAY);
  expect(await findSession(house.db.primary, ended.user, ended.sid)).not.toBeNull();
  await sweepDaily(house.db.primary, start + 31 * DAY);
  expect(await findSession(house.db.primary, ended.user, ended.sid)).toBeNull();
  expect(await findSession(house.db.primary, user, sid)).not.toBeNull();
  await sweepDaily(house.db.primary, start + 181 * DAY);
  expect(await findSession(house.db.primary, user, sid)).toBeNull();
});
