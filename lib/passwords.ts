/**
 * Passwords: argon2id of Node itself, with the parameters that OWASP's password storage cheat sheet gives (19 MiB,
 * 2 passes, 1 lane), kept as PHC strings. https://github.com/P-H-C/phc-string-format
 */
import { argon2, randomBytes, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";

const MEMORY_KIB = 19_456;
const PASSES = 2;
const LANES = 1;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const CURRENT = `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$`;

/** Unicode code points, after NFC. */
export const PASSWORD_LENGTH = { min: 10, max: 128 } as const;

/** More passwords are to be hashed than can be within about a second; nothing was done. */
export class BusyError extends Error {
  /** Seconds. */
  readonly retryAfter = 1;

  constructor() {
    super("Too many passwords are being checked. Try again in a second.");
    this.name = "BusyError";
  }
}

/**
 * At most `lanes` pieces of work at a time, in order of arrival; beyond `waiting` more, a BusyError at once.
 * A hash takes 15–30 ms, so 32 waiting for each lane wait for about a second at most.
 */
export class WorkQueue {
  readonly #lanes: number;
  readonly #limit: number;
  readonly #queue: (() => void)[] = [];
  #running = 0;

  constructor(lanes: number, waiting: number = 32 * lanes) {
    this.#lanes = lanes;
    this.#limit = waiting;
  }

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#running < this.#lanes) {
      this.#running += 1;
    } else {
      if (this.#queue.length >= this.#limit) throw new BusyError();
      // Whoever is done hands its lane on, so that nobody who comes between takes it.
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    }
    try {
      return await work();
    } finally {
      const next = this.#queue.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }
}

/**
 * How many passwords are hashed at a time: a core stays free for everything else, and so do two threads of libuv's
 * pool (UV_THREADPOOL_SIZE, 4 by default), which files and name look-ups need too.
 */
export function hashingLanes(cores: number, poolThreads: number): number {
  return Math.max(1, Math.min(4, cores - 1, poolThreads - 2));
}

const queue = new WorkQueue(
  hashingLanes(availableParallelism(), Number(process.env.UV_THREADPOOL_SIZE) || 4),
);

interface Parameters {
  memory: number;
  passes: number;
  parallelism: number;
  tagLength: number;
  nonce: Uint8Array;
}

function derive(password: string, parameters: Parameters): Promise<Buffer> {
  const message = password.normalize("NFC");
  return queue.run(
    () =>
      new Promise((resolve, reject) => {
        argon2("argon2id", { ...parameters, message }, (error, key) =>
          error ? reject(error) : resolve(key),
        );
      }),
  );
}

/** A PHC string of the password. Fails with a BusyError when too many are under way. */
export async function hashPassword(password: string): Promise<string> {
  const nonce = randomBytes(SALT_BYTES);
  const hash = await derive(password, {
    memory: MEMORY_KIB,
    passes: PASSES,
    parallelism: LANES,
    tagLength: HASH_BYTES,
    nonce,
  });
  return phcOf(nonce, hash);
}

/**
 * Whether the password is the one of the PHC string, whatever its parameters; compared in constant time. Fails with a
 * BusyError when too many are under way, and with an Error when the string is none of argon2id.
 */
export async function verifyPassword(password: string, phc: string): Promise<boolean> {
  const match = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(phc);
  if (!match) throw new Error("The stored password hash is not a PHC string of argon2id, version 19.");
  const [memory, passes, parallelism] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const [nonce, expected] = [Buffer.from(match[4] ?? "", "base64"), Buffer.from(match[5] ?? "", "base64")];
  const hash = await derive(password, { memory, passes, parallelism, tagLength: expected.length, nonce });
  return timingSafeEqual(hash, expected);
}

/** Whether the string was made with other parameters than today's: hash again at the next sign-in. */
export function needsRehash(phc: string): boolean {
  return !phc.startsWith(CURRENT);
}

/** The hash of no password: verified for an unknown account, it takes the time of a known one and says false. */
export const DUMMY_HASH = phcOf(randomBytes(SALT_BYTES), randomBytes(HASH_BYTES));

function phcOf(salt: Buffer, hash: Buffer): string {
  return `${CURRENT}${unpadded(salt)}$${unpadded(hash)}`;
}

function unpadded(bytes: Buffer): string {
  return bytes.toString("base64").replace(/=+$/, "");
}

/** What is wrong with a password that somebody chooses, as the code of its field. */
export function passwordProblem(password: string): "TOO_SHORT" | "TOO_LONG" | "COMMON_PASSWORD" | undefined {
  const length = Array.from(password.normalize("NFC")).length;
  if (length < PASSWORD_LENGTH.min) return "TOO_SHORT";
  if (length > PASSWORD_LENGTH.max) return "TOO_LONG";
  return isCommonPassword(password) ? "COMMON_PASSWORD" : undefined;
}

const commonPasswords = new Set(
  readFileSync(join(import.meta.dirname, "data", "common-passwords.txt"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("# ")),
);

/** Whether a password is among the most common ones, or simple: one repeated, or runs of alphabet or keyboard. */
export function isCommonPassword(password: string): boolean {
  const plain = password.normalize("NFKC").toLowerCase();
  return commonPasswords.has(plain) || isSimple(Array.from(plain));
}

/** Characters that follow one another: by alphabet, by number, along the rows and columns of a keyboard. */
const TRACKS = [
  "abcdefghijklmnopqrstuvwxyz",
  "01234567890",
  "qwertyuiop",
  "asdfghjkl",
  "zxcvbnm",
  "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik",
  "qazwsxedcrfvtgbyhnujmik",
  "1q2w3e4r5t6y7u8i9o0p",
  "!@#$%^&*()",
];
const NEIGHBOURS = new Set(
  TRACKS.flatMap((track) => Array.from(track, (char, at) => char + (track[at + 1] ?? char))),
);

function isSimple(chars: string[]): boolean {
  const pieces = chars.filter((char, at) => {
    const before = chars[at - 1];
    return (
      before === undefined ||
      !(before === char || NEIGHBOURS.has(before + char) || NEIGHBOURS.has(char + before))
    );
  });
  return pieces.length <= 3 || isRepeated(chars);
}

/** Whether it is a piece, too short to be a password itself, said twice or more. */
function isRepeated(chars: string[]): boolean {
  for (let period = 1; period < PASSWORD_LENGTH.min && period * 2 <= chars.length; period += 1) {
    if (chars.every((char, at) => at < period || char === chars[at - period])) return true;
  }
  return false;
}
