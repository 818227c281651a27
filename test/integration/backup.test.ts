/** Backups of a federation at work, by the commands; and what a restore makes of them. */
import { existsSync } from "node:fs";
import { appendFile, cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { generateIdentity, identityToRecipient } from "age-encryption";
import sharp from "sharp";
import { openStore } from "../../lib/sqlite.ts";
import type { Federation, Person } from "../support/federation.ts";
import { eventually, startFederation } from "../support/federation.ts";
import { backup, begin, ended, idOf, restore } from "../support/backups.ts";
import { Depot } from "../support/files.ts";

const DAY = 24 * 3_600_000;

let root: string;
let env: { DATA_DIR: string };
let to: string;
let federation: Federation;

/** What was there before the first backup. */
let people: Person[];
let leaver: Person;
let club: string;
let activity: string;
let post: string;
let file: string;
let first: string;
/** Registered while the backup ran, and answered. */
const meanwhile: Person[] = [];

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), "club-alliance-backups-"));
  env = { DATA_DIR: path.join(root, "data") };
  to = path.join(root, "to");
  federation = await startFederation({ env });
  await fill();
}, 120_000);
afterAll(async () => {
  await federation.stop();
  await rm(root, { recursive: true, force: true });
}, 60_000);

const depot = (): Depot => new Depot(federation, new Map(), new Set());
const as = ({ token }: { token: string }, body?: object) => ({ token, ...(body && { body }) });

async function fill(): Promise<void> {
  people = [await federation.register(), await federation.register(), await federation.register()];
  const [president, member] = people as [Person, Person, Person];
  leaver = people[2] as Person;
  const reviewer = await federation.register();
  const admin = await federation.admin();
  await federation.ok("PUT", `/users/${reviewer.id}/roles`, as(admin, { roles: ["reviewer"] }));
  club = await federation.foundClub(president, reviewer);
  for (const each of [member, leaver]) await federation.join(club, each, president);
  const startsAt = new Date(Date.now() + 7 * DAY).toISOString();
  const endsAt = new Date(Date.now() + 7 * DAY + 3_600_000).toISOString();
  const plan = { title: "Reading", startsAt, endsAt, timezone: "Asia/Shanghai" };
  ({ id: activity } = await federation.ok<{ id: string }>(
    "POST",
    `/clubs/${club}/activities`,
    as(president, plan),
  ));
  await federation.ok("POST", `/activities/${activity}/publish`, as(president));
  for (const each of [member, leaver])
    await federation.ok("PUT", `/activities/${activity}/participation`, as(each, {}));
  ({ id: post } = await federation.ok<{ id: string }>(
    "POST",
    "/posts",
    as(president, { clubId: club, title: "News", body: "The first." }),
  ));
  await federation.ok("PUT", `/posts/${post}/like`, as(leaver));
  const picture = await sharp({ create: { width: 64, height: 64, channels: 3, background: "red" } })
    .png()
    .toBuffer();
  ({ id: file } = await depot().upload(president, picture, { purpose: "avatar" }));
  await federation.ok("PATCH", "/users/me", as(president, { avatarFileId: file }));
}

/** The federation anew, on what a restore has left. */
async function restored(args: string[]): Promise<string> {
  await federation.stop();
  const { code, output } = await restore([to, ...args], env);
  federation = await startFederation({ env });
  if (code !== 0) throw new Error(output);
  return output;
}

/** What a person sees of what was there. */
async function seenBy(person: Person): Promise<Record<string, unknown>> {
  const { token } = await signIn(person);
  const [me, joined, taking, note] = await Promise.all([
    federation.ok<{ username: string }>("GET", "/users/me", { token }),
    federation.ok<{ myRole: string }>("GET", `/clubs/${club}`, { token }),
    federation.call<{ status: string }>("GET", `/activities/${activity}/participation`, { token }),
    federation.ok<{ title: string }>("GET", `/posts/${post}`, { token }),
  ]);
  return {
    username: me.username,
    role: joined.myRole,
    taking: taking.status === 200 ? taking.body.status : null,
    post: note.title,
  };
}

async function signIn({ username, password }: Person): Promise<{ token: string }> {
  const { accessToken } = await federation.ok<{ accessToken: string }>("POST", "/auth/login", {
    body: { login: username, password },
  });
  return { token: accessToken };
}

