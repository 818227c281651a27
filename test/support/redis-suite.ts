/** What holds of a federation whatever its Redis does; on a single server and on a Cluster. */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { RateLimiter, redisCounters } from "../../lib/rate-limit.ts";
import { shareRedis } from "../../lib/redis.ts";
import { eventually } from "./eventually.ts";
import { startFederation } from "./federation.ts";
import type { Caller, Federation } from "./federation.ts";

export interface Fault {
  name: string;
  /** Brings it about; from then on until `mend` Redis is in trouble, or has just lost everything. */
  cause: () => Promise<void>;
  mend: () => Promise<void>;
}

interface Club {
  id: string;
  summary: string;
  version: number;
}

const LIMIT = 40;

/** @param start of the servers; `fault` causes are tried one after the other */
export function redisSuite(
  start: () => Promise<{ url: string; stop(): Promise<void> }>,
  faults: () => Fault[],
) {
  let redis: { url: string; stop(): Promise<void> };
  let federation: Federation;
  let president: Caller;
  let club: string;

  beforeAll(async () => {
    redis = await start();
    federation = await startFederation({ env: { REDIS_URL: redis.url } });
    president = await federation.register();
    const admin = await federation.admin();
    await federation.ok("PUT", `/users/${admin.id}/roles`, {
      token: admin.token,
      body: { roles: ["admin", "reviewer"] },
    });
    club = await federation.foundClub(president, admin);
  }, 90_000);
  afterAll(async () => {
    await federation?.stop();
    await redis?.stop();
  });

  const read = async (): Promise<Club> => federation.ok<Club>("GET", `/clubs/${club}`);
  async function change(): Promise<string> {
    const summary = `Now ${randomBytes(4).toString("hex")}.`;
    const { version } = await read();
    await federation.ok("PATCH", `/clubs/${club}`, {
      token: president.token,
      body: { summary },
      headers: { "if-match": `"${version}"` },
    });
    return summary;
  }

  test.each(faults().map((fault) => [fault.name, fault] as const))(
    "%s: answers are right, then and afterwards",
    async (_name, fault) => {
      await read();
      const gone = await federation.register();
      await fault.cause();
      try {
        for (let n = 0; n < 20; n++) expect((await read()).id).toBe(club);
        const summary = await change();
        expect((await read()).summary).toBe(summary);
        await federation.ok("POST", "/auth/logout", { token: gone.token });
        expect((await federation.call("GET", "/users/me", { token: gone.token })).status).toBe(401);
        const key = { "idempotency-key": randomBytes(8).toString("hex") };
        const body = { name: `Club ${randomBytes(6).toString("hex")}`, summary: "-", category: "academic" };
        const founding = { token: president.token, body, headers: key };
        const first = await federation.call<Club>("POST", "/clubs", founding);
        const again = await federation.call<Club>("POST", "/clubs", founding);
        expect([first.status, again.status, again.body.id]).toEqual([201, 201, first.body.id]);
        await fault.mend();
        // What was kept before the trouble must not come back.
        for (let n = 0; n < 20; n++) expect((await read()).summary).toBe(summary);
        expect((await federation.call("GET", "/users/me", { token: gone.token })).status).toBe(401);
        const later = await change();
        expect((await read()).summary).toBe(later);
      } finally {
        await fault.mend();
      }
    },
    60_000,
  );

  test.each(faults().map((fault) => [fault.name, fault] as const))(
    "%s: limits count per gateway meanwhile, and together again afterwards",
    async (_name, fault) => {
      const shares = [1, 2].map(() => shareRedis(redis.url, () => undefined));
      const prefix = randomBytes(4).toString("hex");
      const limiters = shares.map(
        ({ client }) =>
          new RateLimiter({ limit: LIMIT, windowSeconds: 2, prefix, shared: redisCounters(client) }),
      );
      for (const limiter of limiters) limiter.start();
      const windowNow = (): number => Math.floor(Date.now() / 2_000);
      /** What each lets pass in a window, asked in turn and again and again; a machine that is too slow for it tries again. */
      const passed = async (): Promise<number[]> => {
        for (let attempt = 0; attempt < 8; attempt++) {
          const counts = limiters.map(() => 0);
          await sleep(2_000 - (Date.now() % 2_000) + 50);
          const window = windowNow();
          for (let n = 0; n < LIMIT * 1.5; n++) {
            limiters.forEach((limiter, i) => (counts[i]! += Number(limiter.hit("somebody").allowed)));
            await sleep(20);
          }
          if (windowNow() === window) return counts;
        }
        throw new Error("The machine is too slow for so many requests in two seconds.");
      };
      try {
        await fault.cause();
        for (const each of await passed()) expect(each).toBeLessThanOrEqual(LIMIT);
        await fault.mend();
        await eventually(async () => {
          const [one = 0, other = 0] = await passed();
          // Each may let a tenth pass, or what comes in the time of an answer, before it hears of the other's.
          return one + other <= LIMIT * 1.3 || undefined;
        }, 30_000);
      } finally {
        await fault.mend();
        for (const limiter of limiters) limiter.stop();
        for (const share of shares) share.release();
      }
    },
    60_000,
  );
}
