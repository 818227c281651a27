/**
 * Every published action × every role, from the contracts, so that a new action cannot escape. Each request is wrong
 * in its form: whoever is let through gets 422 and nothing changes; everybody else gets the refusal of the rule.
 */
import type { ActionContract } from "../../lib/declare.ts";
import { isResourceRule, routeOf } from "../../lib/declare.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { actionContracts } from "../../services/contracts.ts";
import { isAdministrative } from "../../services/gateway/paths.ts";
import { startFederation } from "../support/federation.ts";
import type { Federation } from "../support/federation.ts";
import { Client } from "../support/http.ts";

const ROLES = [
  "anonymous",
  "outsider",
  "applicant",
  "member",
  "officer",
  "president",
  "reviewer",
  "moderator",
  "admin",
  "administrator",
] as const;
type Role = (typeof ROLES)[number];
type Verdict = "let through" | 401 | 403 | 404 | "not of this gateway";

/** From least to most; each of the latter includes the former. */
const CLUB_ROLES = ["visible", "member", "officer", "president"];

/**
 * What the gateway says of a token that is the other one's, and else the rule: an administrator has a session of the admin
 * gateway, everybody else one of the public gateway.
 */
function verdictOf(rest: string, access: ActionContract["access"], role: Role): Verdict {
  if (role === "anonymous") return expected(access, role);
  const own = isAdministrative(routeOf(rest).path) === (role === "administrator");
  return own ? expected(access, role) : "not of this gateway";
}

/**
 * What the rule says about a role, in an active club, on an application of the applicant to it, a published activity, a
 * post and a comment of the member, and a file that the member has yet to upload.
 */
function expected(access: ActionContract["access"], role: Role): Verdict {
  if (access === "any") return "let through";
  if (!isResourceRule(access)) {
    if (role === "anonymous") return 401;
    if (access === "administrator") return "let through";
    return access === "user" || [access].flat().some((each) => each === role) ? "let through" : 403;
  }
  const open = "anonymous" in access && access.anonymous === true;
  if (role === "anonymous" && !open) return 401;
  const byRole = [access.or].flat().some((each) => each === role);
  if ("file" in access && access.file) return role === "member" || byRole ? "let through" : 404;
  if (role === "anonymous") return "let through";
  if ("club" in access && access.club) {
    const has = CLUB_ROLES.includes(role) ? CLUB_ROLES.indexOf(role) : 0;
    if (has >= CLUB_ROLES.indexOf(access.club)) return "let through";
    return byRole ? "let through" : 403;
  }
  if ("application" in access && access.application) {
    const parties = {
      applicant: ["applicant"],
      decider: ["officer", "president"],
      party: ["applicant", "officer", "president"],
    };
    if (parties[access.application].includes(role)) return "let through";
    return parties.party.includes(role) ? 403 : 404;
  }
  if ("activity" in access && access.activity) {
    const officers = ["officer", "president"];
    return access.activity === "visible" || officers.includes(role) ? "let through" : 403;
  }
  if (("post" in access && access.post) || ("comment" in access && access.comment)) {
    const relation = "post" in access ? access.post : access.comment;
    const officers = ["officer", "president"];
    const has = { visible: [role], author: ["member"], officer: officers }[relation as string] as string[];
    return has.includes(role) || byRole ? "let through" : 403;
  }
  throw new Error(`The matrix does not know the rule ${JSON.stringify(access)}: teach it.`);
}

const OUTCOMES = {
  "let through": "422 VALIDATION_FAILED",
  401: "401 UNAUTHENTICATED",
  403: "403 FORBIDDEN",
  404: "404 NOT_FOUND",
  "not of this gateway": "401 INVALID_TOKEN",
} as const;

const published = [...actionContracts].filter(([, action]) => action.rest);

let federation: Federation;
let office: Client;
const tokens = new Map<Role, string | undefined>([["anonymous", undefined]]);
let club: string;
let application: string;
let activity: string;
let post: string;
let comment: string;
let file: string;

