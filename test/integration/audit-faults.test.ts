/** When the log cannot be written, administrators do nothing unrecorded, and everybody else goes on and is recorded later. */
import { ServiceBroker } from "moleculer";
import type { EntryRow } from "../../lib/audit-chain.ts";
import { declare } from "../../lib/declare.ts";
import type { ActionContract } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import { audit } from "../../middlewares/audit.ts";
import { startOffice } from "../support/admin.ts";
import type { Office } from "../support/admin.ts";
import { eventually } from "../support/eventually.ts";
import type { Person } from "../support/federation.ts";
import { message } from "../support/stand-ins.ts";

let office: Office;
let admin: { id: string; token: string };
let person: Person;

const rows = (requestId: string): Promise<EntryRow[]> =>
  office.db.primary.all<EntryRow>(
    "SELECT * FROM audit_entries WHERE request_id = :requestId ORDER BY at, id",
    {
      requestId,
    },
  );
const results = async (requestId: string): Promise<string[]> =>
  (await rows(requestId)).map(({ result }) => result);
/** As a disk that is full: the log gives what it has and takes nothing. */
async function full(on: boolean): Promise<void> {
  const { primary, sequelize } = office.db;
  const refuse =
    sequelize.getDialect() === "mysql"
      ? "FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'disk full'"
      : "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END";
  await primary.run("DROP TRIGGER IF EXISTS disk_full");
  if (on) await primary.run(`CREATE TRIGGER disk_full BEFORE INSERT ON audit_entries ${refuse}`);
}
const named = (requestId: string, token?: string) => ({ token, headers: { "x-request-id": requestId } });

beforeAll(async () => {
  office = await startOffice();
  admin = await office.admin();
  person = await office.public.register();
});
afterEach(() => full(false));
afterAll(() => office?.stop());

test("people go on while the log is away, and their entries come in when it is back", async () => {
  await full(true);
  const requestId = newId();
  const options = { ...named(requestId, person.token), body: { bio: "I play." } };
  expect(await office.public.call("PATCH", "/users/me", options)).toMatchObject({ status: 200 });
  expect(await office.public.call("GET", "/users/me", { token: person.token })).toMatchObject({
    body: { bio: "I play." },
  });
  expect(await results(requestId)).toEqual([]);
  await full(false);
  await eventually(async () => (await results(requestId)).length > 0 || undefined);
  expect(await results(requestId)).toEqual(["ok"]);
  const verdict = await office.ok("GET", "/admin/audit/verify", { token: admin.token });
  expect(verdict).toMatchObject({ ok: true });
});

test("administrators change nothing that the log does not take", async () => {
  const { token } = admin;
  await full(true);
  const change = { token, body: { value: "Nobody has set this" } };
  expect(await office.outcome("PUT", "/admin/settings/banner.text", change)).toBe("503 UNAVAILABLE");
  expect(await office.outcome("DELETE", `/admin/users/${person.id}/sessions`, { token })).toBe(
    "503 UNAVAILABLE",
  );
  await full(false);
  const settings = await office.ok<{ key: string; value: unknown }[]>("GET", "/admin/settings", { token });
  expect(settings.find(({ key }) => key === "banner.text")).toMatchObject({ value: "" });
  expect(await office.public.call("GET", "/users/me", { token: person.token })).toMatchObject({
    status: 200,
  });
});

test("what is changed in another domain is recorded before it is done, and after", async () => {
  const one = await office.public.register();
  const requestId = newId();
  await office.ok("DELETE", `/admin/users/${one.id}/sessions`, named(requestId, admin.token));
  expect(await results(requestId)).toEqual(["started", "ok"]);
  expect(await rows(requestId)).toMatchObject([
    { actor: admin.id, subject_id: one.id },
    { subject_id: one.id },
  ]);
});

