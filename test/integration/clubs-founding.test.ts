/** Founding a club: the fields, the name, the saga, the repeat. */
import fc from "fast-check";
import type { Database } from "../../lib/database.ts";
import type { Club } from "../../services/clubs/clubs.contract.ts";
import type { Campus } from "../support/clubs.ts";
import { startCampus } from "../support/clubs.ts";
import { eventually } from "../support/federation.ts";

let campus: Campus;
beforeAll(async () => {
  campus = await startCampus();
});
afterAll(async () => campus?.stop());
afterEach(() => {
  campus.world.away.clear();
  campus.world.onOpen = async () => undefined;
});

const found = (as: string, more: Record<string, unknown> = {}) =>
  campus.outcome("POST", "/clubs", { as, body: campus.fields(more) });
const count = (sql: string, values: Record<string, string> = {}) => campus.db.primary.number(sql, values);

/** Nothing of a club may be left, wherever it was. */
async function expectNoTrace(id: string): Promise<void> {
  for (const table of ["members", "club_tags", "favorites", "transfers"])
    expect([table, await count(`SELECT COUNT(*) FROM ${table} WHERE club_id = :id`, { id })]).toEqual([
      table,
      0,
    ]);
  expect(await count("SELECT COUNT(*) FROM clubs WHERE id = :id", { id })).toBe(0);
  expect(await campus.told(id)).toEqual([]);
}

describe("the end of a founding", () => {
  test("that was done, though its answer was lost, is not undone", async () => {
    const { relay } = campus.broker.getLocalService("clubs") as unknown as { relay: { nudge(): void } };
    const nudge = relay.nudge.bind(relay);
    // The first thing after the commit.
    campus.world.onOpen = async () => {
      relay.nudge = () => {
        relay.nudge = nudge;
        throw new Error("the answer was lost");
      };
    };
    const founder = campus.person();
    const { status, body: club } = await campus.call("POST", "/clubs", {
      as: founder,
      body: campus.fields(),
    });
    expect(status).toBe(201);
    expect((await campus.get(club.id, founder)).status).toBe("pending");
    expect((await campus.told(club.id)).map(({ type }) => type)).toEqual(["clubs.created"]);
    expect([...campus.world.tasks.values()].some(({ clubId }) => clubId === club.id)).toBe(true);
    expect(await campus.broker.call("clubs.sagas")).toEqual([]);
  });

  test("does not come after another node has begun to undo it", async () => {
    const founder = campus.person();
    const { db } = campus.broker.getLocalService("clubs") as unknown as { db: Database };
    const transaction = db.transaction.bind(db);
    const other = "lease_owner = 'another', state = 'undoing'";
    campus.world.onOpen = async () => {
      // That of the last step.
      db.transaction = async (work, origin) => {
        db.transaction = transaction;
        await campus.db.primary.run(
          `UPDATE sagas SET ${other}, lease_until = :until WHERE state = 'running'`,
          { until: Date.now() + 60_000 },
        );
        return transaction(work, origin);
      };
    };
    const founded = campus.call("POST", "/clubs", { as: founder, body: campus.fields() });
    const undoing = "SELECT COUNT(*) FROM sagas WHERE state = 'undoing'";
    await eventually(async () => ((await count(undoing)) > 0 ? true : undefined));
    // It dies, and this node takes the saga up.
    await campus.db.primary.run(`UPDATE sagas SET lease_until = 0 WHERE ${other.replace(",", " AND")}`, {});
    expect((await founded).status).toBe(503);
    expect(await count("SELECT COUNT(*) FROM clubs WHERE created_by = :founder", { founder })).toBe(0);
    await eventually(async () => ((await count(undoing)) === 0 ? true : undefined));
  });
});

