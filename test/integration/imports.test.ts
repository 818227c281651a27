/** People, clubs and members of a file: what comes in, what is refused, and that the same file twice changes nothing. */
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { startOffice } from "../support/admin.ts";
import type { Office } from "../support/admin.ts";
import { eventually } from "../support/eventually.ts";
import { counts, csv, Importer } from "../support/imports.ts";
import { unique } from "../support/users.ts";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { simpleParser } from "mailparser";
import { runtimeOf } from "../../mixins/runtime.ts";

let office: Office;
let importer: Importer;
beforeAll(async () => {
  office = await startOffice({
    domains: ["clubs", "notifications", "search", "posts", "applications", "files"],
  });
  importer = new Importer(office, await office.admin());
}, 60_000);
afterAll(() => office.stop());

const USERS = "username,email,displayName,college,major,grade,roles";
const CLUBS = "name,category,tags,summary,description,president,joinPolicy";
const done = (rows: number, created: number, unchanged: number, failed: number) => ({
  status: "done",
  rows,
  done: rows,
  created,
  unchanged,
  failed,
});
const club = (name: string): string => `${name},academic,"理论,读书",一句话,,,`;
const person = (name: string): string => `${name},${name}@example.edu,,,,,`;

/** The token in the only mail to an address. */
async function invitation(to: string): Promise<{ text: string; token: string }> {
  const folder = path.join(runtimeOf(office.broker).settings.dataDir, "mail");
  return eventually(async () => {
    for (const name of (await readdir(folder).catch(() => [])).filter((each) => each.endsWith(".eml"))) {
      const mail = await simpleParser(await readFile(path.join(folder, name)));
      if ([mail.to ?? []].flat()[0]?.text.toLowerCase() !== to) continue;
      const token = /^ {4}([\w-]{40,})$/m.exec(mail.text ?? "")?.[1] ?? "";
      return { text: mail.text ?? "", token };
    }
    return undefined;
  });
}

describe("People", () => {
  test("come in without a password, are invited once, and sign in when they have set one", async () => {
    const [a, b] = [`a${unique()}`, `b${unique()}`];
    const file = csv(USERS, [
      `${a.toUpperCase()},${a}@Example.edu,张三,物理学院,理论物理,2024,`,
      `${b},${b}@example.edu,,,,,"reviewer、moderator"`,
    ]);
    expect(counts(await importer.run("users", file))).toEqual(done(2, 2, 0, 0));
    expect(counts(await importer.run("users", file))).toEqual(done(2, 0, 2, 0));
    const { token } = await office.public.admin();
    const { items } = await office.public.ok<{ items: object[] }>("GET", `/users?q=${b}`, { token });
    expect(items).toMatchObject([
      { username: b, displayName: b, roles: ["student", "reviewer", "moderator"] },
    ]);
    const password = "a long enough passphrase";
    const signIn = () =>
      office.public
        .call("POST", "/auth/login", { body: { login: a, password } })
        .then(({ status }) => status);
    expect(await signIn()).toBe(401);
    const mail = await invitation(`${a}@example.edu`);
    expect(mail.text).toContain(a);
    await office.public.ok("POST", "/auth/password/reset", {
      body: { token: mail.token, newPassword: password },
    });
    expect(await signIn()).toBe(200);
  });

  test("that cannot be taken are named with the reason, and a dry run counts the same", async () => {
    const [taken, fresh] = [`t${unique()}`, `f${unique()}`];
    await importer.run("users", csv(USERS, [person(taken)]));
    const file = csv(USERS, [
      person(fresh),
      person(fresh),
      `${fresh},${fresh}@example.edu,另一个名字,,,,`,
      `${fresh},other${fresh}@example.edu,,,,,`,
      `x${fresh},${taken}@example.edu,,,,,`,
      `${taken},${taken}@example.edu,Somebody else,,,,`,
      `y${fresh},,,,,,`,
      `a,not an address,,,,,`,
      `z${fresh},z${fresh}@example.edu,=HYPERLINK(1),,,,`,
      `w${fresh},w${fresh}@example.edu,,,,,king`,
      `v${fresh},v${fresh}@example.edu,,`,
      `q${fresh},q${fresh}@example.edu,'=1+1,,,,`,
    ]);
    const dry = await importer.run("users", file, "&dryRun=true");
    expect(counts(dry)).toEqual(done(12, 2, 1, 9));
    const { token } = await office.public.admin();
    const found = () => office.public.ok<{ items: object[] }>("GET", `/users?q=${fresh}`, { token });
    expect((await found()).items).toEqual([]);
    const real = await importer.run("users", file);
    expect(counts(real)).toEqual(counts(dry));
    expect((await found()).items).toHaveLength(2);
    const report = await importer.report(real.id);
    expect([...report.keys()]).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(report.get(9)).toMatch(/^displayName: Begins with =/);
    expect(report.get(11)).toBe("The row has 4 cells, the heading 7.");
    expect((await importer.report(real.id, "zh-CN")).get(7)).toBe("email: 此字段必填。");
  });
});

