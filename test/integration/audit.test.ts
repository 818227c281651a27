/** What people and administrators do comes into the audit log, each once, with who it was and what changed; no secret does. */
import path from "node:path";
import type { EntryRow } from "../../lib/audit-chain.ts";
import { newId } from "../../lib/ids.ts";
import { isAccounted, NOT_AUDITED } from "../../middlewares/audit.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { actionContracts } from "../../services/contracts.ts";
import { startOffice } from "../support/admin.ts";
import type { Office } from "../support/admin.ts";
import { eventually } from "../support/eventually.ts";
import type { Person } from "../support/federation.ts";
import type { RequestOptions } from "../support/http.ts";
import { readMails } from "../support/users.ts";

interface Entry {
  id: string;
  at: string;
  actor: { id: string | null; displayName: string } | null;
  action: string;
  subject: { type: string; id: string } | null;
  changes: Record<string, [unknown, unknown]>;
  address: string | null;
  requestId: string;
  result: string;
}
interface Page {
  items: Entry[];
  nextCursor: string | null;
}
interface Verdict {
  ok: boolean;
  checked: number;
  firstBroken: string | null;
}

const PASSWORDS = ["another long passphrase", "a third long passphrase"] as const;

let office: Office;
let admin: { id: string; token: string };
let people: Record<"pia" | "rita" | "mona" | "ada" | "otto", Person>;
/** Actions that were seen in the log, and tokens that must not be. */
const seen = new Map<string, Entry>();
const secrets: string[] = [...PASSWORDS, "a long enough passphrase", "correct horse battery"];

const inLog = (query: string): Promise<Page> =>
  office.ok<Page>("GET", `/admin/audit?limit=100&${query}`, { token: admin.token });
const rows = (): Promise<EntryRow[]> => office.db.primary.all<EntryRow>("SELECT * FROM audit_entries");
/** The entries of one request, as soon as there is one. */
async function entriesOf(requestId: string): Promise<EntryRow[]> {
  const own = async (): Promise<EntryRow[]> =>
    office.db.primary.all<EntryRow>("SELECT * FROM audit_entries WHERE request_id = :requestId", {
      requestId,
    });
  await eventually(async () => (await own()).length > 0 || undefined);
  return own();
}

/** A request that must leave exactly one entry of `action`. */
async function does<T = { id: string }>(
  action: string,
  method: string,
  target: string,
  options: RequestOptions = {},
): Promise<T> {
  const requestId = newId();
  const headers = { "x-request-id": requestId, ...options.headers };
  const body = await office.public.ok<T>(method, target, { ...options, headers });
  const found = await entriesOf(requestId);
  expect(found.map((row) => [row.action, row.result])).toEqual([[action, "ok"]]);
  const [entry] = (await inLog(`action=${action}`)).items.filter((each) => each.requestId === requestId);
  expect(entry).toMatchObject({ address: "127.0.0.1" });
  seen.set(action, entry as Entry);
  return body;
}

const changesOf = (action: string) => seen.get(action)?.changes;

beforeAll(async () => {
  const domains = ["clubs", "applications", "activities", "posts", "notifications", "files", "search"];
  office = await startOffice({ domains });
  admin = await office.admin();
  const names = ["pia", "rita", "mona", "ada", "otto"] as const;
  const made = await Promise.all(names.map((name) => office.public.register(name)));
  people = Object.fromEntries(names.map((name, i) => [name, made[i]])) as typeof people;
  secrets.push(...made.flatMap(({ token, refreshToken }) => [token, refreshToken]), admin.token);
});
afterAll(() => office?.stop());

