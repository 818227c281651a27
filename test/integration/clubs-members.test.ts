/** Members: who sees and changes whom, the presidency, counts under concurrency. */
import fc from "fast-check";
import { newId } from "../../lib/ids.ts";
import type { Answer } from "../../lib/declare.ts";
import type { Campus } from "../support/clubs.ts";
import { startCampus } from "../support/clubs.ts";

type Members = Answer<"members.list">;
type Offer = { transfer: { id: string; to: string; expiresAt: string } };

let campus: Campus;
let admin: string;
let president: string;
let officer: string;
let member: string;
let stranger: string;
let club: string;
beforeAll(async () => {
  campus = await startCampus();
});
afterAll(async () => campus?.stop());
beforeEach(async () => {
  admin = campus.person("Admin", ["admin"]);
  president = campus.person("President");
  officer = campus.person("Officer");
  member = campus.person("Member");
  stranger = campus.person("Stranger");
  club = (await campus.club(president)).id;
  await campus.join(club, officer, "officer", president);
  await campus.join(club, member);
});
afterEach(() => campus.world.away.clear());

const path = (user: string) => `/clubs/${club}/members/${user}`;
const remove = (as: string | undefined, user: string, ifMatch?: number) =>
  campus.outcome("DELETE", path(user), { as, ifMatch });
const patch = (as: string | undefined, user: string, body: object, ifMatch?: number) =>
  campus.outcome("PATCH", path(user), { as, body, ifMatch });
const list = (as: string, query = "") => campus.ok<Members>("GET", `/clubs/${club}/members?${query}`, { as });
const memberCount = async () => (await campus.ok("GET", `/clubs/${club}`)).memberCount;
const suspend = () =>
  campus.ok("PUT", `/clubs/${club}/status`, { as: admin, body: { status: "suspended", reason: "Pause." } });

async function roles(of = club): Promise<Record<string, string>> {
  const rows = await campus.db.primary.all<{ user_id: string; role: string }>(
    "SELECT user_id, role FROM members WHERE club_id = :of",
    { of },
  );
  return Object.fromEntries(rows.map((row) => [row.user_id, row.role]));
}

describe("the list", () => {
  test("is for members, in the order of their joining; others see their number", async () => {
    const { items, nextCursor } = await list(member);
    expect(items.map(({ user, role, title }) => [user.id, user.displayName, role, title])).toEqual([
      [president, "President", "president", null],
      [officer, "Officer", "officer", null],
      [member, "Member", "member", null],
    ]);
    expect(nextCursor).toBeNull();
    for (const as of [undefined, stranger, admin])
      expect(await campus.ok("GET", `/clubs/${club}/members`, { as })).toEqual({
        items: [],
        nextCursor: null,
        memberCount: 3,
      });
  });

  test("by role and in pages", async () => {
    expect((await list(member, "role=officer")).items.map(({ user }) => user.id)).toEqual([officer]);
    const first = await list(member, "limit=2");
    const second = await list(member, `limit=2&cursor=${first.nextCursor}`);
    expect([...first.items, ...second.items].map(({ user }) => user.id)).toEqual([
      president,
      officer,
      member,
    ]);
    expect(second.nextCursor).toBeNull();
    expect(await campus.outcome("GET", `/clubs/${club}/members?cursor=x`, { as: stranger })).toBe(
      "422 INVALID_CURSOR",
    );
    expect(await campus.outcome("GET", `/clubs/${newId()}/members`)).toBe("404 NOT_FOUND");
  });

  test("names who is erased by the reader's language, and is 503 without names", async () => {
    const person = campus.world.people.get(member);
    if (person) campus.world.people.set(member, { ...person, status: "erased" });
    const { body } = await campus.call<Members>("GET", `/clubs/${club}/members?role=member`, {
      as: officer,
      headers: { "accept-language": "zh-CN" },
    });
    expect(body.items[0]?.user).toEqual({ id: null, displayName: "已注销用户", avatarFileId: null });
    campus.world.away.add("users");
    expect(await campus.outcome("GET", `/clubs/${club}/members`, { as: officer })).toBe("503 UNAVAILABLE");
  });
});