describe("a new club", () => {
  test("is pending, its founder the president, its review open", async () => {
    const founder = campus.person();
    const body = {
      name: "  Chess   society ",
      summary: "We play.",
      description: "line\r\nline",
      category: "culture-sports",
      tags: ["Chess", "棋", "ＣＨＥＳＳ"],
      joinPolicy: "open",
      questions: [
        { id: "why", label: "Why?", type: "text", required: true },
        { id: "level", label: "Level", type: "choice", required: false, options: ["low", "high"] },
      ],
      reviewStages: ["president", "officer"],
    };
    const { status, body: club } = await campus.call("POST", "/clubs", { as: founder, body });
    expect(status).toBe(201);
    expect(club).toMatchObject({
      ...body,
      name: "Chess   society",
      description: "line\nline",
      tags: ["Chess", "棋"],
      reviewStages: ["officer", "president"],
      logoFileId: null,
      status: "pending",
      version: 1,
      memberCount: 1,
      favoriteCount: 0,
      myRole: "president",
      isFavorite: false,
    });
    expect(await campus.get(club.id, founder)).toEqual(club);
    const [task] = [...campus.world.tasks.values()].filter((each) => each.clubId === club.id);
    expect(task).toMatchObject({ clubName: club.name, clubVersion: 1, filedBy: founder });
    const [created, ...more] = await campus.told(club.id);
    expect(more).toEqual([]);
    expect(created).toMatchObject({
      type: "clubs.created",
      aggregate: { type: "club", id: club.id, version: 1 },
      actor: founder,
      data: { name: club.name, createdBy: founder },
    });
    expect(created?.requestId).toEqual(expect.any(String));
    expect(await campus.broker.call("clubs.sagas")).toEqual([]);
  });

  test("has defaults for what is left out", async () => {
    const club = await campus.pending(campus.person());
    expect(club).toMatchObject({
      description: "",
      tags: [],
      joinPolicy: "review",
      questions: [],
      reviewStages: ["officer"],
    });
  });

  test("needs a user", async () => {
    const answer = await campus.outcome("POST", "/clubs", { body: campus.fields() });
    expect(answer).toBe("401 UNAUTHENTICATED");
  });

  const choice = { id: "a", label: "A", type: "choice", required: true };
  test.each([
    ["an unknown category", { category: "sorcery" }, "category=INVALID_REFERENCE"],
    ["a choice of nothing", { questions: [choice] }, "questions[0].options=REQUIRED"],
    ["an empty choice", { questions: [{ ...choice, options: [] }] }, "questions[0].options=TOO_FEW"],
    [
      "a text with options",
      { questions: [{ ...choice, type: "text", options: ["x"] }] },
      "questions[0].options=INVALID",
    ],
    [
      "two questions of one id, two options alike",
      {
        questions: [
          { ...choice, options: ["x", "x"] },
          { ...choice, options: ["x"] },
        ],
      },
      "questions[0].options[1]=DUPLICATE questions[1].id=DUPLICATE",
    ],
    ["a short name", { name: " a " }, "name=TOO_SHORT"],
    ["a long name", { name: "社".repeat(121) }, "name=TOO_LONG"],
    ["a status", { status: "active" }, "status=UNKNOWN_FIELD"],
    ["too many tags", { tags: Array.from({ length: 11 }, (_, i) => `t${i}`) }, "tags=TOO_MANY"],
    ["no stage", { reviewStages: [] }, "reviewStages=TOO_FEW"],
  ])("is refused with %s", async (_what, more, errors) => {
    expect(await found(campus.person(), more)).toBe(`422 VALIDATION_FAILED ${errors}`);
  });
});