test("accounts", async () => {
  const { pia, rita, mona } = people;
  const registered = { username: "newcomer", email: "new@example.edu", password: PASSWORDS[0] };
  const { user } = await does<{ user: { id: string } }>("auth.register", "POST", "/auth/register", {
    body: registered,
  });
  expect(seen.get("auth.register")).toMatchObject({
    actor: { id: user.id },
    subject: { type: "user", id: user.id },
    changes: {},
  });
  const login = { login: "newcomer", password: PASSWORDS[0] };
  const first = await does<Tokens>("auth.login", "POST", "/auth/login", { body: login });
  const second = await office.public.ok<Tokens>("POST", "/auth/login", { body: login });
  const token = first.accessToken;
  secrets.push(token, second.accessToken, first.refreshToken, second.refreshToken);
  const sessions = await office.public.ok<{ items: { id: string; current: boolean }[] }>(
    "GET",
    "/auth/sessions",
    {
      token,
    },
  );
  const other = sessions.items.find(({ current }) => !current)?.id;
  await does("sessions.end", "DELETE", `/auth/sessions/${other}`, { token });
  const newPassword = PASSWORDS[1];
  const body = { currentPassword: PASSWORDS[0], newPassword };
  await does("auth.changePassword", "POST", "/auth/password", { token, body });
  const email = "newer@example.edu";
  await does("auth.changeEmail", "POST", "/users/me/email", {
    token,
    body: { password: newPassword, email },
  });
  await does("auth.confirmEmail", "POST", "/auth/email/confirm", { body: { token: await mailed(email) } });
  await office.public.ok("POST", "/auth/password/forgot", { body: { email } });
  const reset = { token: await mailed(email), newPassword: PASSWORDS[0] };
  await does("auth.resetPassword", "POST", "/auth/password/reset", { body: reset });
  expect(seen.get("auth.resetPassword")).toMatchObject({ actor: { id: user.id } });
  const { accessToken } = await office.public.ok<Tokens>("POST", "/auth/login", { body: login });
  const profile = { displayName: "Newcomer", bio: "I live in room 12." };
  await does("users.updateMe", "PATCH", "/users/me", { token: accessToken, body: profile });
  expect(changesOf("users.updateMe")).toEqual({});
  await does("auth.logout", "POST", "/auth/logout", { token: accessToken });
  const again = await office.public.ok<Tokens>("POST", "/auth/login", { body: login });
  await does("users.eraseMe", "DELETE", "/users/me", {
    token: again.accessToken,
    body: { password: PASSWORDS[0] },
  });
  const { items } = await inLog("action=users.eraseMe");
  expect(items).toMatchObject([
    { actor: { id: null, displayName: "deleted user" }, subject: { type: "user", id: user.id } },
  ]);
  const boss = (await office.public.admin()).token;
  const roles = (person: Person, wanted: string[]): Promise<unknown> =>
    does("users.setRoles", "PUT", `/users/${person.id}/roles`, { token: boss, body: { roles: wanted } });
  await roles(rita, ["reviewer"]);
  await roles(mona, ["reviewer", "moderator"]);
  expect(changesOf("users.setRoles")).toEqual({ roles: [[], ["reviewer", "moderator"]] });
  const status = (value: string): Promise<unknown> =>
    does("users.setStatus", "PUT", `/users/${pia.id}/status`, {
      token: boss,
      body: { status: value, reason: "A private reason." },
    });
  await status("suspended");
  expect(changesOf("users.setStatus")).toEqual({ status: ["active", "suspended"] });
  await status("active");
  people.pia = {
    ...pia,
    token: (
      await office.public.ok<Tokens>("POST", "/auth/login", {
        body: { login: "pia", password: pia.password },
      })
    ).accessToken,
  };
});