describe("Clubs", () => {
  test("of the list that is handed out come in as they are, active at once", async () => {
    const file = await readFile("demo/clubs-zh.csv");
    expect(counts(await importer.run("clubs", file))).toEqual(done(127, 127, 0, 0));
    expect(counts(await importer.run("clubs", file))).toEqual(done(127, 0, 127, 0));
    const found = await eventually(async () => {
      const { body } = await office.public.call<{ items?: { club: object }[] }>(
        "GET",
        `/clubs/search?q=${encodeURIComponent("马克思主义理论研究会")}`,
      );
      return body.items?.[0]?.club;
    });
    expect(found).toMatchObject({ status: "active", memberCount: 1, tags: ["理论", "读书"] });
  });

  test("have the president that their row names; names count without case and once", async () => {
    const [name, leader] = [`Club ${unique()}`, `l${unique()}`];
    await importer.run("users", csv(USERS, [person(leader)]));
    const file = csv(CLUBS, [
      `${name},academic,,short,,${leader}@example.edu,open`,
      `${name.toUpperCase()},service,,short,,,`,
      `No ${name},nonsense,,short,,,`,
      `Not ${name},academic,,short,,nobody-of-that-name,`,
      `Nor ${name},academic,,,,,`,
    ]);
    const dry = await importer.run("clubs", file, "&dryRun=true");
    const real = await importer.run("clubs", file);
    expect(counts(real)).toEqual(done(5, 1, 0, 4));
    expect(counts(dry)).toEqual(counts(real));
    const report = await importer.report(real.id);
    expect(report.get(2)).toMatch(/^category: An earlier row/);
    expect(report.get(4)).toMatch(/^president: There is no active account/);
  });
});

describe("Members", () => {
  test("join by the club's name or id and the person's user name or e-mail; counts are right", async () => {
    const [name, other] = [`M ${unique()}`, `N ${unique()}`];
    const people = Array.from({ length: 6 }, () => `m${unique()}`);
    await importer.run("users", csv(USERS, people.map(person)));
    await importer.run("clubs", csv(CLUBS, [club(name), club(other)]));
    const { body } = await office.public.call<{ items: { id: string; name: string }[] }>(
      "GET",
      "/clubs?limit=100",
    );
    const id = body.items.find((each) => each.name === name)?.id ?? "";
    const file = csv("club,user,role,title", [
      `${name},${people[0]},,`,
      `${name.toLowerCase()},${people[1]}@EXAMPLE.edu,officer,干事`,
      `${id},${people[2]},member,`,
      `${other},${people[0]},,`,
      `${name},${people[0]},,`,
      `${name},${people[0]},officer,`,
      `${name},${people[3]},president,`,
      `${name},nobody-at-all,,`,
      `No such club,${people[4]},,`,
    ]);
    const dry = await importer.run("members", file, "&dryRun=true");
    const real = await importer.run("members", file);
    expect(counts(real)).toEqual(done(9, 4, 1, 4));
    expect(counts(dry)).toEqual(counts(real));
    expect(counts(await importer.run("members", file))).toEqual(done(9, 0, 5, 4));
    expect(await office.public.ok("GET", `/clubs/${id}`)).toMatchObject({ memberCount: 4 });
  });
});

