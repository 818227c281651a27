/** Administrators on the public gateway's actions, by what their node knows of the settings. */
import type { Context } from "moleculer";
import { declare } from "../../lib/declare.ts";
import type { ActionContract } from "../../lib/declare.ts";
import { LiveSettings } from "../../lib/live-settings.ts";
import { readSettings } from "../../lib/settings.ts";
import type { Verifier } from "../../lib/tokens.ts";
import { authorize } from "../../middlewares/authorize.ts";

const summary = { en: "Work", "zh-CN": "工作" };
const { actions } = declare("work", {
  admins: { rest: "GET /work", summary, access: "admin" },
  both: { rest: "GET /shared", summary, access: ["moderator", "admin"] },
});

/** Who sends any token is `ann`. */
const verifier = { cached: () => ({ sub: "ann", sid: "s" }) } as unknown as Verifier;

interface World {
  natsUrl?: string;
  roles?: string[];
  told?: { values: Record<string, unknown>; totp: string[] };
  signedInAt?: number | null;
}

async function outcome(name: keyof typeof actions, world: World): Promise<string> {
  const settings = readSettings({ ...(world.natsUrl && { NATS_URL: world.natsUrl }) });
  const live = new LiveSettings(settings);
  if (world.told) live.take({ revision: 1, ...world.told });
  const contracts = new Map<string, ActionContract>(
    Object.entries(actions).map(([key, action]) => [`work.${key}`, action]),
  );
  const middleware = authorize({ contracts, verifier, adminVerifier: verifier, live, settings });
  const answers: Record<string, unknown> = {
    "users.rolesOf": world.roles ?? ["admin"],
    "sessions.signedInAt": world.signedInAt === undefined ? Date.now() : world.signedInAt,
  };
  const ctx = {
    locals: {},
    headers: { passport: "a token" },
    params: {},
    call: async (action: string) => answers[action],
  } as unknown as Context;
  const wrap = middleware.localAction as unknown as (
    next: (each: Context) => Promise<string>,
    action: { name: string },
  ) => (each: Context) => Promise<string>;
  return wrap(async () => "let in", { name: `work.${name}` })(ctx).catch(
    (error: { type: string }) => error.type,
  );
}

const nothing = { values: {}, totp: [] };

test("with a fresh sign-in they work there while nothing is set", async () => {
  expect(await outcome("admins", { told: nothing })).toBe("let in");
  expect(await outcome("admins", { told: nothing, signedInAt: Date.now() - 16 * 60_000 })).toBe(
    "SIGN_IN_AGAIN",
  );
  expect(await outcome("admins", { told: nothing, signedInAt: null })).toBe("SIGN_IN_AGAIN");
});

test.each([
  ["a second factor is required", { values: { "admin.requireTotp": true }, totp: [] }],
  ["networks are named", { values: { "admin.allowedNetworks": ["10.0.0.0/8"] }, totp: [] }],
  ["they have a second factor", { values: {}, totp: ["ann"] }],
])("where %s the admin gateway is to be used, whatever the sign-in", async (_what, told) => {
  expect(await outcome("admins", { told })).toBe("USE_ADMIN_GATEWAY");
  expect(await outcome("admins", { told, signedInAt: 0 })).toBe("USE_ADMIN_GATEWAY");
  // It is about administrators alone.
  expect(await outcome("admins", { told, roles: [] })).toBe("FORBIDDEN");
  expect(await outcome("both", { told, roles: ["moderator", "admin"] })).toBe("let in");
  expect(await outcome("both", { told, roles: ["admin"] })).toBe("USE_ADMIN_GATEWAY");
});

test("somebody else's second factor is no matter", async () => {
  expect(await outcome("admins", { told: { values: {}, totp: ["bob"] } })).toBe("let in");
});

test("in a cluster they wait until their node has heard what is set; one process alone need not", async () => {
  const natsUrl = "nats://127.0.0.1:4222";
  expect(await outcome("admins", { natsUrl })).toBe("UNAVAILABLE");
  expect(await outcome("admins", { natsUrl, told: nothing })).toBe("let in");
  expect(await outcome("admins", {})).toBe("let in");
  expect(await outcome("both", { natsUrl, roles: ["moderator"] })).toBe("let in");
});