describe("a name", () => {
  test("is unique without case and width among clubs that live", async () => {
    const founder = campus.person();
    const { id } = await campus.club(founder, { name: "Go Players" });
    expect(await found(founder, { name: "ＧＯ  players" })).toBe("409 CLUB_NAME_TAKEN");
    await campus.ok("PUT", `/clubs/${id}/status`, {
      as: campus.person("Admin", ["admin"]),
      body: { status: "suspended", reason: "Pause." },
    });
    expect(await found(founder, { name: "go players" })).toBe("409 CLUB_NAME_TAKEN");
    await campus.ok("DELETE", `/clubs/${id}`, { as: founder });
    expect(await found(founder, { name: "go players" })).toBe("201");
    const rejected = await campus.pending(founder, { name: "Rejected" });
    await campus.review(rejected.id, 1, "rejected", "No.");
    expect(await found(founder, { name: "rejected" })).toBe("201");
  });

  test("goes to one of ten, and nothing of the others stays", async () => {
    const before = await count("SELECT COUNT(*) FROM members");
    const people = Array.from({ length: 10 }, () => campus.person());
    const outcomes = await Promise.all(people.map((each) => found(each, { name: "Race", tags: ["race"] })));
    expect(outcomes.toSorted()).toEqual(["201", ...Array.from({ length: 9 }, () => "409 CLUB_NAME_TAKEN")]);
    expect(await count("SELECT COUNT(*) FROM members")).toBe(before + 1);
    expect([...campus.world.tasks.values()].filter(({ clubName }) => clubName === "Race")).toHaveLength(1);
    expect(await count("SELECT COUNT(*) FROM sagas WHERE data LIKE '%Race%'")).toBe(1);
    expect((await campus.ok<{ items: Club[] }>("GET", "/clubs?tag=race")).items).toEqual([]);
  });
});

describe("when the review cannot be opened", () => {
  test("the answer is 503, nothing is left, the name is free and the key may be used again", async () => {
    const founder = campus.person();
    campus.world.away.add("reviews");
    const body = campus.fields({ name: "Phoenix", tags: ["fire"] });
    const post = () => campus.call("POST", "/clubs", { as: founder, body, key: "phoenix" });
    const refused = await post();
    expect(refused.status).toBe(503);
    expect(refused.headers["retry-after"]).toBe("2");
    const [saga] = await campus.db.primary.all<{ data: string }>(
      "SELECT data FROM sagas WHERE data LIKE '%Phoenix%'",
    );
    const { clubId } = JSON.parse(saga?.data ?? "{}") as { clubId: string };
    await expectNoTrace(clubId);
    // The compensation of the review waits for its service, and is seen by operators.
    expect(await campus.broker.call("clubs.sagas")).toMatchObject([{ type: "createClub", state: "undoing" }]);
    campus.world.away.clear();
    const made = await post();
    expect(made.status).toBe(201);
    expect(made.body.id).toBe(clubId);
    await campus.db.primary.run("UPDATE sagas SET lease_until = 0");
    await eventually(async () => {
      const open: unknown = await campus.broker.call("clubs.sagas");
      return JSON.stringify(open) === "[]" || undefined;
    });
    // The late compensation of the first try has not touched what the second made.
    expect(await campus.get(clubId, founder)).toMatchObject({ status: "pending" });
    expect([...campus.world.tasks.values()].filter((each) => each.clubId === clubId)).toHaveLength(1);
    const again = await post();
    expect([again.status, again.headers["idempotency-replayed"], again.body]).toEqual([
      201,
      "true",
      made.body,
    ]);
  });

  test("a refusal undoes it at once", async () => {
    campus.world.onOpen = async () => {
      throw new Error("not today");
    };
    expect(await found(campus.person(), { name: "Refused" })).toBe("503 UNAVAILABLE");
    expect(await count("SELECT COUNT(*) FROM clubs WHERE name = 'Refused'")).toBe(0);
    expect(await count("SELECT COUNT(*) FROM sagas WHERE state = 'undone' AND data LIKE '%Refused%'")).toBe(
      1,
    );
  });
});

describe("while no node runs reviews", () => {
  test("a club cannot be founded, and leaves nothing", async () => {
    const { schema } = campus.broker.getLocalService("reviews");
    await campus.broker.destroyService("reviews");
    try {
      const answer = await campus.call("POST", "/clubs", {
        as: campus.person(),
        body: campus.fields({ name: "Early" }),
      });
      expect([answer.status, answer.headers["retry-after"]]).toEqual([503, "2"]);
      expect(await count("SELECT COUNT(*) FROM clubs WHERE name = 'Early'")).toBe(0);
    } finally {
      campus.broker.createService(schema);
    }
    expect(await found(campus.person(), { name: "early" })).toBe("201");
  });
});