describe("A file as a whole", () => {
  test("is refused at once where it cannot be read, and leaves nothing behind", async () => {
    const before = await office.db.primary.number("SELECT COUNT(*) AS n FROM imports");
    const outcomes = [
      await importer.outcome("users", "username,mail\na,b\n"),
      await importer.outcome("users", "username,email\n"),
      await importer.outcome("users", ""),
      await importer.outcome("users", 'username,email\nabc,a@b.c\nabd,"a@b.d\n'),
      await importer.outcome("users", Buffer.from([0x75, 0xff, 0xff])),
      await importer.outcome("teachers", "username,email\nabc,a@b.c\n"),
      await office.outcome("POST", "/admin/imports?kind=users", {
        raw: "username,email\n",
        headers: { "content-type": "text/csv" },
      }),
    ];
    expect(outcomes).toEqual([
      "422 VALIDATION_FAILED email=MISSING_COLUMN mail=UNKNOWN_COLUMN",
      "422 IMPORT_EMPTY",
      "422 IMPORT_EMPTY",
      "422 IMPORT_MALFORMED",
      "422 IMPORT_ENCODING",
      "422 VALIDATION_FAILED kind=NOT_ALLOWED",
      "401 UNAUTHENTICATED",
    ]);
    expect(await office.db.primary.number("SELECT COUNT(*) AS n FROM imports")).toBe(before);
  });

  test("of another media type is refused", async () => {
    const refused = await eventually(async () => {
      const options = { token: importer.token, body: {} };
      const outcome = await office.outcome("POST", "/admin/imports?kind=users", options);
      return outcome.startsWith("503") ? undefined : outcome;
    });
    expect(refused).toBe("415 UNSUPPORTED_MEDIA_TYPE");
  });

  test("of more than 50 MiB is refused", async () => {
    const large = Buffer.alloc(50 * 1_048_576 + 1, "a");
    expect(await importer.outcome("users", large)).toBe("413 PAYLOAD_TOO_LARGE");
  });

  test("whose sender breaks off is no import", async () => {
    const before = await office.db.primary.number("SELECT COUNT(*) AS n FROM imports");
    await new Promise<void>((resolve) => {
      const sent = request(`${office.adminUrl}/admin/imports?kind=users`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${importer.token}`,
          "content-type": "text/csv",
          "content-length": 100_000,
        },
      });
      sent.on("error", () => undefined);
      sent.on("close", () => resolve());
      sent.write(csv(USERS, [person(`broken${unique()}`)]));
      setTimeout(() => sent.destroy(), 200);
    });
    expect(counts(await importer.run("users", csv(USERS, [person(`w${unique()}`)])))).toEqual(
      done(1, 1, 0, 0),
    );
    expect(await office.db.primary.number("SELECT COUNT(*) AS n FROM imports")).toBe(before + 1);
  });

  test("may be of GB18030, or of UTF-8 with a BOM", async () => {
    const name = `u${unique()}`;
    const heading = Buffer.from("username,email,displayName\n");
    const row = Buffer.concat([
      Buffer.from(`${name},${name}@example.edu,`),
      // 张三
      Buffer.from([0xd5, 0xc5, 0xc8, 0xfd]),
      Buffer.from("\r\n"),
    ]);
    expect(counts(await importer.run("users", Buffer.concat([heading, row])))).toEqual(done(1, 1, 0, 0));
    const utf8 = `\uFEFFusername,email,displayName\n${name},${name}@example.edu,张三\n`;
    expect(counts(await importer.run("users", utf8))).toEqual(done(1, 0, 1, 0));
    expect(counts(await importer.run("users", Buffer.concat([heading, row]), "&charset=gb18030"))).toEqual(
      done(1, 0, 1, 0),
    );
    expect(await importer.outcome("users", Buffer.concat([heading, row]), "&charset=utf-8")).toBe(
      "422 IMPORT_ENCODING",
    );
  });
});

describe("Imports", () => {
  test("of the same file at once make each row once", async () => {
    const names = Array.from({ length: 600 }, () => `p${unique()}`);
    const file = csv(USERS, names.map(person));
    const begun = await Promise.all([importer.send("users", file), importer.send("users", file)]);
    const ended = await Promise.all(begun.map(({ body }) => importer.ended(body.import.id)));
    expect(ended.map(({ failed }) => failed)).toEqual([0, 0]);
    expect(ended.reduce((sum, { created }) => sum + created, 0)).toBe(600);
    expect(ended.reduce((sum, { unchanged }) => sum + unchanged, 0)).toBe(600);
  });

  test("end when their administrator is none any more, or somebody stops them", async () => {
    const other = await office.another();
    const theirs = new Importer(office, await office.admin(other.username, other.password));
    const rows = (): string =>
      csv(
        USERS,
        Array.from({ length: 2_000 }, () => person(`s${unique()}`)),
      );
    const { body } = await theirs.send("users", rows());
    // While rows come in requests may be put off.
    await eventually(() =>
      office.give(other.id, []).then(
        () => true,
        () => undefined,
      ),
    );
    const ended = await importer.ended(body.import.id);
    expect(ended).toMatchObject({ status: "failed", reason: "notAdministrator" });
    const mine = (await importer.send("users", rows())).body.import.id;
    expect(await importer.stop(mine)).toBe(200);
    expect(await importer.stop(mine)).toBe(409);
    const stopped = await importer.get(mine);
    expect(stopped).toMatchObject({ status: "failed", reason: "stopped" });
    expect(await office.db.primary.number("SELECT COUNT(*) AS n FROM import_parts")).toBe(0);
  });

  test("are listed, newest first", async () => {
    const newest = await importer.run("users", csv(USERS, [person(`l${unique()}`)]));
    const { items, nextCursor } = await importer.list("limit=1");
    expect(items).toEqual([newest]);
    const { items: older } = await importer.list(`limit=1&cursor=${nextCursor}`);
    expect(String(older[0]?.id) < newest.id).toBe(true);
  });
});
