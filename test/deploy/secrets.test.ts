/** `npm run secrets` again and again: nothing is replaced but what the code says. */
import { readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { makeSecrets } from "../../scripts/secrets.ts";
import { folder as newFolder } from "../support/servers/child.ts";

const USERS = "nats-users.conf";

let folder: string;
const make = () => makeSecrets({ folder, place: "compose", hosts: ["clubs.example.edu"] });
const contents = async (): Promise<Record<string, string>> => {
  const names = (await readdir(folder)).toSorted();
  const all = names.map(async (name) => [name, await readFile(path.join(folder, name), "utf8")] as const);
  return Object.fromEntries(await Promise.all(all));
};
const replace = async (name: string, text: string): Promise<void> => {
  const file = path.join(folder, name);
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
};
beforeAll(async () => void (folder = await newFolder("secrets")));

test("the first time all are made, and only their owner gets to them", async () => {
  const { names, kept, toFillIn } = await make();
  expect(names.length).toBeGreaterThan(60);
  expect(kept).toBe(0);
  expect(toFillIn.map(({ name }) => name)).toContain("mail_url");
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
});

test("the second time nothing changes", async () => {
  const before = await contents();
  expect(await make()).toMatchObject({ names: [], renewed: [] });
  expect(await contents()).toEqual(before);
});

test("what the operator has filled in or put in its place stays", async () => {
  await replace("mail_url", "smtp://mail.example.edu\n");
  await replace("redis_password", "of-our-own\n");
  const before = await contents();
  const { toFillIn } = await make();
  expect(toFillIn.map(({ name }) => name)).not.toContain("mail_url");
  expect(await contents()).toEqual(before);
});

test("after an upgrade NATS' users are those of the code, with the passwords that they had", async () => {
  const before = await contents();
  const older = (before[USERS] as string).replace(/^.*user: "restore"[\s\S]*?\} \} \}\n/m, "");
  expect(older).not.toContain('"restore"');
  await replace(USERS, older);
  expect(await make()).toMatchObject({ names: [USERS], renewed: [USERS] });
  expect(await contents()).toEqual({ ...before, [`${USERS}.before`]: older });
});
