import { newId } from "../../lib/ids.ts";
import { eventually } from "../support/federation.ts";
import type { Caller, Person } from "../support/federation.ts";
import { picture, startDepot } from "../support/files.ts";
import type { Depot, Stored } from "../support/files.ts";

const DAY = 86_400_000;
const HOUR = 3_600_000;

let depot: Depot;
let ada: Person;
let ben: Person;
let reviewer: Person;
let red: Buffer;

beforeAll(async () => {
  depot = await startDepot();
  const { federation } = depot;
  [ada, ben, reviewer] = [
    await federation.register(),
    await federation.register(),
    await federation.register(),
  ];
  const { token } = await federation.admin();
  await federation.ok("PUT", `/users/${reviewer.id}/roles`, { token, body: { roles: ["reviewer"] } });
  red = await picture(20);
}, 60_000);
afterAll(() => depot?.stop());

const upload = (person: Person, purpose: string) => depot.upload(person, red, { purpose });
const change = (person: Caller, path: string, body: object) => depot.outcome("PATCH", path, person, body);
const isThere = async (id: string): Promise<boolean> =>
  (await depot.files.db.primary.one("SELECT id FROM files WHERE id = :id", { id })) !== null;
/** Makes everything so old as if that much time (milliseconds) had passed. */
async function pass(time: number): Promise<void> {
  const { db } = depot.files;
  await db.primary.run("UPDATE files SET created_at = created_at - :time, touched_at = touched_at - :time", {
    time,
  });
  await db.primary.run(
    "UPDATE claims SET claimed_at = claimed_at - :time, verified_at = verified_at - :time",
    {
      time,
    },
  );
}
const sweep = () => depot.files.sweep(Date.now());
const claims = async (id: string): Promise<number> =>
  depot.files.db.primary.number("SELECT COUNT(*) AS n FROM claims WHERE file_id = :id", { id });

/** Sends a call of a service. */
function claim(subject: { type: string; id: string }, user: string, purpose: string, fileIds: string[]) {
  return depot.federation.broker.call<{ refused: string[] }, object>("files.claim", {
    subject,
    user,
    purpose,
    fileIds,
  });
}

const later = (days: number): string => new Date(Date.now() + days * DAY).toISOString();
const plan = (more: object = {}) => ({
  title: "Reading",
  startsAt: later(1),
  endsAt: later(2),
  timezone: "Asia/Shanghai",
  ...more,
});

describe("an avatar", () => {
  test("is a picture of one's own that is complete, of that purpose", async () => {
    const refused = "422 VALIDATION_FAILED avatarFileId=INVALID_REFERENCE";
    const { file: pending } = await depot.announce(ada, red, { purpose: "avatar" });
    const others = await Promise.all([upload(ada, "logo"), upload(ben, "avatar")]);
    for (const id of [newId(), pending.id, ...others.map((each) => each.id)])
      expect(await change(ada, "/users/me", { avatarFileId: id })).toBe(refused);
    const own = await upload(ada, "avatar");
    expect(await change(ada, "/users/me", { avatarFileId: own.id })).toBe("200");
    expect(await claims(own.id)).toBe(1);
    const { body } = await depot.federation.call("GET", `/users/${ada.id}`, { token: ben.token });
    expect(body).toMatchObject({ avatarFileId: own.id });
    expect(await change(ada, "/users/me", { bio: "x", avatarFileId: null })).toBe("200");
  });
});

describe("a logo", () => {
  test("of a new club, and of one that changes it", async () => {
    const own = await upload(ada, "logo");
    const other = await upload(ben, "logo");
    const [category] = await depot.federation.ok<{ slug: string }[]>("GET", "/categories");
    const fields = { name: `Club ${newId()}`, summary: "A club.", category: category?.slug };
    const found = (logoFileId: string) => depot.outcome("POST", "/clubs", ada, { ...fields, logoFileId });
    const refused = "422 VALIDATION_FAILED logoFileId=INVALID_REFERENCE";
    expect(await found(other.id)).toBe(refused);
    expect(await found(own.id)).toBe("201");
    const club = await depot.federation.foundClub(ada, reviewer);
    expect(await change(ada, `/clubs/${club}`, { logoFileId: other.id })).toBe(refused);
    const another = await upload(ada, "logo");
    expect(await change(ada, `/clubs/${club}`, { logoFileId: another.id })).toBe("200");
    expect(await depot.outcome("GET", `/files/${another.id}`, null)).toBe("302");
  });
});

