/** Administrators' sessions: who gets one, what it is good for, and how it ends. */
import { startOffice } from "../support/admin.ts";
import type { Office } from "../support/admin.ts";

let office: Office;

beforeAll(async () => {
  office = await startOffice();
}, 60_000);
afterAll(async () => office?.stop());

test("an administrator signs in, sees the session and signs out", async () => {
  const admin = await office.admin();
  const { token } = admin;
  const shown = await office.ok<{ user: { id: string }; totp: boolean }>("GET", "/admin/auth/session", {
    token,
  });
  expect(shown).toMatchObject({ user: { id: admin.id }, totp: false, recoveryCodesLeft: 0 });
  expect(await office.outcome("POST", "/admin/auth/logout", { token })).toBe("204");
  expect(await office.outcome("GET", "/admin/auth/session", { token })).toBe("401 INVALID_TOKEN");
});
