/** Every statement of the domain names the shard that it is for, but for those that are listed. */
import { createConnection } from "mysql2/promise";
import type { RowDataPacket } from "mysql2/promise";
import { newId } from "../../lib/ids.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { CROSS_SHARD, SEARCH, SHARD_KEYS } from "../../services/users/cross-shard.ts";
import { sweepIdentities } from "../../services/users/identities.ts";
import { sweepDaily, sweepOften } from "../../services/users/sweeps.ts";
import { startHouse, unique, watchStatements } from "../support/users.ts";
import type { House } from "../support/users.ts";

let house: House;
/** Each statement once, with the values of its first run. */
const seen = new Map<string, unknown[]>();

beforeAll(async () => {
  house = await startHouse();
  const stop = watchStatements(house.db, (text) => {
    const [sql, values] = text.split(/; (?=["\d[{n]|$)/);
    const plain = (sql as string).replaceAll(/\$\w+/g, "?");
    if (!seen.has(plain)) seen.set(plain, parse(values));
  });
  await everything();
  stop();
}, 60_000);
afterAll(() => house.stop());

function parse(values: string | undefined): unknown[] {
  try {
    return JSON.parse(`[${values ?? ""}]`) as unknown[];
  } catch {
    return [];
  }
}

/** All that the domain does, once. */
async function everything(): Promise<void> {
  const admin = await house.federation.admin();
  const person = await house.federation.register(`u${unique()}`);
  const { token, id } = person;
  const post = (target: string, body: object, by?: string) =>
    house.outcome("POST", target, { body, token: by, headers: { "idempotency-key": unique() } });
  const get = (target: string, by = token) => house.outcome("GET", target, { token: by });
  const signIn = (password: string) => post("/auth/login", { login: person.email, password });
  for (let i = 0; i < 6; i++) await signIn("not the password");
  await post("/auth/password/forgot", { email: person.email });
  const reset = (await house.mails(person.email, 2)).find((mail) => mail.token)?.token as string;
  await post("/auth/refresh", { refreshToken: person.refreshToken });
  await post("/auth/refresh", { refreshToken: person.refreshToken });
  for (const target of ["/users/me", `/users/${id}`, "/users/me/export", "/roles", "/auth/sessions"])
    await get(target);
  await get(`/users/${id}`, admin.token);
  for (const query of ["q=u", "q=u&role=admin&limit=1"]) await get(`/users?${query}`, admin.token);
  await house.outcome("PATCH", "/users/me", { token, body: { bio: "new" } });
  const email = `n${unique()}@example.org`;
  await post("/users/me/email", { email, password: person.password }, token);
  await post("/auth/email/confirm", { token: (await house.mails(email))[0]?.token });
  await post(
    "/auth/password",
    { currentPassword: person.password, newPassword: "another long passphrase" },
    token,
  );
  await post("/auth/password/reset", { token: reset, newPassword: "another long passphrase" });
  const put = (target: string, body: object) => house.outcome("PUT", target, { token: admin.token, body });
  await put(`/users/${id}/roles`, { roles: ["reviewer"] });
  await put(`/users/${id}/roles`, { roles: [] });
  for (const status of ["suspended", "active"])
    await put(`/users/${id}/status`, { status, reason: "A test." });
  const leaving = await house.federation.register(`u${unique()}`);
  const { items } = await house.federation.ok<{ items: { id: string }[] }>("GET", "/auth/sessions", leaving);
  const again = await house.federation.ok<{ accessToken: string }>("POST", "/auth/login", {
    body: { login: leaving.username, password: leaving.password },
  });
  await house.outcome("DELETE", `/auth/sessions/${items[0]?.id}`, { token: again.accessToken });
  await house.outcome("DELETE", "/users/me", {
    token: again.accessToken,
    body: { password: leaving.password },
  });
  const { broker } = house.federation;
  await broker.call("users.names", { ids: [id, leaving.id] });
  await broker.call("users.erasure", { id: leaving.id });
  await broker.call("sessions.endOfUser", { user: id });
  await broker.call("usersQueue.depth");
  await house.db.primary.insert("identities", {
    value: "u:lost",
    user_id: newId(),
    state: "reserved",
    created_at: 1,
  });
  await sweepIdentities(house.db.primary, Date.now());
  await sweepOften(house.db.primary, Date.now());
  await sweepDaily(house.db.primary, Date.now());
}

/** The sharded table that a statement is about, where it is not one of those listed. */
function sharded(sql: string): string | undefined {
  if (CROSS_SHARD.some(({ begins }) => sql.startsWith(begins))) return undefined;
  const table = /^(?:SELECT .* FROM|UPDATE|INSERT INTO|DELETE FROM) (\w+)/s.exec(sql)?.[1] ?? "";
  return table in SHARD_KEYS ? table : undefined;
}

test("each names its shard by a single value", () => {
  const without: string[] = [];
  const tables = new Set<string>();
  for (const sql of seen.keys()) {
    const table = sharded(sql);
    if (!table) continue;
    tables.add(table);
    const key = SHARD_KEYS[table] as string;
    const condition = sql.startsWith("INSERT")
      ? new RegExp(`[(, ]${key}[,)]`)
      : new RegExp(`WHERE (.* AND )?${key} = \\?`, "s");
    if (!condition.test(sql)) without.push(sql);
  }
  expect(without).toEqual([]);
  // All tables were in it, or this proves nothing.
  expect([...tables].toSorted()).toEqual(Object.keys(SHARD_KEYS).toSorted());
});

test("none joins two tables", () => {
  expect([...seen.keys()].filter((sql) => /\bJOIN\b|\bFROM \w+,|\(SELECT/i.test(sql))).toEqual([]);
});

test("the database reads one partition for each", async () => {
  const url = runtimeOf(house.federation.broker).settings.sqlUrls.users;
  if (!url) return;
  const connection = await createConnection(url);
  const wide: string[] = [];
  let explained = 0;
  for (const [sql, values] of seen) {
    if (!sharded(sql) || sql.startsWith("INSERT")) continue;
    const [rows] = await connection.query<RowDataPacket[]>(`EXPLAIN PARTITIONS ${sql}`, values);
    explained += rows[0]?.["partitions"] === null ? 0 : 1;
    if (/,/.test(String(rows[0]?.["partitions"]))) wide.push(`${sql} reads ${rows[0]?.["partitions"]}`);
  }
  // The search of people reads them all: what is asked here can be seen.
  const [search] = [...seen].filter(([sql]) => sql.startsWith(`${SEARCH} status`));
  const [all] = await connection.query<RowDataPacket[]>(`EXPLAIN PARTITIONS ${search?.[0]}`, search?.[1]);
  expect(all[0]?.["partitions"]).toContain(",");
  connection.destroy();
  expect(wide).toEqual([]);
  expect(explained).toBeGreaterThan(20);
});
