/** Users on three MySQL servers, by MariaDB's Spider: each statement at one of them; one of them dead. */
import { newId } from "../../lib/ids.ts";
import { actionContracts } from "../../services/contracts.ts";
import { CROSS_SHARD, SHARD_KEYS } from "../../services/users/cross-shard.ts";
import { eventually } from "../support/federation.ts";
import type { Person } from "../support/federation.ts";
import { describeWith } from "../support/servers/index.ts";
import { sql } from "../support/servers/replication.ts";
import { startSpider } from "../support/servers/spider.ts";
import type { Spider } from "../support/servers/spider.ts";
import { startHouse, unique } from "../support/users.ts";
import type { House } from "../support/users.ts";

describeWith(["spider", "toxiproxy"], "users on three shards", () => {
  let spider: Spider;
  let house: House;
  let url: string;
  beforeAll(async () => {
    spider = await startSpider();
    url = await spider.database("users");
    house = await startHouse({ USERS_DB_URL: url });
  }, 90_000);
  afterAll(async () => {
    await house?.stop();
    await spider?.stop();
  });

  /** Which shard has a row; the tables hold a third each. */
  async function shardOf(table: string, column: string, value: string): Promise<number> {
    const database = new URL(url).pathname.slice(1);
    const counts = await Promise.all(
      spider.shards.map((shard) =>
        sql(shard.url, `SELECT COUNT(*) AS n FROM \`${database}\`.${table} WHERE ${column} = ?`, [value]),
      ),
    );
    return counts.findIndex(([row]) => Number(row?.n) > 0);
  }

  test("people are spread over all of them", async () => {
    const shards = new Set<number>();
    for (let n = 0; n < 60 && shards.size < 3; n++) {
      const { id } = await house.federation.register(`u${unique()}`);
      shards.add(await shardOf("users", "id", id));
    }
    expect(shards).toEqual(new Set([0, 1, 2]));
  });

  describe("the statements of every action", () => {
    /** Operations that may be asked of several shards: by whom, as `operation table`. */
    const always = ["select outbox", "update outbox", "delete outbox"];
    const special: Record<string, string[]> = {
      "users.list": ["select users"],
      "users.names": ["select users"],
      "users.files": ["select users"],
      "users.mailAddresses": ["select users"],
      // The names of who is signed in come with it.
      "users.me": [],
    };

    /** The data statements that more than one shard was asked, as `operation table`. */
    async function wide(run: () => Promise<unknown>): Promise<string[]> {
      await spider.watch();
      await run();
      const asked = await spider.asked();
      const seen = asked.map((texts) => new Set(texts.filter(isData).map(withoutSession)));
      const all = [...new Set(seen.flatMap((each) => [...each]))];
      const several = all.filter((text) => seen.filter((each) => each.has(text)).length > 1);
      return [...new Set(several.map(kindOf))];
    }
    const isData = (text: string): boolean => /^(select|insert|update|delete)\b.*`users_\d+`\.`/is.test(text);
    const withoutSession = (text: string): string => text.replace(/\s+/g, " ").trim();
    function kindOf(text: string): string {
      const table = /`users_\d+`\.`(\w+)`/.exec(text)?.[1] ?? "";
      return `${/^\w+/.exec(text)?.[0].toLowerCase()} ${table}`;
    }

    test("touch one shard each, but for those that are listed", async () => {
      const { federation } = house;
      const { broker } = federation;
      const admin = await federation.admin();
      const call = (name: string, params: object = {}) => broker.call(name, params).catch(() => undefined);
      let person = await federation.register(`u${unique()}`);
      const ask = (method: string, target: string, body?: object, by: string | null = person.token) =>
        house.outcome(method, target, { ...(by && { token: by }), ...(body && { body }) });
      const mailed = async (email: string) =>
        (await house.mails(email)).findLast((mail) => mail.token)?.token as string;
      const email = `n${unique()}@example.org`;
      let forgotten = "";
      const envelope = {
        id: newId(),
        type: "users.updated",
        at: Date.now(),
        aggregate: { type: "user", id: person.id, version: 1 },
        actor: null,
        requestId: null,
        data: {},
      };
      const actions: Record<string, () => Promise<unknown>> = {
        "auth.register": async () => (person = await federation.register(`u${unique()}`)),
        "auth.login": () =>
          ask("POST", "/auth/login", { login: person.email, password: person.password }, null),
        "auth.refresh": () => ask("POST", "/auth/refresh", { refreshToken: person.refreshToken }, null),
        "auth.keys": () => ask("GET", "/.well-known/jwks.json"),
        "auth.forgotPassword": async () => {
          await ask("POST", "/auth/password/forgot", { email: person.email }, null);
          forgotten = await mailed(person.email);
        },
        // The relay calls it for the mail above.
        "auth.onMailDue": async () => undefined,
        "auth.resetPassword": async () => {
          await ask("POST", "/auth/password/reset", { token: forgotten, newPassword: person.password }, null);
          const again = await house.call<{ accessToken: string }>("POST", "/auth/login", {
            body: { login: person.username, password: person.password },
          });
          person = { ...person, token: again.body.accessToken };
        },
        "auth.changeEmail": () => ask("POST", "/users/me/email", { email, password: person.password }),
        "auth.confirmEmail": async () =>
          ask("POST", "/auth/email/confirm", { token: await mailed(email) }, null),
        "sessions.list": () => ask("GET", "/auth/sessions"),
        "sessions.revokedSince": () => call("sessions.revokedSince", { since: 0 }),
        "sessions.signedInAt": () => call("sessions.signedInAt", { user: person.id, sid: newId() }),
        "sessions.ofUser": () => call("sessions.ofUser", { user: person.id }),
        "users.me": () => ask("GET", "/users/me"),
        "users.updateMe": () => ask("PATCH", "/users/me", { bio: "new" }),
        "users.exportMe": () => ask("GET", "/users/me/export"),
        "users.get": () => ask("GET", `/users/${person.id}`),
        "users.list": () => ask("GET", "/users?q=u", undefined, admin.token),
        "users.setRoles": () => ask("PUT", `/users/${person.id}/roles`, { roles: ["reviewer"] }, admin.token),
        "users.setStatus": async () => {
          for (const status of ["suspended", "active"])
            await ask("PUT", `/users/${person.id}/status`, { status, reason: "-" }, admin.token);
        },
        "users.roles": () => ask("GET", "/roles"),
        "users.names": () => call("users.names", { ids: [person.id, admin.id, newId(), newId(), newId()] }),
        "users.files": () => call("users.files", { ids: [person.id, admin.id, newId(), newId(), newId()] }),
        "users.mailAddresses": () => call("users.mailAddresses", { ids: [person.id, admin.id, newId()] }),
        "users.rolesOf": () => call("users.rolesOf", { id: person.id }),
        "users.withRole": () => call("users.withRole", { role: "reviewer" }),
        "sessions.end": () => ask("DELETE", `/auth/sessions/${newId()}`),
        "auth.changePassword": () =>
          ask("POST", "/auth/password", {
            currentPassword: person.password,
            newPassword: "another long one",
          }),
        "auth.logout": () => ask("POST", "/auth/logout"),
        "sessions.endOfUser": () => call("sessions.endOfUser", { user: person.id }),
        "users.eraseMe": async () => {
          const leaving = await federation.register(`u${unique()}`);
          await ask("DELETE", "/users/me", { password: leaving.password }, leaving.token);
          person = leaving;
        },
        "users.erasure": () => call("users.erasure", { id: person.id }),
        "usersQueue.depth": () => call("usersQueue.depth"),
        "usersQueue.dead": () => call("usersQueue.dead", { limit: 10 }),
        "usersQueue.inspect": () => call("usersQueue.inspect", { id: "x" }),
        "usersQueue.drop": () => call("usersQueue.drop", { id: "x" }),
        "usersQueue.again": () =>
          call("usersQueue.again", { envelope, consumer: "x.y", error: "-", way: "dead" }),
        "usersQueue.receipt": () => call("usersQueue.receipt", { id: newId(), consumer: "x.y" }),
        "usersQueue.replay": () => call("usersQueue.replay"),
      };
      const known = [...actionContracts.keys()].filter((name) =>
        /^(auth|sessions|users|usersQueue)\./.test(name),
      );
      expect(Object.keys(actions).toSorted()).toEqual(known.toSorted());
      const wrong: string[] = [];
      for (const [name, run] of Object.entries(actions)) {
        const found = await wide(run);
        const allowed = [...always, ...(special[name] ?? [])];
        for (const each of found) if (!allowed.includes(each)) wrong.push(`${name}: ${each}`);
      }
      expect(wrong).toEqual([]);
    }, 90_000);

    test("would be caught if one touched all", async () => {
      const found = await wide(() =>
        house.db.primary.all("SELECT id FROM users WHERE display_name = :name", { name: "Nobody" }),
      );
      expect(found).toContain("select users");
    });

    test("listed are only tables that are sharded", () => {
      for (const { begins } of CROSS_SHARD) {
        const table = /(?:FROM|UPDATE) (\w+)/.exec(begins)?.[1] ?? "outbox";
        expect(Object.keys(SHARD_KEYS)).toContain(table);
      }
    });
  });

  test("of twenty who want one name at once, one gets it", async () => {
    const username = `u${unique()}`;
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () =>
        house.outcome("POST", "/auth/register", {
          body: { username, email: `${unique()}@example.edu`, password: "a long enough passphrase" },
        }),
      ),
    );
    expect(outcomes.filter((each) => each === "201")).toHaveLength(1);
    expect(new Set(outcomes.filter((each) => each !== "201"))).toEqual(new Set(["409 USERNAME_TAKEN"]));
  }, 60_000);

  describe.each(["killed", "frozen"] as const)("one shard %s", (way) => {
    const people: (Person & { asked: number[]; shards: number[] })[] = [];
    beforeAll(async () => {
      for (let n = 0; n < 24; n++) {
        const person = await house.federation.register(`u${unique()}`);
        // Signing in by e-mail asks these two.
        const asked = await Promise.all([
          shardOf("users", "id", person.id),
          shardOf("identities", "value", `e:${person.email}`),
        ]);
        const name = await shardOf("identities", "value", `u:${person.username}`);
        people.push({ ...person, asked, shards: [...asked, name] });
      }
    }, 60_000);

    const signIn = ({ email, password }: Person) =>
      house.outcome("POST", "/auth/login", { body: { login: email, password } });

    test("those of the others sign in; those of it hear 503; it heals by itself", async () => {
      const dead = 2;
      const shard = spider.shards[dead];
      const others = people.filter(({ shards }) => !shards.includes(dead));
      const theirs = people.filter(({ asked }) => asked.includes(dead));
      expect(Math.min(others.length, theirs.length)).toBeGreaterThan(0);
      if (way === "killed") await shard?.kill();
      else shard?.pause();
      try {
        for (const person of others.slice(0, 3)) expect(await signIn(person)).toBe("200");
        for (const person of theirs.slice(0, 3)) expect(await signIn(person)).toMatch(/^503 /);
        for (const person of others.slice(0, 3)) expect(await signIn(person)).toBe("200");
      } finally {
        if (way === "killed") await shard?.restart();
        else shard?.resume();
      }
      await eventually(async () => {
        const outcomes = await Promise.all(theirs.slice(0, 3).map(signIn));
        return outcomes.every((each) => each === "200") || undefined;
      }, 20_000);
    }, 90_000);
  });
});
