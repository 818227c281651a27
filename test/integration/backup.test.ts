/** Backups of a federation at work, by the commands; and what a restore makes of them. */
import { existsSync } from "node:fs";
import { appendFile, cp, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { generateIdentity, identityToRecipient } from "age-encryption";
import sharp from "sharp";
import { readSettings } from "../../lib/settings.ts";
import { openStore } from "../../lib/sqlite.ts";
import { storageOf } from "../../scripts/backup/objects.ts";
import { openTarget } from "../../scripts/backup/target.ts";
import type { Federation, Person } from "../support/federation.ts";
import { eventually, startFederation } from "../support/federation.ts";
import { backup, begin, ended, idOf, restore } from "../support/backups.ts";
import { Depot } from "../support/files.ts";
import { alter, namesIn, relist, unshelve } from "../support/listed-objects.ts";

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

/** An identity in a file, and its recipient in another. */
async function keyPair(name: string): Promise<{ keys: string; recipients: string }> {
  const identity = await generateIdentity();
  const [keys, recipients] = [path.join(root, `${name}-identity`), path.join(root, `${name}-recipients`)];
  await writeFile(keys, `# made for a test\n${identity}\n`);
  await writeFile(recipients, `${await identityToRecipient(identity)}\n`);
  return { keys, recipients };
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

  test("one of a store that was half loaded", async () => {
    const copy = await copied();
    await alter(copy, first, ({ stores }) => {
      const clubs = stores.find(({ domain }) => domain === "clubs");
      clubs?.migrations.splice(0);
    });
    const { code, output } = await restore([copy, "--backup", first], elsewhere());
    expect(code).toBe(1);
    expect(output).toMatch(/has clubs without its migrations/);
    expect(existsSync(path.join(elsewhere().DATA_DIR, "clubs.sqlite"))).toBe(false);
  }, 60_000);

  test("objects for which the key is another, before anything is changed", async () => {
    const copy = await copied();
    const { recipients } = await keyPair("objects");
    const theirs = await readFile(
      path.join(copy, idOf(await backup([copy, "--recipients", recipients], env)), "objects.jsonl.zst"),
    );
    const list = zstdDecompressSync(theirs).toString();
    await relist(copy, first, () => list);
    const mine = (await keyPair("mine")).keys;
    const args = [copy, "--backup", first];
    expect((await restore(args, elsewhere())).output).toMatch(/^objects.*encrypted: name the file/m);
    const { code, output } = await restore([...args, "--identity", mine], elsewhere());
    expect(code).toBe(1);
    expect(output).toMatch(/^objects.* cannot be read with the key/m);
    expect(existsSync(path.join(elsewhere().DATA_DIR, "users.sqlite"))).toBe(false);
  }, 120_000);

  test("a file that is named by nothing", async () => {
    expect(await backup([path.join(root, "unnamed"), "--recipients", ""], env)).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^--recipients .*cannot be read/m),
    });
    expect((await restore([to, "--identity", ""], elsewhere())).output).toMatch(/^--identity .*cannot be/m);
    expect((await restore([to, "--erased", ""], elsewhere())).output).toMatch(/^--erased .*cannot be/m);
    expect(existsSync(path.join(root, "unnamed"))).toBe(false);
    expect(existsSync(path.join(elsewhere().DATA_DIR, "users.sqlite"))).toBe(false);
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
  const { keys, recipients } = await keyPair("own");
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

test("after a change of recipients the new identity alone reads a backup, and the old copies go", async () => {
  const place = path.join(root, "rotated");
  const [before, after] = [await keyPair("before"), await keyPair("after")];
  idOf(await backup([place, "--recipients", before.recipients], env));
  idOf(await backup([place], env));
  const rotated = await backup([place, "--recipients", after.recipients], env);
  expect(rotated.output).toMatch(/^objects: [1-9]\d* objects, .*, [1-9]\d* copied$/m);
  expect((await backup([place, "--recipients", after.recipients], env)).output).toMatch(/, 0 copied$/m);

  const target = { DATA_DIR: path.join(root, "by-the-new") };
  expect(await restore([place, "--identity", after.keys], target)).toMatchObject({
    code: 0,
    output: expect.stringMatching(/^objects: [1-9]\d* of/m),
  });

  const files = async () =>
    (await readdir(path.join(place, "objects"), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name));
  const long = new Date(Date.now() - 3 * DAY);
  for (const each of await files()) await utimes(each, long, long);
  const last = idOf(await backup([place, "--recipients", after.recipients, "--keep", "1"], env));
  expect((await files()).map((each) => path.relative(place, each)).toSorted()).toEqual(
    (await namesIn(place, last)).toSorted(),
  );
}, 180_000);

test("a backup whose objects lie in no folder of their own is restored", async () => {
  const place = path.join(root, "older");
  const { keys, recipients } = await keyPair("older");
  const id = idOf(await backup([place, "--recipients", recipients], env));
  await unshelve(place, id);
  expect((await namesIn(place, id))[0]).toMatch(/^objects\/[a-z]+\//);
  expect(
    await restore([place, "--identity", keys], { DATA_DIR: path.join(root, "from-older") }),
  ).toMatchObject({ code: 0, output: expect.stringMatching(/^objects: [1-9]\d* of/m) });
  // What they were encrypted for nobody knows: the next backup has its own.
  expect((await backup([place, "--recipients", recipients], env)).output).toMatch(/, [1-9]\d* copied$/m);
}, 120_000);

test("objects that are gone or damaged stop nothing else, and the next backup copies them anew", async () => {
  const storage = await storageOf(readSettings(env));
  const own = ["post/1-kept", "post/2-gone", "post/3-longer", "post/4-changed"];
  for (const key of own)
    await storage.put(key, Buffer.from("A picture."), { size: 10, contentType: "image/png" });
  const place = path.join(root, "holes");
  const { keys, recipients } = await keyPair("holes");
  const names = await namesIn(place, idOf(await backup([place, "--recipients", recipients], env)));
  const copyOf = (key: string): string =>
    path.join(place, names.find((name) => name.includes(`/${key}!`)) as string);
  await rm(copyOf("post/2-gone"));
  await appendFile(copyOf("post/3-longer"), "more");
  const bytes = await readFile(copyOf("post/4-changed"));
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
  await writeFile(copyOf("post/4-changed"), bytes);

  const holed = { DATA_DIR: path.join(root, "holed") };
  const { code, output } = await restore([place, "--identity", keys], holed);
  expect(code).toBe(1);
  expect(output).toMatch(/The audit log is whole/);
  expect(output).toMatch(/^Restored: /m);
  expect(output).toMatch(/^objects\/.*2-gone!\S+ is missing/m);
  expect(output).toMatch(/^objects\/.*3-longer!\S+ is damaged/m);
  expect(output).toMatch(/^objects\/.*4-changed!\S+ is damaged/m);
  expect(existsSync(path.join(holed.DATA_DIR, "users.sqlite"))).toBe(true);
  const there = await storageOf(readSettings(holed));
  expect(await there.list("post/")).toEqual(["post/1-kept"]);

  // Of the same size is what only a restore reads.
  await rm(copyOf("post/4-changed"));
  const mended = await backup([place, "--recipients", recipients], env);
  expect(mended.output).toMatch(/, 3 copied, of 3 the copy had gone or had another size$/m);
  expect((await backup([place, "--recipients", recipients], env)).output).toMatch(/, 0 copied$/m);
  const again = { DATA_DIR: path.join(root, "whole-again") };
  expect((await restore([place, "--identity", keys], again)).code).toBe(0);
  expect(await (await storageOf(readSettings(again))).list("post/")).toEqual(own);
  for (const key of own) await storage.delete(key);
}, 180_000);

test("who was erased is noted before the store that knows of it is emptied", async () => {
  const place = { DATA_DIR: path.join(root, "knowing") };
  expect((await restore([to, "--backup", first], place)).output).toContain("1 people erased again");
  const only = async (): Promise<string> => {
    const copy = await mkdtemp(path.join(root, "listless-"));
    for (const each of [first, "objects"])
      await cp(path.join(to, each), path.join(copy, each), { recursive: true });
    return copy;
  };
  const sealed = await only();
  // Nobody can write there, root neither.
  await symlink(path.join(root, "nowhere", "at-all"), path.join(sealed, "erased"));
  const warned = await restore([sealed, "--force"], place);
  expect(warned.output).toMatch(/1 people were erased and are in no list.*a second one will not know them/);
  expect(warned.output).toContain("1 people erased again");

  const copy = await only();
  const noted = await restore([copy, "--force"], place);
  expect(noted.output).toMatch(/The newest list of who was erased is of /);
  const lists = await readdir(path.join(copy, "erased"));
  expect(lists).toHaveLength(1);
  expect(await readFile(path.join(copy, "erased", lists[0] as string), "utf8")).toContain(leaver.id);
  // As when it was broken off: the store tells nobody any more.
  await rm(path.join(place.DATA_DIR, "users.sqlite"));
  expect((await restore([copy, "--force"], place)).output).toContain("1 people erased again");
}, 180_000);

test("a store without its migrations is not backed up", async () => {
  const place = { DATA_DIR: path.join(root, "half") };
  expect((await restore([to], place)).code).toBe(0);
  const store = openStore(path.join(place.DATA_DIR, "clubs.sqlite"));
  store.run("DELETE FROM migrations");
  store.close();
  const { code, output } = await backup([path.join(root, "of-half")], place);
  expect(code).toBe(1);
  expect(output).toMatch(/The store of clubs has no migrations: .*restore again with --force/);
}, 60_000);

test("a Pushgateway that is away makes no backup fail", async () => {
  const { code, output } = await backup([path.join(root, "told"), "--push", "http://127.0.0.1:1"], env);
  expect(output).toMatch(/^Backup \S+: /m);
  expect(output).toMatch(/The backup is made, but the Pushgateway "http:\/\/127\.0\.0\.1:1" was not told/);
  expect(code).toBe(0);
}, 60_000);

test("what another process renames or deletes meanwhile is in no list", async () => {
  const folder = await mkdtemp(path.join(root, "target-"));
  const target = await openTarget(folder);
  for (const name of ["a", "b", "c"]) await writeFile(path.join(folder, name), name);
  const seen: string[] = [];
  for await (const { name } of target.list("")) {
    seen.push(name);
    await rm(path.join(folder, "b"), { force: true });
  }
  expect(seen).toEqual(["a", "c"]);
});