describe("the CSV", () => {
  test("has the columns of the contract, for officers", async () => {
    const odd = campus.person('=Odd, "One"', [], {
      username: "odd",
      college: "理学院",
      major: "-x",
      grade: "2024",
    });
    await campus.join(club, odd);
    await campus.ok("PATCH", path(odd), { as: president, body: { title: "Treasurer\u3000财务" } });
    const { body, headers } = await campus.call<string>("GET", `/clubs/${club}/members.csv`, { as: officer });
    expect(headers["content-type"]).toBe("text/csv; charset=utf-8");
    expect(headers["content-disposition"]).toBe('attachment; filename="members.csv"');
    const lines = body.split("\r\n");
    // Node's decoder takes the byte order mark off.
    const bytes = await campus.bytes(`/clubs/${club}/members.csv`, officer);
    expect(bytes.subarray(0, 3).toString("hex")).toBe("efbbbf");
    expect(lines[0]).toBe("username,displayName,college,major,grade,role,title,joinedAt");
    expect(lines[1]).toMatch(/^president,President,,,,president,,\d{4}-.*Z$/);
    expect(lines[4]).toMatch(/^odd,"'=Odd, ""One""",理学院,'-x,2024,member,Treasurer\u3000财务,\d{4}-.*Z$/);
    expect(lines).toHaveLength(6);
  });

  test("is for no one else", async () => {
    const get = (as?: string) => campus.outcome("GET", `/clubs/${club}/members.csv`, { as });
    expect(await get()).toBe("401 UNAUTHENTICATED");
    expect(await get(member)).toBe("403 FORBIDDEN");
    expect(await get(admin)).toBe("403 FORBIDDEN");
    await suspend();
    expect(await get(stranger)).toBe("404 NOT_FOUND");
    expect(await get(officer)).toBe("200");
  });

  test("of more than one page has everybody once", async () => {
    const now = Date.now();
    const many = Array.from({ length: 1100 }, () => newId());
    await campus.db.transaction(async (tx) => {
      for (const user of many)
        await tx.insert("members", {
          club_id: club,
          user_id: user,
          role: "member",
          title: null,
          joined_at: now,
          version: 1,
        });
    });
    const { body } = await campus.call<string>("GET", `/clubs/${club}/members.csv`, { as: officer });
    expect(body.trimEnd().split("\r\n")).toHaveLength(1104);
  });
});

describe("PATCH of a member", () => {
  test("sets role and title, with a version, and tells a change of role once", async () => {
    const body = { role: "officer", title: " Treasurer " };
    const changed = await campus.ok<Answer<"members.update">>("PATCH", path(member), { as: president, body });
    expect(changed).toMatchObject({ user: { id: member }, role: "officer", title: "Treasurer" });
    const again = await campus.ok("PATCH", path(member), { as: president, body });
    expect(again).toEqual(changed);
    const told = (await campus.told(club, "clubs.memberRoleChanged")).filter(
      ({ data }) => data["userId"] === member,
    );
    expect(told).toMatchObject([{ data: { clubId: club, role: "officer", by: president } }]);
    expect(await patch(president, member, { title: "" }, changed.version)).toBe("200");
    expect((await list(member, "role=officer")).items.at(-1)).toMatchObject({ title: null });
    expect(await patch(president, member, { role: "member" }, changed.version)).toBe(
      "412 PRECONDITION_FAILED",
    );
    expect(await patch(president, president, { title: "Chair" })).toBe("200");
  });

  test("is the president's alone", async () => {
    const body = { role: "member" };
    expect(await patch(undefined, member, body)).toBe("401 UNAUTHENTICATED");
    for (const as of [officer, member, stranger, admin])
      expect(await patch(as, member, body)).toBe("403 FORBIDDEN");
    expect(await patch(president, stranger, body)).toBe("404 NOT_FOUND");
    expect(await patch(president, member, { role: "president" })).toBe(
      "422 VALIDATION_FAILED role=NOT_ALLOWED",
    );
    expect(await patch(president, "7", body)).toBe("422 VALIDATION_FAILED userId=INVALID_FORMAT");
    expect(await patch(president, president, body)).toBe("409 CLUB_NEEDS_PRESIDENT");
    await suspend();
    expect(await patch(president, member, body)).toBe("409 CLUB_NOT_ACTIVE");
    expect(await patch(stranger, member, body)).toBe("404 NOT_FOUND");
  });
});

describe("DELETE of a member", () => {
  test("follows the ranks", async () => {
    const second = campus.person();
    await campus.join(club, second, "officer", president);
    expect(await remove(undefined, member)).toBe("401 UNAUTHENTICATED");
    expect(await remove(stranger, member)).toBe("403 FORBIDDEN");
    expect(await remove(admin, member)).toBe("403 FORBIDDEN");
    expect(await remove(member, officer)).toBe("403 FORBIDDEN");
    expect(await remove(member, newId())).toBe("403 FORBIDDEN");
    expect(await remove(officer, second)).toBe("403 FORBIDDEN");
    expect(await remove(officer, president)).toBe("403 FORBIDDEN");
    expect(await remove(officer, stranger)).toBe("404 NOT_FOUND");
    expect(await remove(president, president)).toBe("409 CLUB_NEEDS_PRESIDENT");
    expect(await remove(officer, member, 7)).toBe("412 PRECONDITION_FAILED");
    expect(await remove(officer, member)).toBe("204");
    expect(await remove(officer, member)).toBe("404 NOT_FOUND");
    expect(await remove(president, second)).toBe("204");
    expect(await remove(officer, officer)).toBe("204");
    expect(await memberCount()).toBe(1);
    const left = await campus.told(club, "clubs.memberLeft");
    expect(left.map(({ data }) => [data["userId"], data["by"]])).toEqual([
      [member, officer],
      [second, president],
      [officer, null],
    ]);
  });

  test("in a club that is not active is leaving alone", async () => {
    await suspend();
    expect(await remove(officer, member)).toBe("409 CLUB_NOT_ACTIVE");
    expect(await remove(president, member)).toBe("409 CLUB_NOT_ACTIVE");
    expect(await remove(stranger, member)).toBe("404 NOT_FOUND");
    expect(await remove(president, president)).toBe("409 CLUB_NEEDS_PRESIDENT");
    expect(await remove(member, member)).toBe("204");
    expect(await campus.outcome("GET", `/clubs/${club}`, { as: member })).toBe("404 NOT_FOUND");
    await campus.ok("DELETE", `/clubs/${club}`, { as: president });
    expect(await remove(officer, officer)).toBe("204");
  });
});

describe("an approved application", () => {
  const decided = (user: string, status = "approved", clubId = club) =>
    ({ clubId, applicantId: user, status, by: officer }) as const;
  const deliver = (application: string, data: object) =>
    campus.deliver("members.onApplicationDecided", "applications.decided", application, data);

  test("makes a membership, once", async () => {
    const [one, two] = [newId(), newId()];
    await Promise.all([deliver(one, decided(stranger)), deliver(two, decided(stranger))]);
    await deliver(one, decided(stranger));
    expect(await memberCount()).toBe(4);
    const joined = (await campus.told(club, "clubs.memberJoined")).filter(
      ({ data }) => data["userId"] === stranger,
    );
    expect(joined).toHaveLength(1);
    expect([one, two]).toContain(joined[0]?.data["applicationId"]);
    expect(joined[0]?.data).toMatchObject({ clubId: club });
  });

  test("makes none when it was rejected, the club not active or the person erased", async () => {
    await deliver(newId(), decided(stranger, "rejected"));
    const erased = campus.person("Gone", [], { status: "erased" });
    const [toErased, toSuspended, toNobody, toUnknown] = [newId(), newId(), newId(), newId()];
    await deliver(toErased, decided(erased));
    await deliver(toNobody, decided(newId()));
    await suspend();
    await deliver(toSuspended, decided(stranger));
    const unknown = newId();
    await deliver(toUnknown, decided(stranger, "approved", unknown));
    const refused = (await campus.told(club, "clubs.memberRefused")).map(({ data }) => [
      data["applicationId"],
      data["reason"],
    ]);
    expect(refused).toEqual([
      [toErased, "person"],
      [toNobody, "person"],
      [toSuspended, "club"],
    ]);
    expect(await campus.told(unknown, "clubs.memberRefused")).toMatchObject([
      { data: { applicationId: toUnknown, reason: "club", userId: stranger } },
    ]);
    expect(Object.keys(await roles())).toHaveLength(3);
    campus.world.away.add("users");
    await expect(deliver(newId(), decided(stranger))).rejects.toMatchObject({ type: "UNAVAILABLE" });
  });
});

describe("the presidency", () => {
  const transfer = (as: string | undefined, userId: string, more: object = {}) =>
    campus.outcome("POST", `/clubs/${club}/transfer`, { as, body: { userId }, ...more });
  const accept = (as: string | undefined) => campus.outcome("POST", `/clubs/${club}/transfer/accept`, { as });

  test("is offered to a member for seven days, and taken in one step", async () => {
    const { status, body } = await campus.call<Offer>("POST", `/clubs/${club}/transfer`, {
      as: president,
      body: { userId: member },
    });
    expect(status).toBe(202);
    expect(body.transfer).toMatchObject({ id: expect.any(String), to: member });
    const days = (Date.parse(body.transfer.expiresAt) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(6.99);
    expect(days).toBeLessThanOrEqual(7);
    expect(await campus.told(club, "clubs.transferOffered")).toMatchObject([
      { data: { clubId: club, userId: member, expiresAt: Date.parse(body.transfer.expiresAt) } },
    ]);
    expect(await roles()).toMatchObject({ [president]: "president", [member]: "member" });
    const taken = await campus.ok("POST", `/clubs/${club}/transfer/accept`, { as: member });
    expect(taken).toMatchObject({ id: club, myRole: "president" });
    expect(await roles()).toEqual({ [president]: "officer", [officer]: "officer", [member]: "president" });
    const changes = await campus.told(club, "clubs.memberRoleChanged");
    expect(changes.slice(-2).map(({ data }) => [data["userId"], data["role"], data["by"]])).toEqual([
      [president, "officer", member],
      [member, "president", member],
    ]);
    expect(await accept(member)).toBe("404 NOT_FOUND");
  });

  test("is refused to whom it cannot go", async () => {
    expect(await transfer(undefined, member)).toBe("401 UNAUTHENTICATED");
    expect(await transfer(officer, member)).toBe("403 FORBIDDEN");
    expect(await transfer(stranger, member)).toBe("403 FORBIDDEN");
    const invalid = "422 VALIDATION_FAILED userId=INVALID_REFERENCE";
    expect(await transfer(president, stranger)).toBe(invalid);
    expect(await transfer(president, president)).toBe(invalid);
    expect(await transfer(admin, president)).toBe(invalid);
    expect(await transfer(admin, stranger, { ifMatch: 1 })).toBe(invalid);
    expect(await transfer(president, member, { ifMatch: 1 })).toBe("412 PRECONDITION_FAILED");
    expect(await accept(undefined)).toBe("401 UNAUTHENTICATED");
    expect(await accept(member)).toBe("404 NOT_FOUND");
    expect(await accept(stranger)).toBe("403 FORBIDDEN");
    await campus.ok("DELETE", `/clubs/${club}`, { as: president });
    expect(await transfer(president, member)).toBe("409 CLUB_NOT_ACTIVE");
  });

  test("goes to nobody after the offer has expired, was replaced, or its holder has left", async () => {
    await transfer(president, member);
    await campus.db.primary.run("UPDATE transfers SET expires_at = :past", { past: Date.now() - 1 });
    expect(await accept(member)).toBe("404 NOT_FOUND");
    await transfer(president, member);
    await transfer(president, officer);
    expect(await accept(member)).toBe("404 NOT_FOUND");
    expect(await remove(officer, officer)).toBe("204");
    await campus.join(club, officer);
    expect(await accept(officer)).toBe("404 NOT_FOUND");
    expect((await roles())[president]).toBe("president");
  });

  test("is handed over by an administrator at once, also in a suspended club", async () => {
    await transfer(president, officer);
    await suspend();
    const { status, body } = await campus.call("POST", `/clubs/${club}/transfer`, {
      as: admin,
      body: { userId: member },
      key: "handover",
    });
    expect([status, body.id, body.myRole]).toEqual([200, club, null]);
    expect(await roles()).toEqual({ [president]: "officer", [officer]: "officer", [member]: "president" });
    expect(await accept(officer)).toBe("404 NOT_FOUND");
    const again = await campus.call("POST", `/clubs/${club}/transfer`, {
      as: admin,
      body: { userId: member },
      key: "handover",
    });
    expect([again.status, again.headers["idempotency-replayed"], again.body]).toEqual([200, "true", body]);
    expect(await transfer(member, officer)).toBe("202");
    expect(await accept(officer)).toBe("200");
  });

  test("is offered once under one key", async () => {
    const offer = () =>
      campus.call<Offer>("POST", `/clubs/${club}/transfer`, {
        as: president,
        body: { userId: member },
        key: "offer",
      });
    const first = await offer();
    const second = await offer();
    expect([second.status, second.body]).toEqual([202, first.body]);
    expect(await campus.told(club, "clubs.transferOffered")).toHaveLength(1);
  });

  test("goes to one, however many reach for it", async () => {
    await transfer(president, member);
    const taken = await Promise.all([accept(member), accept(member), accept(member)]);
    expect(taken.toSorted()).toEqual(["200", "404 NOT_FOUND", "404 NOT_FOUND"]);
    await Promise.all([transfer(admin, officer), transfer(admin, president), transfer(member, officer)]);
    expect(Object.values(await roles()).filter((role) => role === "president")).toHaveLength(1);
  });
});

describe("at the same time", () => {
  test("twenty who join and twenty who leave keep the count exact", async () => {
    const leaving = Array.from({ length: 20 }, () => campus.person());
    await Promise.all(leaving.map((each) => campus.join(club, each)));
    expect(await memberCount()).toBe(23);
    const joining = Array.from({ length: 20 }, () => campus.person());
    const outcomes = await Promise.all([
      ...leaving.map((each) => remove(each, each)),
      // Removed by two others in the same moment.
      ...leaving.map((each) => remove(officer, each)),
      ...joining.map((each) => campus.join(club, each).then(() => "joined")),
    ]);
    expect(outcomes.filter((each) => each === "204")).toHaveLength(20);
    expect(await memberCount()).toBe(23);
    expect(Object.keys(await roles())).toHaveLength(23);
    const left = await campus.told(club, "clubs.memberLeft");
    expect(new Set(left.map(({ data }) => data["userId"])).size).toBe(left.length);
  });

  test("who loses the presidency in that moment does nothing as president any more", async () => {
    for (let i = 0; i < 5; i++) {
      await campus.ok("POST", `/clubs/${club}/transfer`, { as: president, body: { userId: officer } });
      const [taken, removed, left] = await Promise.all([
        campus.outcome("POST", `/clubs/${club}/transfer/accept`, { as: officer }),
        remove(president, officer),
        remove(president, president),
      ]);
      const now = await roles();
      expect(Object.values(now).filter((role) => role === "president")).toHaveLength(1);
      if (taken === "200") expect(removed).toMatch(/^403/);
      if (removed === "204") expect(taken).toMatch(/^40[34]/);
      expect(await memberCount()).toBe(Object.keys(now).length);
      expect(["409 CLUB_NEEDS_PRESIDENT", "204", "403 FORBIDDEN"]).toContain(left);
      const holder = Object.keys(now).find((user) => now[user] === "president") as string;
      president = holder;
      officer = campus.person();
      await campus.join(club, officer);
    }
  });
});

describe("a plain model of the roles", () => {
  type Role = "president" | "officer" | "member";
  const RANK = { president: 3, officer: 2, member: 1 };
  const PEOPLE = 5;

  /** What the contract says, told independently of the code. */
  class Model {
    readonly roles = new Map<number, Role>([[0, "president"]]);
    offer: number | null = null;

    rank = (who: number) => RANK[this.roles.get(who) ?? "member"] * (this.roles.has(who) ? 1 : 0);

    remove(actor: number, target: number): string {
      if (!this.roles.has(actor)) return "403 FORBIDDEN";
      if (actor !== target && this.rank(actor) === 1) return "403 FORBIDDEN";
      if (!this.roles.has(target)) return "404 NOT_FOUND";
      if (actor !== target && this.rank(actor) <= this.rank(target)) return "403 FORBIDDEN";
      if (this.rank(target) === 3) return "409 CLUB_NEEDS_PRESIDENT";
      this.roles.delete(target);
      if (this.offer === target) this.offer = null;
      return "204";
    }

    set(actor: number, target: number, role: Role): string {
      if (this.rank(actor) < 3) return "403 FORBIDDEN";
      if (!this.roles.has(target)) return "404 NOT_FOUND";
      if (this.rank(target) === 3) return "409 CLUB_NEEDS_PRESIDENT";
      this.roles.set(target, role);
      return "200";
    }

    transfer(actor: number, target: number): string {
      if (this.rank(actor) < 3) return "403 FORBIDDEN";
      if (!this.roles.has(target) || target === actor)
        return "422 VALIDATION_FAILED userId=INVALID_REFERENCE";
      this.offer = target;
      return "202";
    }

    accept(actor: number): string {
      if (!this.roles.has(actor)) return "403 FORBIDDEN";
      if (this.offer !== actor) return "404 NOT_FOUND";
      for (const [who, role] of this.roles) if (role === "president") this.roles.set(who, "officer");
      this.roles.set(actor, "president");
      this.offer = null;
      return "200";
    }
  }

  const who = fc.nat({ max: PEOPLE - 1 });
  const command = fc.oneof(
    fc.record({ kind: fc.constant("join" as const), target: who }),
    fc.record({ kind: fc.constant("remove" as const), actor: who, target: who }),
    fc.record({
      kind: fc.constant("set" as const),
      actor: who,
      target: who,
      role: fc.constantFrom("officer" as const, "member" as const),
    }),
    fc.record({ kind: fc.constant("transfer" as const), actor: who, target: who }),
    fc.record({ kind: fc.constant("accept" as const), actor: who }),
  );
  type Command = typeof command extends fc.Arbitrary<infer C> ? C : never;

  async function perform(people: string[], each: Command): Promise<string> {
    const at = (i: number) => people[i] as string;
    switch (each.kind) {
      case "join":
        await campus.join(club, at(each.target));
        return "";
      case "remove":
        return remove(at(each.actor), at(each.target));
      case "set":
        return patch(at(each.actor), at(each.target), { role: each.role });
      case "transfer":
        return campus.outcome("POST", `/clubs/${club}/transfer`, {
          as: at(each.actor),
          body: { userId: at(each.target) },
        });
      case "accept":
        return campus.outcome("POST", `/clubs/${club}/transfer/accept`, { as: at(each.actor) });
      default:
        return each satisfies never;
    }
  }

  function predict(model: Model, each: Command): string {
    switch (each.kind) {
      case "join":
        if (!model.roles.has(each.target)) model.roles.set(each.target, "member");
        return "";
      case "remove":
        return model.remove(each.actor, each.target);
      case "set":
        return model.set(each.actor, each.target, each.role);
      case "transfer":
        return model.transfer(each.actor, each.target);
      case "accept":
        return model.accept(each.actor);
      default:
        return each satisfies never;
    }
  }

  async function begin(): Promise<string[]> {
    const people = Array.from({ length: PEOPLE }, () => campus.person());
    club = (await campus.club(people[0] as string)).id;
    return people;
  }

  test("answers as the service does, command by command", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 30 }), async (commands) => {
        const people = await begin();
        const model = new Model();
        for (const each of commands) {
          const outcome = await perform(people, each);
          expect([each, outcome]).toEqual([each, predict(model, each)]);
        }
        expect(await roles()).toEqual(
          Object.fromEntries([...model.roles].map(([i, role]) => [people[i], role])),
        );
        expect(await memberCount()).toBe(model.roles.size);
      }),
      { numRuns: 25 },
    );
  });

  test("holds at the same time too: one president, counts that are right", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 20 }), async (commands) => {
        const people = await begin();
        await Promise.all(people.slice(1).map((each) => campus.join(club, each)));
        const outcomes = await Promise.all(commands.map((each) => perform(people, each)));
        expect(outcomes.filter((each) => each.startsWith("5"))).toEqual([]);
        const now = await roles();
        expect(Object.values(now).filter((role) => role === "president")).toHaveLength(1);
        expect(await memberCount()).toBe(Object.keys(now).length);
      }),
      { numRuns: 25 },
    );
  });
});

test("services are told roles, by pairs and of officers", async () => {
  const other = (await campus.club(officer)).id;
  const pairs = [
    { clubId: club, userId: member },
    { clubId: other, userId: officer },
    { clubId: other, userId: member },
    { clubId: club, userId: stranger },
  ];
  const found = await campus.broker.call<Answer<"members.rolesOf">, object>("members.rolesOf", { pairs });
  expect(found).toHaveLength(2);
  expect(found).toEqual(
    expect.arrayContaining([
      { ...pairs[0], role: "member" },
      { ...pairs[1], role: "president" },
    ]),
  );
  expect(await campus.broker.call("members.rolesOf", { pairs: [] })).toEqual([]);
  expect(await campus.broker.call("members.officersOf", { clubId: club })).toEqual([
    { userId: president, role: "president" },
    { userId: officer, role: "officer" },
  ]);
});