test("clubs, applications and reviews", async () => {
  const { pia, rita, ada, otto } = people;
  const [category] = await office.public.ok<{ slug: string }[]>("GET", "/categories");
  const written = { name: "棋社", summary: "We play.", category: category?.slug };
  const { token } = pia;
  const { id } = await does("clubs.create", "POST", "/clubs", { token, body: written });
  expect(seen.get("clubs.create")).toMatchObject({
    actor: { id: pia.id },
    subject: { type: "club", id },
    changes: { name: [null, "棋社"] },
  });
  const { items } = await office.public.ok<{ items: { id: string }[] }>("GET", "/reviews?status=open", {
    token: rita.token,
  });
  const review = `/reviews/${items[0]?.id}`;
  await does("reviews.claim", "POST", `${review}/claim`, { token: rita.token });
  await does("reviews.decide", "POST", `${review}/decision`, {
    token: rita.token,
    body: { decision: "approve" },
  });
  expect(changesOf("reviews.decide")).toMatchObject({ status: [null, "approved"] });
  const club = `/clubs/${id}`;
  await eventually(
    async () =>
      (await office.public.ok<{ status: string }>("GET", club, { token })).status === "active" || undefined,
  );
  const description = "A long text that nobody needs twice.";
  await does("clubs.update", "PATCH", club, {
    token,
    body: { name: "围棋社", joinPolicy: "review", description },
  });
  expect(changesOf("clubs.update")).toEqual({ name: ["棋社", "围棋社"] });
  const apply = async (person: Person): Promise<string> => {
    const body = { message: "Please." };
    type Made = { application: { id: string } };
    const { application } = await does<Made>("applications.submit", "POST", `${club}/applications`, {
      token: person.token,
      body,
    });
    return application.id;
  };
  const asked = await apply(ada);
  expect(seen.get("applications.submit")).toMatchObject({
    subject: { type: "application", id: asked },
    changes: { clubId: [null, id], status: [null, "submitted"] },
  });
  const mine = { token: ada.token };
  await does("applications.withdraw", "POST", `/applications/${asked}/withdraw`, mine);
  const [one, two] = [await apply(ada), await apply(otto)];
  const rejecting = { token, body: { decision: "reject", comment: "Not this time." } };
  await does("applications.decide", "POST", `/applications/${one}/decision`, rejecting);
  expect(changesOf("applications.decide")).toMatchObject({ decision: [null, "reject"] });
  const three = await apply(ada);
  const decisions = [two, three].map((each) => ({ id: each, decision: "approve" }));
  await does("applications.decideMany", "POST", `${club}/applications/decisions`, {
    token,
    body: { decisions },
  });
  expect(changesOf("applications.decideMany")).toEqual({
    decisions: [null, [two, three].map((each) => ({ id: each, status: "approved" }))],
  });
  const role = async (person: Person): Promise<string | undefined> =>
    (await office.public.ok<{ myRole?: string }>("GET", club, { token: person.token })).myRole;
  await eventually(async () => ((await role(ada)) && (await role(otto))) || undefined);
  await does("members.update", "PATCH", `${club}/members/${ada.id}`, { token, body: { role: "officer" } });
  expect(changesOf("members.update")).toEqual({ member: [null, ada.id], role: ["member", "officer"] });
  await does("members.remove", "DELETE", `${club}/members/${otto.id}`, { token });
  await does("clubs.transfer", "POST", `${club}/transfer`, { token, body: { userId: ada.id } });
  await does("clubs.acceptTransfer", "POST", `${club}/transfer/accept`, mine);
  expect(changesOf("clubs.acceptTransfer")).toEqual({ president: [null, ada.id] });
  const boss = (await office.public.admin()).token;
  const status = (value: string): Promise<unknown> =>
    does("clubs.setStatus", "PUT", `${club}/status`, {
      token: boss,
      body: { status: value, reason: "A private reason." },
    });
  await status("suspended");
  await status("active");
  expect(changesOf("clubs.setStatus")).toEqual({ status: ["suspended", "active"] });
  await activities(club, ada);
  await does("clubs.remove", "DELETE", club, mine);
});

async function activities(club: string, { token }: Person): Promise<void> {
  const at = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString();
  const planned = {
    title: "夜棋",
    startsAt: at(24),
    endsAt: at(26),
    timezone: "Asia/Shanghai",
    description: "Bring tea.",
  };
  const { id } = await does("activities.create", "POST", `${club}/activities`, { token, body: planned });
  expect(seen.get("activities.create")).toMatchObject({ subject: { type: "activity", id } });
  expect(changesOf("activities.create")).toMatchObject({ title: [null, "夜棋"], status: [null, "draft"] });
  const one = `/activities/${id}`;
  await does("activities.update", "PATCH", one, { token, body: { capacity: 12 } });
  expect(changesOf("activities.update")).toEqual({ capacity: [null, 12] });
  await does("activities.publish", "POST", `${one}/publish`, { token });
  expect(changesOf("activities.publish")).toEqual({ status: ["draft", "published"] });
  await does("activities.cancel", "POST", `${one}/cancel`, { token, body: { reason: "Rain" } });
}