test("so are roles that are given on the admin gateway", async () => {
  const one = await office.public.register();
  const requestId = newId();
  const body = { roles: ["reviewer"] };
  await office.ok("PUT", `/admin/users/${one.id}/roles`, { ...named(requestId, admin.token), body });
  expect(await rows(requestId)).toMatchObject([
    { result: "started", changes: "{}" },
    { result: "ok", changes: '{"roles":[[],["reviewer"]]}' },
  ]);
});

test("a refusal after the start is recorded as its end", async () => {
  const requestId = newId();
  const target = `/admin/users/${newId()}/sessions`;
  const { status } = await office.call("DELETE", target, named(requestId, admin.token));
  const found = await results(requestId);
  expect(found[0]).toBe("started");
  expect(found).toHaveLength(2);
  if (status >= 400) expect(found[1]).not.toBe("ok");
});

test("a message that is brought again, and one that does not fit", async () => {
  const acted = { action: "users.updateMe", subject: null, changes: {}, result: "ok", address: null };
  const told = {
    ...message("users.acted", { type: "user", id: newId(), version: 1 }, acted),
    requestId: newId(),
  };
  const bring = (): Promise<unknown> => office.broker.call("audit.onMessage", told);
  await Promise.all([bring(), bring(), bring()]);
  await bring();
  expect(await results(told.requestId)).toEqual(["ok"]);
  const unfit = { ...told, id: newId(), data: { ...acted, result: "x".repeat(65) } };
  await expect(office.broker.call("audit.onMessage", unfit)).rejects.toMatchObject({
    type: "VALIDATION_FAILED",
  });
});

test("addresses are forgotten after their time, and the log is still whole", async () => {
  const { token } = admin;
  const log = office.broker.getLocalService("audit") as unknown as { forgetAddresses(): Promise<void> };
  const acted = { action: "users.updateMe", subject: null, changes: {}, result: "ok", address: "192.0.2.77" };
  const at = Date.now() - 181 * 24 * 3_600_000;
  const old = message("users.acted", { type: "user", id: newId(), version: 1 }, acted, at);
  await office.broker.call("audit.onMessage", { ...old, requestId: old.id });
  expect(await rows(old.id)).toMatchObject([{ address: "192.0.2.77" }]);
  await log.forgetAddresses();
  const [row] = await rows(old.id);
  expect(row).toMatchObject({ address: null, address_salt: null });
  expect(row?.address_digest).not.toBeNull();
  expect(await office.ok("GET", "/admin/audit/verify", { token })).toMatchObject({ ok: true });
  const { items } = await office.ok<{ items: { address: string | null }[] }>(
    "GET",
    "/admin/audit?action=auth.register",
    {
      token,
    },
  );
  expect(items[0]?.address).toBe("127.0.0.1");
});

test("a change that does not say how it is recorded does not load", () => {
  const summary = { en: "Change", "zh-CN": "改" };
  const load = (contract: ActionContract): void => {
    const contracts = new Map([["things.change", contract]]);
    const broker = new ServiceBroker({ logger: false, middlewares: [audit(contracts)] });
    broker.createService({ name: "things", actions: { change: () => undefined } });
  };
  const change: ActionContract = { rest: "POST /things", summary, access: "user" };
  expect(() => load(change)).toThrow("does not say how it is recorded");
  expect(() => load({ ...change, audit: { subject: "thing" } })).not.toThrow();
  expect(() => load({ ...change, rest: "GET /things" })).not.toThrow();
});

test("a contract cannot have a secret recorded", () => {
  const declared = (field: string) => () =>
    declare("things", {
      change: {
        rest: "POST /things",
        summary: { en: "Change", "zh-CN": "改" },
        access: "user",
        audit: { subject: "thing", fields: [field] },
      },
    });
  for (const field of ["password", "newPassword", "token", "code", "recoveryCodes", "secret", "email"])
    expect(declared(field)).toThrow("is not recorded");
  expect(declared("name")).not.toThrow();
});
