/** The parts of a backup as streams: compressed (zstd), encrypted where somebody may read them (age), and hashed. */
import { createHash } from "node:crypto";
import { PassThrough, Readable, Transform } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { createZstdCompress, createZstdDecompress } from "node:zlib";
import { Decrypter, Encrypter } from "age-encryption";
import { SettingsError } from "../../lib/settings.ts";
import type { Target } from "./target.ts";

/** Who may read what is written (age1…); nobody: it is not encrypted. */
export type Recipients = readonly string[];
/** What reads it (AGE-SECRET-KEY-1…). */
export type Identities = readonly string[];

/** What is kept of a part. */
export interface Written {
  name: string;
  /** Bytes as they are stored. */
  size: number;
  /** Of these bytes, in hex. */
  sha256: string;
  /** Bytes that went in. */
  raw: number;
}

export interface WriteOptions {
  recipients: Recipients;
  /** Told of bytes that went in. */
  progress: (bytes: number) => void;
}

/** Stores a part under `name` and the endings of how it is stored. Rejects, and leaves nothing, when the source fails. */
export async function writePart(
  target: Target,
  name: string,
  source: Readable,
  { recipients, progress }: WriteOptions,
): Promise<Written> {
  const stored = `${name}.zst${recipients.length > 0 ? ".age" : ""}`;
  let raw = 0;
  const counted = joined(
    source,
    passing((bytes) => {
      raw += bytes.length;
      progress(bytes.length);
    }),
  );
  const compressed = joined(counted, createZstdCompress());
  const { body, result } = hashed(await encrypted(compressed, recipients));
  await target.put(stored, body);
  return { name: stored, ...result(), raw };
}

/** What a part says. Rejects when it is not what was written. */
export async function readPart(
  target: Target,
  { name, size, sha256 }: Pick<Written, "name" | "size" | "sha256">,
  identities: Identities,
): Promise<Readable> {
  const found = checked(await target.get(name), name, { size, sha256 });
  const plain = name.endsWith(".age") ? await decrypted(found, identities, name) : found;
  return joined(plain, createZstdDecompress());
}

/** Reads all of a part and throws a sentence when it is not what was written. */
export async function checkPart(
  target: Target,
  part: Pick<Written, "name" | "size" | "sha256">,
): Promise<void> {
  const found = await target.get(part.name).catch((error: unknown) => {
    throw new SettingsError(`${part.name} is missing from the backup (${(error as Error).name}).`);
  });
  for await (const _ of checked(found, part.name, part));
}

/** Encrypts for the recipients; for none it is left as it is. */
export async function encrypted(source: Readable, recipients: Recipients): Promise<Readable> {
  if (recipients.length === 0) return source;
  const encrypter = new Encrypter();
  for (const each of recipients) encrypter.addRecipient(each);
  return fromWeb(source, await encrypter.encrypt(Readable.toWeb(source)));
}

/** @param what its name, for the sentence that says that it cannot be read */
export async function decrypted(source: Readable, identities: Identities, what: string): Promise<Readable> {
  if (identities.length === 0)
    throw new SettingsError(`${what} is encrypted: name the file of the key that reads it by --identity.`);
  const decrypter = new Decrypter();
  for (const each of identities) decrypter.addIdentity(each);
  try {
    const plain = fromWeb(source, await decrypter.decrypt(Readable.toWeb(source)));
    return joined(plain, new PassThrough(), (error) => damage(error, what));
  } catch (error) {
    source.destroy();
    throw new SettingsError(
      `${what} cannot be read with the key of --identity: ${(error as Error).message}.`,
    );
  }
}

/** The same bytes; `result` tells their size and hash when they have passed. */
export function hashed(source: Readable): { body: Readable; result: () => { size: number; sha256: string } } {
  const hash = createHash("sha256");
  let size = 0;
  const body = joined(
    source,
    passing((bytes) => {
      hash.update(bytes);
      size += bytes.length;
    }),
  );
  let sha256: string | null = null;
  return { body, result: () => ({ size, sha256: (sha256 ??= hash.digest("hex")) }) };
}

/** The same bytes; fails at their end when they are not those expected. */
export function checked(
  source: Readable,
  name: string,
  expected: { size: number; sha256: string },
): Readable {
  const { body, result } = hashed(source);
  const end = new Transform({
    transform: (bytes, _encoding, done) => done(null, bytes),
    flush(done) {
      const { size, sha256 } = result();
      const same = size === expected.size && sha256 === expected.sha256;
      done(
        same
          ? null
          : new SettingsError(
              `${name} is damaged: it has ${size} bytes with SHA-256 ${sha256}, and was written with ${expected.size} bytes and ${expected.sha256}.`,
            ),
      );
    },
  });
  return joined(body, end);
}

/** What the decrypter finds is damage; a disk or a server that fails (it has a code) is not. */
function damage(error: Error, what: string): Error {
  if (error instanceof SettingsError || "code" in error) return error;
  return new SettingsError(`${what} is damaged: ${error.message}.`);
}

/** As `source.pipe(step)`, but an error of either ends both. @param told what is said of an error of the source's */
export function joined(
  source: Readable,
  next: Transform,
  told: (error: Error) => Error = (error) => error,
): Readable {
  source.once("error", (error) => next.destroy(told(error)));
  next.once("close", () => {
    if (!source.readableEnded) source.destroy();
  });
  source.pipe(next);
  return next;
}

function passing(look: (bytes: Buffer) => void): Transform {
  return new Transform({
    transform(bytes: Buffer, _encoding, done) {
      look(bytes);
      done(null, bytes);
    },
  });
}

/** @param source what the stream was made of: when that fails, so does this */
function fromWeb(source: Readable, stream: ReadableStream<Uint8Array>): Readable {
  const made = Readable.fromWeb(stream);
  source.once("error", (error) => made.destroy(error));
  return made;
}