test("posts, comments and moderation", async () => {
  const { ada, otto, mona, rita } = people;
  const { token } = mona;
  const boss = (await office.public.admin()).token;
  await does("moderation.replaceWords", "PUT", "/moderation/words", {
    token: boss,
    body: [{ word: "zweifelhaft", action: "hold" }],
  });
  expect(changesOf("moderation.replaceWords")).toEqual({ words: [null, 1] });
  const written = { title: "Hello", body: "My number is 5550123." };
  const { id } = await does("posts.create", "POST", "/posts", { token: ada.token, body: written });
  expect(changesOf("posts.create")).toEqual({ status: [null, "published"] });
  const post = `/posts/${id}`;
  await does("posts.update", "PATCH", post, { token: ada.token, body: { title: "Hello again" } });
  await does("posts.pin", "PUT", `${post}/pin`, { token });
  expect(changesOf("posts.pin")).toEqual({ pinned: [false, true] });
  await does("posts.unpin", "DELETE", `${post}/pin`, { token });
  await does("posts.lock", "PUT", `${post}/lock`, { token });
  await does("posts.unlock", "DELETE", `${post}/lock`, { token });
  const comment = await does("comments.create", "POST", `${post}/comments`, {
    token: otto.token,
    body: { body: "Nice." },
  });
  expect(seen.get("comments.create")).toMatchObject({ subject: { type: "comment", id: comment.id } });
  const report = { body: { reason: "spam", detail: "It is spam." } };
  await does("moderation.reportComment", "POST", `/comments/${comment.id}/reports`, {
    token: rita.token,
    ...report,
  });
  await does("moderation.reportPost", "POST", `${post}/reports`, { token: rita.token, ...report });
  const before = (await rows()).length;
  await office.public.ok("POST", `${post}/reports`, { token: rita.token, ...report });
  await does("comments.remove", "DELETE", `/comments/${comment.id}`, { token });
  // The same report again is no other one.
  expect(await rows()).toHaveLength(before + 1);
  await does("posts.remove", "DELETE", post, { token: ada.token });
  const bad = { title: "A doubt", body: "This is zweifelhaft." };
  await eventually(async () => {
    const { status } = await office.public.call("POST", "/posts", { token: ada.token, body: bad });
    return status === 202 || undefined;
  });
  const { items } = await office.public.ok<{ items: { id: string; subject: { id: string } }[] }>(
    "GET",
    "/moderation/queue",
    {
      token,
    },
  );
  const decision = { token, body: { decision: "remove", comment: "No." } };
  await does("moderation.decide", "POST", `/moderation/${items[0]?.id}/decision`, decision);
  expect(changesOf("moderation.decide")).toEqual({
    content: [null, `post:${items[0]?.subject.id}`],
    decision: [null, "remove"],
  });
});

test("every published change is recorded, or is excused", () => {
  const published = [...actionContracts].filter(
    ([, { rest = "GET " }]) => !rest.startsWith("GET ") && !rest.includes(" /admin/"),
  );
  const audited = published.flatMap(([name, { audit }]) => (audit ? [name] : []));
  expect(new Set(seen.keys())).toEqual(new Set(audited));
  const excused = published.flatMap(([name, { audit }]) => (audit ? [] : [name]));
  expect(new Set(Object.keys(NOT_AUDITED))).toEqual(new Set(excused));
  const contract = { rest: "POST /x", access: "user" } as const;
  expect(isAccounted("clubs.forgotten", contract)).toBe(false);
  expect(isAccounted("clubs.forgotten", { ...contract, audit: { subject: "club" } })).toBe(true);
});

test("what administrators do on their own gateway", async () => {
  const { token } = admin;
  const requestId = newId();
  const headers = { "x-request-id": requestId };
  await office.ok("PUT", "/admin/settings/banner.text", { token, body: { value: "Hello" }, headers });
  // In the transaction of the change: there at once.
  const { items } = await inLog("action=settings.set");
  expect(items.filter((each) => each.requestId === requestId)).toMatchObject([
    {
      actor: { id: admin.id },
      subject: { type: "setting", id: "banner.text" },
      changes: { value: ["", "Hello"] },
    },
  ]);
});

test("what administrators are refused", async () => {
  const boss = (await office.public.admin()).token;
  const refusing = async (call: () => Promise<unknown>, expected: object): Promise<void> => {
    await call();
    await eventually(async () => (await inLog(`result=${(expected as { result: string }).result}`)).items[0]);
    const { items } = await inLog(`result=${(expected as { result: string }).result}`);
    expect(items[0]).toMatchObject({ actor: { id: admin.id }, changes: {}, ...expected });
  };
  await refusing(
    () => office.public.call("PUT", `/users/${admin.id}/roles`, { token: boss, body: { roles: [] } }),
    { action: "users.setRoles", result: "LAST_ADMIN", subject: { type: "user", id: admin.id } },
  );
  await refusing(
    () =>
      office.public.call("PUT", `/clubs/${newId()}/status`, {
        token: boss,
        body: { status: "active", reason: "x" },
      }),
    { action: "clubs.setStatus", result: "NOT_FOUND" },
  );
  await refusing(
    () => office.call("PUT", "/admin/settings/banner.text", { token: admin.token, body: { value: 7 } }),
    { action: "settings.set", result: "VALIDATION_FAILED", subject: { type: "setting", id: "banner.text" } },
  );
  const before = (await rows()).length;
  const { ada } = people;
  // Others' refusals are no administrators'.
  await office.public.call("PUT", `/users/${ada.id}/roles`, { token: ada.token, body: { roles: ["admin"] } });
  await does("users.updateMe", "PATCH", "/users/me", { token: ada.token, body: { bio: "x" } });
  expect(await rows()).toHaveLength(before + 1);
});