describe("files of an activity", () => {
  test("are seen by whoever sees it; another officer may keep what is there, and add only own ones", async () => {
    const club = await depot.federation.foundClub(ada, reviewer);
    await depot.federation.join(club, ben, ada);
    await depot.federation.ok("PATCH", `/clubs/${club}/members/${ben.id}`, {
      token: ada.token,
      body: { role: "officer" },
    });
    const [first, second, third] = await Promise.all([ada, ada, ben].map((each) => upload(each, "activity")));
    const ids = [first, second, third].map((each) => (each as Stored).id) as [string, string, string];
    const body = plan({ fileIds: [ids[0], ids[2]] });
    expect(await depot.outcome("POST", `/clubs/${club}/activities`, ada, body)).toBe(
      "422 VALIDATION_FAILED fileIds[1]=INVALID_REFERENCE",
    );
    expect(await claims(ids[0])).toBe(0);
    const { id } = await depot.federation.ok<{ id: string }>("POST", `/clubs/${club}/activities`, {
      token: ada.token,
      body: plan({ fileIds: [ids[0]] }),
    });
    const stranger = await depot.federation.register();
    const see = (person: Person | null) => depot.outcome("GET", `/files/${ids[0]}`, person);
    expect([await see(ben), await see(stranger), await see(null)]).toEqual([
      "302",
      "404 NOT_FOUND",
      "404 NOT_FOUND",
    ]);
    expect(await change(ben, `/activities/${id}`, { fileIds: [ids[0], ids[1]] })).toBe(
      "422 VALIDATION_FAILED fileIds[1]=INVALID_REFERENCE",
    );
    expect(await change(ben, `/activities/${id}`, { fileIds: [ids[2], ids[0]] })).toBe("200");
    await depot.federation.ok("POST", `/activities/${id}/publish`, { token: ben.token, body: {} });
    expect([await see(stranger), await see(null)]).toEqual(["302", "302"]);
    // Taken out and put back by the other: it is claimed for this activity still.
    expect(await change(ben, `/activities/${id}`, { fileIds: [ids[2]] })).toBe("200");
    expect(await change(ben, `/activities/${id}`, { fileIds: [ids[2], ids[0]] })).toBe("200");
  }, 60_000);
});

describe("a claim", () => {
  const subject = () => ({ type: "post", id: newId() });

  test("is of all files or of none", async () => {
    const post = subject();
    const [mine, theirs] = [await upload(ada, "post"), await upload(ben, "post")];
    expect(await claim(post, ada.id, "post", [mine.id, theirs.id])).toEqual({ refused: [theirs.id] });
    expect(await claims(mine.id)).toBe(0);
    expect(await claim(post, ada.id, "post", [mine.id, mine.id])).toEqual({ refused: [] });
    expect(await claim(post, ada.id, "post", [mine.id])).toEqual({ refused: [] });
    expect(await claims(mine.id)).toBe(1);
    expect(await claim(post, ben.id, "post", [mine.id, theirs.id])).toEqual({ refused: [] });
    expect(await claim(subject(), ben.id, "post", [mine.id])).toEqual({ refused: [mine.id] });
    expect(await claim(post, ada.id, "activity", [mine.id])).toEqual({ refused: [mine.id] });
  });
});

test("without the domain of files only what names one has to wait", async () => {
  const alone = await startDepot({}, ["gateway", "users"]);
  try {
    const eve = await alone.federation.register();
    const change = (body: object) => alone.outcome("PATCH", "/users/me", eve, body);
    expect(await change({ avatarFileId: newId() })).toBe("503 UNAVAILABLE");
    expect(await change({ bio: "still here", avatarFileId: null })).toBe("200");
  } finally {
    await alone.stop();
  }
}, 60_000);

