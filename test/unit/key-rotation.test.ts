/** The steps of replacing a signing key. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { KNOWN_FOR, nextStep, RETIRED_FOR } from "../../lib/key-rotation.ts";
import type { Step } from "../../lib/key-rotation.ts";
import { generateKeySet, parseKeySet } from "../../lib/keys.ts";
import { Signer, TokenError, Verifier } from "../../lib/tokens.ts";
import type { JwkSet } from "../../lib/keys.ts";
import { Sealer } from "../../services/admin/totp.ts";

const START = Date.UTC(2026, 8, 1);
const person = { sub: "u", sid: "s" };

const kidsOf = ({ keys }: JwkSet): unknown[] => keys.map(({ kid }) => kid);
function setOf(step: Step): JwkSet {
  if (step.step === "wait") throw new Error(`It waits until ${step.until}`);
  return step.set;
}
const next = (set: JwkSet, now: number): Step => nextStep(JSON.stringify(set), "FILE", now);
const keysOf = (set: JwkSet) => parseKeySet(JSON.stringify(set), "FILE");

test("a key is added, signs, and the old one goes, each in its time", () => {
  const old = generateKeySet("ES256");
  const added = next(old, START);
  expect(added.step).toBe("added");
  const known = setOf(added);
  expect(kidsOf(known)[0]).toBe(old.keys[0]?.kid);
  expect(keysOf(known)[1]?.algorithm).toBe("ES256");
  expect(next(known, START + KNOWN_FOR - 1)).toMatchObject({ step: "wait", until: START + KNOWN_FOR });

  const signs = next(known, START + KNOWN_FOR);
  expect(signs.step).toBe("signs");
  const turned = setOf(signs);
  expect(kidsOf(turned)).toEqual(kidsOf(known).toReversed());
  const over = START + KNOWN_FOR + RETIRED_FOR;
  expect(next(turned, over - 1)).toMatchObject({ step: "wait", until: over });

  const removed = next(turned, over);
  expect(removed).toMatchObject({ step: "removed", removed: kidsOf(old) });
  expect(kidsOf(setOf(removed))).toEqual([kidsOf(known)[1]]);
  // And from the beginning.
  expect(next(setOf(removed), over).step).toBe("added");
});

test("keys that somebody has put in by hand stay where they are", () => {
  const [first, second] = [generateKeySet("ES256"), generateKeySet("ES256")];
  const set = { keys: [...first.keys, ...second.keys] };
  const added = setOf(next(set, START));
  const turned = setOf(next(added, START + KNOWN_FOR));
  const removed = setOf(next(turned, START + KNOWN_FOR + RETIRED_FOR));
  expect(kidsOf(removed)).toEqual([kidsOf(added)[2], second.keys[0]?.kid]);
});

test("an old key of an earlier rotation that was put back does not sign again", () => {
  let now = START;
  const rotated = (set: JwkSet): JwkSet => {
    const turned = setOf(next(setOf(next(set, now)), (now += KNOWN_FOR)));
    return setOf(next(turned, (now += RETIRED_FOR)));
  };
  const second = rotated(generateKeySet("ES256"));
  const third = rotated(second);
  const withOld = { keys: [...third.keys, ...second.keys] };
  const added = next(withOld, now);
  expect(added.step).toBe("added");
  const turned = next(setOf(added), now + KNOWN_FOR);
  expect(kidsOf(setOf(turned))).toEqual([kidsOf(setOf(added))[2], ...kidsOf(withOld)]);
});

test("what a step changes is for the file alone: public keys show nothing of it", () => {
  const turned = setOf(next(setOf(next(generateKeySet("ES256"), START)), START + KNOWN_FOR));
  const [shown] = new Signer(keysOf(turned), "public").publicJwks().keys;
  expect(Object.keys(shown ?? {}).toSorted()).toEqual(["alg", "crv", "kid", "kty", "use", "x", "y"]);
});

test("an old token is verified until the key is out of the set", async () => {
  let set = generateKeySet("ES256");
  let now = START;
  const verifier = new Verifier("public", async () => new Signer(keysOf(set), "public").publicJwks(), {
    now: () => now,
  });
  const token = (): string => new Signer(keysOf(set), "public", () => now).sign(person, 7_200);
  const first = token();
  set = setOf(next(set, now));
  await verifier.verify(first);
  now += KNOWN_FOR;
  set = setOf(next(set, now));
  await verifier.verify(token());
  await verifier.verify(first);
  now += RETIRED_FOR;
  set = setOf(next(set, now));
  await verifier.verify(token());
  await expect(
    new Verifier("public", async () => new Signer(keysOf(set), "public").publicJwks(), {
      now: () => now,
    }).verify(first),
  ).rejects.toThrow(TokenError);
});

describe("the command", () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "club-alliance-keys-"));
    file = path.join(folder, "jwt_keys");
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function keys(...args: string[]): Promise<{ code: number | null; output: string }> {
    const child = spawn(process.execPath, ["scripts/keys.ts", ...args], {
      cwd: path.join(import.meta.dirname, "..", ".."),
      env: { PATH: process.env["PATH"] ?? "", DATA_DIR: folder },
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += String(data)));
    const [code] = (await once(child, "close")) as [number | null];
    return { code, output };
  }

  test("changes the file whole, and says what to restart", async () => {
    await writeFile(file, JSON.stringify(generateKeySet("ES256")), { mode: 0o600 });
    const { code, output } = await keys("rotate", file);
    expect(output).toMatch(/Step 1 of 3.*nodes of users/);
    expect(code).toBe(0);
    expect(keysOf(JSON.parse(await readFile(file, "utf8")) as JwkSet)).toHaveLength(2);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const before = await readFile(file, "utf8");
    expect((await keys("rotate", file)).output).toMatch(/Nothing is changed/);
    expect(await readFile(file, "utf8")).toBe(before);
  });

  test("refuses what is no set, without repeating it", async () => {
    await writeFile(file, "not JSON but a secret");
    const { code, output } = await keys("rotate", file);
    expect(code).toBe(1);
    expect(output).toMatch(/is not JSON/);
    expect(output).not.toContain("a secret");
    expect((await keys("rotate", path.join(folder, "none"))).output).toMatch(/cannot be read \(ENOENT\)/);
    expect((await keys("turn", file)).output).toMatch(/^Usage/);
  });
});

test("the sealer of an older key is told", () => {
  const turned = setOf(next(setOf(next(generateKeySet("ES256"), START)), START + KNOWN_FOR));
  const [fresh, old] = turned.keys.map((key) => new Sealer(keysOf({ keys: [key] })));
  const sealed = (old as Sealer).seal("u", "secret");
  expect(new Sealer(keysOf(turned)).open("u", sealed)).toEqual({ secret: "secret", old: true });
  expect(() => (fresh as Sealer).open("u", sealed)).toThrow(/ADMIN_JWT_KEYS no longer/);
});
