/** People, clubs and members of a file: what comes in, what is refused, and that the same file twice changes nothing. */
import { readFile } from "node:fs/promises";
import { startOffice } from "../support/admin.ts";
import type { Office } from "../support/admin.ts";
import { counts, csv, Importer } from "../support/imports.ts";
import { unique } from "../support/users.ts";

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

describe("People", () => {
  test("come in without a password, and again nothing changes", async () => {
    const [a, b] = [`a${unique()}`, `b${unique()}`];
    const file = csv(USERS, [
      `${a.toUpperCase()},${a}@Example.edu,张三,物理学院,理论物理,2024,`,
      `${b},${b}@example.edu,,,,,"reviewer、moderator"`,
    ]);
    const first = await importer.run("users", file);
    expect(counts(first)).toEqual({ status: "done", rows: 2, done: 2, created: 2, unchanged: 0, failed: 0 });
    const again = await importer.run("users", file);
    expect(counts(again)).toMatchObject({ created: 0, unchanged: 2, failed: 0 });
    const admin = await office.public.admin();
    const { items } = await office.public.ok<{ items: Record<string, unknown>[] }>("GET", `/users?q=${b}`, {
      token: admin.token,
    });
    expect(items).toEqual([
      expect.objectContaining({ username: b, displayName: b, roles: ["student", "reviewer", "moderator"] }),
    ]);
    const login = { login: a, password: "a long enough passphrase" };
    expect((await office.public.call("POST", "/auth/login", { body: login })).status).toBe(401);
  });
});

describe("Clubs", () => {
  test("of the list that is handed out come in as they are", async () => {
    const file = await readFile("demo/clubs-zh.csv");
    const first = await importer.run("clubs", file);
    expect(counts(first)).toEqual({
      status: "done",
      rows: 127,
      done: 127,
      created: 127,
      unchanged: 0,
      failed: 0,
    });
    expect(counts(await importer.run("clubs", file))).toMatchObject({
      created: 0,
      unchanged: 127,
      failed: 0,
    });
  });
});