describe("before it stands", () => {
  test("nobody sees a club, and it takes no change", async () => {
    const founder = campus.person();
    const reviewer = campus.person("Reviewer", ["reviewer"]);
    let release = (): void => undefined;
    const opened = new Promise<string>((resolve) => {
      campus.world.onOpen = async ({ clubId }) => {
        resolve(clubId);
        await new Promise<void>((go) => (release = go));
      };
    });
    const creation = campus.call("POST", "/clubs", { as: founder, body: campus.fields() });
    const id = await opened;
    for (const as of [founder, reviewer]) {
      expect(await campus.outcome("GET", `/clubs/${id}`, { as })).toBe("404 NOT_FOUND");
      expect(await campus.outcome("DELETE", `/clubs/${id}`, { as })).toBe("404 NOT_FOUND");
    }
    expect((await campus.ok<{ items: Club[] }>("GET", "/clubs?mine=true", { as: founder })).items).toEqual(
      [],
    );
    expect(await campus.broker.call("clubs.record", { id })).toBeNull();
    release();
    expect((await creation).status).toBe(201);
    expect(await campus.get(id, founder)).toMatchObject({ id, status: "pending" });
    expect(await campus.broker.call("clubs.record", { id })).toMatchObject({ id });
  });
});

describe("a repeat", () => {
  test("with the same key answers the same; with another body it is refused", async () => {
    const founder = campus.person();
    const body = campus.fields();
    const first = await campus.call("POST", "/clubs", { as: founder, body, key: "k1" });
    const second = await campus.call("POST", "/clubs", { as: founder, body, key: "k1" });
    expect([second.status, second.body]).toEqual([201, first.body]);
    const other = { as: founder, body: campus.fields(), key: "k1" };
    expect(await campus.outcome("POST", "/clubs", other)).toBe("422 IDEMPOTENCY_KEY_REUSED");
    const third = await campus.outcome("POST", "/clubs", { as: founder, body, key: "k2" });
    expect(third).toBe("409 CLUB_NAME_TAKEN");
  });

  test("after a node died before it could answer finds its own club", async () => {
    const founder = campus.person();
    const body = campus.fields();
    const first = await campus.call("POST", "/clubs", { as: founder, body, key: "lost" });
    // As if the answer had never been kept.
    await campus.db.primary.run(
      "UPDATE idempotency_keys SET status = NULL, answer = NULL, lease_until = 0 WHERE target_id = :id",
      { id: first.body.id },
    );
    const second = await campus.call("POST", "/clubs", { as: founder, body, key: "lost" });
    expect([second.status, second.body]).toEqual([201, first.body]);
    expect(await campus.told(first.body.id)).toHaveLength(1);
  });
});

test("at whatever moment reviews goes away or comes back, a club stands whole or has left nothing", async () => {
  const founder = campus.person();
  const calls = fc.array(fc.constantFrom("fine", "away", "refuses", "lost answer"), { maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(calls, async (plan) => {
      const steps = [...plan];
      let id = "";
      campus.world.onOpen = async (task) => {
        id = task.clubId;
        const next = steps.shift() ?? "fine";
        if (next === "refuses") throw new Error("refused");
        if (next === "lost answer") campus.world.tasks.set(task.sagaStep, task);
        if (next !== "fine")
          throw Object.assign(new Error("away"), { name: "AppError", type: "UNAVAILABLE", code: 503 });
      };
      const { status } = await campus.call("POST", "/clubs", { as: founder, body: campus.fields() });
      const tasks = [...campus.world.tasks.values()].filter((each) => each.clubId === id);
      if (status === 201) {
        expect((await campus.get(id, founder)).status).toBe("pending");
        expect(tasks).toHaveLength(1);
      } else {
        expect(status).toBe(503);
        await expectNoTrace(id);
        expect(tasks).toEqual([]);
      }
    }),
    { numRuns: 25 },
  );
});