test("the log is read by who, what and when, page by page, and as CSV", async () => {
  const { token } = admin;
  const all: Entry[] = [];
  for (let cursor = ""; ;) {
    const page = await office.ok<Page>("GET", `/admin/audit?limit=7${cursor && `&cursor=${cursor}`}`, {
      token,
    });
    all.push(...page.items);
    if (!page.nextCursor) break;
    cursor = page.nextCursor;
  }
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
  expect(all).toHaveLength((await rows()).length);
  expect(all.map(({ at }) => at)).toEqual(
    all
      .map(({ at }) => at)
      .toSorted()
      .toReversed(),
  );
  const { ada } = people;
  const of = async (query: string): Promise<Entry[]> => (await inLog(query)).items;
  expect((await of(`actor=${ada.id}`)).every(({ actor }) => actor?.id === ada.id)).toBe(true);
  const subject = seen.get("clubs.create")?.subject;
  const found = await of(`subject=${subject?.id}`);
  expect(found.length).toBeGreaterThan(3);
  expect(await of(`subject=club:${subject?.id}`)).toEqual(found);
  expect(await of(`subject=user:${subject?.id}`)).toEqual([]);
  const middle = all[5] as Entry;
  const newer = await of(`from=${middle.at}`);
  const older = await office.ok<string>("GET", `/admin/audit.csv?to=${middle.at}`, { token });
  expect(newer.length + older.trim().split("\r\n").length - 1).toBe(all.length);
  expect(older).toMatch(/^\uFEFF?id,at,actor,actorName,action/);
  for (const query of ["from=x", "actor=x", "cursor=x", "other=1"])
    expect(await office.outcome("GET", `/admin/audit?${query}`, { token })).toMatch(/^422/);
  expect(await office.outcome("GET", "/admin/audit.csv?from=x", { token })).toMatch(/^422/);
  expect(await office.outcome("GET", "/admin/audit")).toBe("401 UNAUTHENTICATED");
});

test("verified, with what was signed; an altered entry is named", async () => {
  const { token } = admin;
  const verify = (query = ""): Promise<Verdict> =>
    office.ok<Verdict>("GET", `/admin/audit/verify${query}`, { token });
  const checked = (await rows()).length;
  expect(await verify()).toEqual({ ok: true, checked, firstBroken: null });
  const { items } = await office.ok<{ items: { jws: string; heads: object[] }[] }>(
    "GET",
    "/admin/audit/checkpoints",
    {
      token,
    },
  );
  expect(items[0]?.heads).toHaveLength(8);
  expect(await verify(`?checkpoint=${items[0]?.jws}`)).toMatchObject({ ok: true });
  expect(await office.outcome("GET", `/admin/audit/verify?checkpoint=${admin.token}`, { token })).toBe(
    "422 VALIDATION_FAILED checkpoint=INVALID",
  );
  const { id } = seen.get("clubs.setStatus") as Entry;
  const set = (result: string): Promise<number> =>
    office.db.primary.run("UPDATE audit_entries SET result = :result WHERE id = :id", { id, result });
  await set("FORBIDDEN");
  expect(await verify()).toMatchObject({ ok: false, firstBroken: id });
  await set("ok");
  expect(await verify()).toMatchObject({ ok: true });
});

test("no password, token or private text is in the log", async () => {
  const text = JSON.stringify(await rows());
  const texts = [
    "Please.",
    "Not this time.",
    "private reason",
    "room 12",
    "5550123",
    "spam",
    "Bring tea",
    "@example.edu",
  ];
  for (const secret of [...secrets, ...texts]) expect(text).not.toContain(secret);
  // The control: what is in it is found.
  expect(text).toContain("围棋社");
});

interface Tokens {
  accessToken: string;
  refreshToken: string;
}

let mails = 0;
/** The token of the next mail to an address. */
async function mailed(to: string): Promise<string> {
  const count = ++mails;
  const { dataDir } = runtimeOf(office.broker).settings;
  const token = await eventually(
    async () => (await readMails(path.join(dataDir, "mail"), to))[count - 1]?.token,
  );
  secrets.push(token);
  return token;
}