test("a backup of a federation at work has all that was answered before it", async () => {
  let writing = true;
  const writes = (async () => {
    while (writing) meanwhile.push(await federation.register());
  })();
  first = idOf(await backup([to], env));
  writing = false;
  await writes;
  expect(meanwhile.length).toBeGreaterThan(0);
  // The control: one who comes later is not in it.
  const late = await federation.register();

  const output = await restored(["--force"]);
  expect(output).toMatch(/The audit log is whole: [1-9]\d* entries\./);
  const [president, member] = people as [Person, Person];
  expect(await seenBy(president)).toMatchObject({ role: "president", post: "News" });
  expect(await seenBy(member)).toMatchObject({ role: "member", taking: "confirmed" });
  const address = await depot().address(null, file);
  expect((await fetch(address)).status).toBe(200);
  expect(
    (
      await federation.call("POST", "/auth/login", {
        body: { login: late.username, password: late.password },
      })
    ).status,
  ).toBe(401);
}, 180_000);

test("who was signed in is no longer, and everything goes on", async () => {
  const [president, member] = people as [Person, Person];
  const refresh = await federation.call("POST", "/auth/refresh", {
    body: { refreshToken: member.refreshToken },
  });
  expect(refresh.status).toBe(401);
  const { token } = await signIn(president);
  await federation.ok("POST", "/posts", { token, body: { clubId: club, title: "Again", body: "Here." } });
  // Statistics are counted anew, search is built anew.
  const admin = await federation.admin();
  await eventually(async () => {
    const { items } = await federation.ok<{ items: object[] }>("GET", "/posts/search?q=Again", admin);
    return items.length > 0 || undefined;
  }, 20_000);
}, 60_000);

test("who was erased after a backup does not come back with it", async () => {
  const { token } = await signIn(leaver);
  await federation.ok("DELETE", "/users/me", { token, body: { password: leaver.password } });
  // Everything is lost but the list: the store is not there to be asked.
  const list = await backup([to, "--erased-only"], env);
  expect(list).toMatchObject({ code: 0, output: expect.stringContaining("1 people were erased") });
  await federation.stop();
  await rm(env.DATA_DIR, { recursive: true });
  const lists = (await readdir(path.join(to, "erased"))).map((name) => path.join(to, "erased", name));
  const kept = path.join(root, "kept");
  await cp(path.join(to, "erased"), kept, { recursive: true });

  // The control: without the list she does.
  for (const each of lists) await rm(each);
  const unaware = await restore([to, "--backup", first], env);
  expect(unaware.output).toContain("0 people erased again");
  expect(unaware.output).toContain("comes back, unless --erased FILE names them");
  const store = openStore(path.join(env.DATA_DIR, "users.sqlite"));
  expect(store.all("SELECT status FROM users WHERE id = $id", { $id: leaver.id })).toEqual([
    { status: "active" },
  ]);
  store.close();

  await cp(kept, path.join(to, "erased"), { recursive: true });
  const aware = await restore([to, "--backup", first, "--force"], env);
  expect(aware).toMatchObject({ code: 0, output: expect.stringContaining("1 people erased again") });
  federation = await startFederation({ env });
  const login = await federation.call("POST", "/auth/login", {
    body: { login: leaver.username, password: leaver.password },
  });
  expect(login.status).toBe(401);
  const { token: president } = await signIn(people[0] as Person);
  await eventually(async () => {
    const { items } = await federation.ok<{ items: { user: { id: string } }[] }>(
      "GET",
      `/clubs/${club}/members`,
      { token: president },
    );
    return items.length === 2 || undefined;
  }, 20_000);
  await eventually(async () => {
    const { items } = await federation.ok<{ items: object[] }>(
      "GET",
      `/activities/${activity}/participants?status=confirmed`,
      { token: president },
    );
    return items.length === 1 || undefined;
  }, 20_000);
}, 180_000);