describe("a sweep", () => {
  test("deletes what was never uploaded, and what nothing shows, after a day", async () => {
    const announced = await depot.announce(ada, red);
    await depot.send(announced, red);
    const idle = await upload(ada, "post");
    const shown = await upload(ada, "post");
    const post = newId();
    depot.posts.set(post, { fileIds: [shown.id], readers: null });
    await claim({ type: "post", id: post }, ada.id, "post", [shown.id]);
    await pass(DAY - HOUR);
    await sweep();
    expect([await isThere(announced.file.id), await isThere(idle.id)]).toEqual([true, true]);
    await pass(2 * HOUR);
    await sweep();
    expect([await isThere(announced.file.id), await isThere(idle.id)]).toEqual([false, false]);
    expect(await isThere(shown.id)).toBe(true);
    const left = await depot.objects();
    expect(left.filter((key) => key.includes(announced.file.id) || key.includes(idle.id))).toEqual([]);
    expect(left.filter((key) => key.includes(shown.id))).toHaveLength(1);
    expect((await depot.fetch(null, shown.id)).status).toBe(200);
  });

  test("drops claims that are not true, but none while their domain is away, and none that is new", async () => {
    const [kept, dropped, fresh] = await Promise.all([1, 2, 3].map(() => upload(ada, "post")));
    const [a, b, c] = [kept, dropped, fresh].map((each) => (each as Stored).id) as [string, string, string];
    const [post, gone] = [newId(), newId()];
    depot.posts.set(post, { fileIds: [a], readers: null });
    await claim({ type: "post", id: post }, ada.id, "post", [a, b]);
    await claim({ type: "post", id: gone }, ada.id, "post", [a]);
    await pass(DAY + HOUR);
    await claim({ type: "post", id: post }, ada.id, "post", [c]);
    depot.away.add("posts");
    await sweep();
    expect([await claims(a), await claims(b), await claims(c)]).toEqual([2, 1, 1]);
    depot.away.clear();
    await sweep();
    expect([await claims(a), await claims(b), await claims(c)]).toEqual([1, 0, 1]);
    // What has just lost its claim has a day.
    await sweep();
    expect(await isThere(b)).toBe(true);
    await pass(DAY + HOUR);
    await sweep();
    expect([await isThere(a), await isThere(b)]).toEqual([true, false]);
    // The post does not show it after all.
    expect(await claims(c)).toBe(0);
  });

  test("asks users, clubs and activities too", async () => {
    const eve = await depot.federation.register();
    const [avatar, old] = [await upload(eve, "avatar"), await upload(eve, "avatar")];
    for (const { id } of [old, avatar])
      expect(await change(eve, "/users/me", { avatarFileId: id })).toBe("200");
    const logo = await upload(eve, "logo");
    const club = await depot.federation.foundClub(eve, reviewer, { logoFileId: logo.id });
    const [file, taken] = [await upload(eve, "activity"), await upload(eve, "activity")];
    const { id } = await depot.federation.ok<{ id: string }>("POST", `/clubs/${club}/activities`, {
      token: eve.token,
      body: plan({ fileIds: [file.id, taken.id] }),
    });
    expect(await change(eve, `/activities/${id}`, { fileIds: [file.id] })).toBe("200");
    await pass(DAY + HOUR);
    await sweep();
    expect(await Promise.all([avatar, logo, file].map((each) => claims(each.id)))).toEqual([1, 1, 1]);
    expect(await Promise.all([old, taken].map((each) => claims(each.id)))).toEqual([0, 0]);
  }, 60_000);

  test("finishes what broke off, and deletes objects that nobody knows once they are two days old", async () => {
    const { db, storage } = depot.files;
    const half = await upload(ada, "post");
    await db.primary.run("UPDATE files SET deleted_at = 1 WHERE id = :id", { id: half.id });
    expect(await depot.outcome("GET", `/files/${half.id}`, ada)).toBe("404 NOT_FOUND");
    await sweep();
    expect([await isThere(half.id), await storage.list(`post/${half.id}/`)]).toEqual([false, []]);
    const kept = await depot.upload(ada, await picture(200), { purpose: "post" });
    await depot.fetch(ada, kept.id, "?width=64");
    const put = (key: string) => storage.put(key, red, { size: red.length, contentType: "image/png" });
    const unknown = [`uploads/${newId()}`, `post/${newId()}/${newId()}`, `post/${kept.id}/${newId()}`];
    const late = `uploads/${kept.id}`;
    for (const key of [...unknown, late, "post/not-ours", "other/thing"]) await put(key);
    const before = await depot.objects();
    await depot.files.sweepStorage(Date.now() + 2 * DAY - HOUR);
    expect(await depot.objects()).toEqual(before);
    await depot.files.sweepStorage(Date.now() + 2 * DAY + HOUR);
    const after = await depot.objects();
    expect(before.filter((key) => !after.includes(key))).toEqual([...unknown, late].toSorted());
    expect(after.filter((key) => key.startsWith(`post/${kept.id}/`))).toHaveLength(2);
  });
});

test("an erased person's files go; the logo of a club stays without them", async () => {
  const fay = await depot.federation.register();
  const club = await depot.federation.foundClub(ada, reviewer);
  await depot.federation.join(club, fay, ada);
  const [avatar, post, logo, unused] = [
    await upload(fay, "avatar"),
    await upload(fay, "post"),
    await depot.upload(fay, red, { purpose: "logo", name: "费的标志.png" }),
    await upload(fay, "logo"),
  ];
  await depot.announce(fay, red);
  expect(await change(fay, "/users/me", { avatarFileId: avatar.id })).toBe("200");
  await claim({ type: "club", id: club }, fay.id, "logo", [logo.id]);
  expect(await depot.outcome("DELETE", "/users/me", fay, { password: fay.password })).toBe("204");
  await eventually(async () => {
    const there = await Promise.all([avatar, post, unused].map((each) => isThere(each.id)));
    return !there.includes(true) || undefined;
  });
  const left = await depot.objects();
  for (const { id } of [avatar, post, unused]) expect(left.filter((key) => key.includes(id))).toEqual([]);
  const { db } = depot.files;
  expect(
    await db.primary.number("SELECT COUNT(*) AS n FROM files WHERE owner_id = :id", { id: fay.id }),
  ).toBe(0);
  expect(await db.primary.one("SELECT owner_id, name FROM files WHERE id = :id", { id: logo.id })).toEqual({
    owner_id: null,
    name: "logo.png",
  });
  expect((await depot.fetch(null, logo.id)).status).toBe(200);
});