beforeAll(async () => {
  federation = await startFederation();
  const people = new Map<Role, { id: string; token: string }>();
  for (const role of ROLES.filter((each) => !["anonymous", "admin", "administrator"].includes(each))) {
    const person = await federation.register();
    people.set(role, person);
    tokens.set(role, person.token);
  }
  const admin = await federation.admin();
  tokens.set("admin", admin.token);
  office = new Client(`http://127.0.0.1:${runtimeOf(federation.broker).ports.get("admin-api")}`);
  const signedIn = await office.send<{ accessToken: string }>("POST", "/admin/auth/login", {
    body: { login: "admin@example.edu", password: "correct horse battery" },
  });
  tokens.set("administrator", signedIn.body.accessToken);
  const of = (role: Role) => people.get(role) as { id: string; token: string };
  for (const role of ["reviewer", "moderator"] as const) {
    const answer = await federation.call("PUT", `/users/${of(role).id}/roles`, {
      token: admin.token,
      body: { roles: [role] },
    });
    expect(answer.status).toBe(200);
  }
  club = await federation.foundClub(of("president"), of("reviewer"));
  for (const role of ["member", "officer"] as const) await federation.join(club, of(role), of("president"));
  await federation.ok("PATCH", `/clubs/${club}/members/${of("officer").id}`, {
    token: of("president").token,
    body: { role: "officer" },
  });
  const applied = await federation.ok<{ application: { id: string } }>(
    "POST",
    `/clubs/${club}/applications`,
    { token: of("applicant").token, body: {} },
  );
  application = applied.application.id;
  activity = await publishActivity(of("officer").token);
  const { token } = of("member");
  const made = async (path: string, body: object): Promise<string> =>
    (await federation.ok<{ id: string }>("POST", path, { token, body })).id;
  post = await made("/posts", { clubId: club, title: "Paper boats", body: "They float." });
  comment = await made(`/posts/${post}/comments`, { body: "They do." });
  const announced = { name: "boat.png", contentType: "image/png", size: 100, purpose: "post" };
  ({
    file: { id: file },
  } = await federation.ok<{ file: { id: string } }>("POST", "/files", { token, body: announced }));
}, 60_000);

afterAll(async () => {
  office?.close();
  await federation?.stop();
});

async function publishActivity(token: string): Promise<string> {
  const [startsAt, endsAt] = [1, 2].map((days) => new Date(Date.now() + days * 86_400_000).toISOString());
  const body = { title: "Reading", startsAt, endsAt, timezone: "Asia/Shanghai" };
  const { id } = await federation.ok<{ id: string }>("POST", `/clubs/${club}/activities`, { token, body });
  await federation.ok("POST", `/activities/${id}/publish`, { token, body: {} });
  return id;
}

/** The request that is allowed or not, but wrong in its form. */
function requestOf(
  rest: string,
  action: ActionContract,
): { method: string; path: string; body?: object; raw?: string; headers?: Record<string, string> } {
  const { method, path } = routeOf(rest);
  const subjects = { application, activity, post, comment, file };
  const [, subject = club] =
    Object.entries(subjects).find(([kind]) => isResourceRule(action.access) && kind in action.access) ?? [];
  const filled = path.replace(/:(\w+)/g, (_, name: string) => (name === "id" ? subject : club));
  if (action.body && action.body.type !== "application/json")
    return { method, path: `${filled}?nonsense=1`, raw: "-", headers: { "content-type": action.body.type } };
  if (method === "GET" || method === "DELETE") return { method, path: `${filled}?nonsense=1` };
  return { method, path: filled, body: { nonsense: 1 } };
}

describe.each(published)("%s", (_name, action) => {
  test.each(ROLES)("%s", async (role) => {
    const { method, path, ...request } = requestOf(action.rest as string, action);
    const options = { token: tokens.get(role), ...request };
    const answer = isAdministrative(path)
      ? await office.send<{ code?: string }>(method, path, options)
      : await federation.call<{ code?: string }>(method, path, options);
    expect(`${answer.status} ${answer.body?.code}`).toBe(
      OUTCOMES[verdictOf(action.rest as string, action.access, role)],
    );
  });
});

test("a published action checks the caller whoever sends the call", async () => {
  for (const [name, action] of published) {
    if (expected(action.access, "anonymous") !== 401) continue;
    await expect(federation.broker.call(name, { id: club })).rejects.toMatchObject({
      type: "UNAUTHENTICATED",
    });
  }
});

test("what services do among themselves has no route and refuses a gateway", async () => {
  for (const [name, action] of actionContracts) {
    if (action.access !== "service") continue;
    await expect(federation.broker.call(name, {}, { caller: "api" })).rejects.toMatchObject({
      type: "FORBIDDEN",
    });
  }
});

test("an action without an access rule does not load", () => {
  expect(() =>
    federation.broker.createService({ name: "clubs", actions: { open: () => "everything" } }),
  ).toThrow(/no access rule/);
});