describe("refused is", () => {
  const files = async (id: string) => (await readdir(path.join(to, id))).toSorted();
  const elsewhere = () => ({ DATA_DIR: path.join(root, "elsewhere") });
  const copied = async (): Promise<string> => {
    const copy = await mkdtemp(path.join(root, "copy-"));
    await cp(to, copy, { recursive: true });
    return copy;
  };

  test("a backup that was changed, and nothing is touched", async () => {
    const copy = await copied();
    const part = path.join(copy, first, "clubs.sqlite.zst");
    const bytes = await readFile(part);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
    await writeFile(part, bytes);
    const { code, output } = await restore([copy, "--backup", first], elsewhere());
    expect(code).toBe(1);
    expect(output).toMatch(/clubs\.sqlite\.zst is damaged/);
    expect(existsSync(path.join(elsewhere().DATA_DIR, "users.sqlite"))).toBe(false);
  }, 60_000);

  test("one that is cut short, one that lacks a part, one without its manifest", async () => {
    const copy = await copied();
    await appendFile(path.join(copy, first, "posts.sqlite.zst"), "more");
    expect((await restore([copy, "--backup", first], elsewhere())).output).toMatch(/posts.* is damaged/);
    await rm(path.join(copy, first, "posts.sqlite.zst"));
    expect((await restore([copy, "--backup", first], elsewhere())).output).toMatch(/posts.* is missing/);
    await rm(path.join(copy, first, "manifest.json"));
    const { code, output } = await restore([copy, "--backup", first], elsewhere());
    expect(code).toBe(1);
    expect(output).toMatch(/no whole backup/);
    expect((await restore([copy], elsewhere())).output).toMatch(/were broken off/);
  }, 60_000);

  test("an object that was changed", async () => {
    const copy = await copied();
    const objects = await readdir(path.join(copy, "objects"), { recursive: true, withFileTypes: true });
    const object = objects.find((entry) => entry.isFile());
    await appendFile(path.join(object?.parentPath as string, object?.name as string), "more");
    expect((await restore([copy, "--backup", first], elsewhere())).output).toMatch(/objects\/.* is damaged/);
  }, 60_000);

  test("a restore over what is there, or while a node runs", async () => {
    expect((await restore([to], env)).output).toMatch(/is in use/);
    expect((await restore([to, "--force"], env)).output).toMatch(/is in use/);
    const other = elsewhere();
    expect((await restore([to], other)).code).toBe(0);
    expect((await restore([to], other)).output).toMatch(/--force replaces it/);
  }, 120_000);

  test("a log that is not the one that was backed up", async () => {
    const copy = await copied();
    const manifest = path.join(copy, first, "manifest.json");
    const said = JSON.parse(await readFile(manifest, "utf8")) as {
      audit: { heads: { seq: number; hash: string }[] };
    };
    const head = said.audit.heads.find(({ seq }) => seq > 0);
    (head as { hash: string }).hash = "another";
    await writeFile(manifest, JSON.stringify(said));
    const { code, output } = await restore([copy, "--backup", first, "--force"], elsewhere());
    expect(code).toBe(1);
    expect(output).toMatch(/The audit log is NOT whole: checkpoint/);
  }, 60_000);

  test("what a killed backup has left", async () => {
    const before = await readdir(to);
    const child = begin(["scripts/backup.ts", to], env);
    const end = ended(child);
    await eventually(async () => {
      const now = await readdir(to);
      return now.find((name) => !before.includes(name));
    }, 20_000);
    child.kill("SIGKILL");
    await end;
    const made = (await readdir(to)).filter((name) => !before.includes(name));
    expect(made).toHaveLength(1);
    expect(await files(made[0] as string)).not.toContain("manifest.json");
    expect((await restore([to, "--backup", made[0] as string], elsewhere())).output).toMatch(
      /no whole backup/,
    );
  }, 60_000);
});

test("encrypted for who has the key, and only the newest are kept", async () => {
  const identity = await generateIdentity();
  const [keys, recipients] = [path.join(root, "identity"), path.join(root, "recipients")];
  await writeFile(keys, `# made for a test\n${identity}\n`);
  await writeFile(recipients, `${await identityToRecipient(identity)}\n`);
  const secret = path.join(root, "secret");
  for (let round = 0; round < 3; round++)
    idOf(await backup([secret, "--recipients", recipients, "--keep", "2"], env));
  const names = await readdir(secret);
  const ids = names.filter((name) => name.startsWith("2"));
  expect(ids).toHaveLength(2);
  const users = await readFile(path.join(secret, ids[0] as string, "users.sqlite.zst.age"));
  expect(users.subarray(0, 21).toString()).toBe("age-encryption.org/v1");

  const place = { DATA_DIR: path.join(root, "decrypted") };
  expect((await restore([secret], place)).output).toMatch(/encrypted: name the file of the key/);
  const other = path.join(root, "other");
  await writeFile(other, await generateIdentity());
  expect((await restore([secret, "--identity", other], place)).output).toMatch(/cannot be read with the key/);
  expect(existsSync(path.join(place.DATA_DIR, "users.sqlite"))).toBe(false);
  expect(await restore([secret, "--identity", keys], place)).toMatchObject({
    code: 0,
    output: expect.stringMatching(/objects: [1-9]\d* of/),
  });
}, 180_000);
