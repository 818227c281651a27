/** Objects in a bucket of an S3 server (AWS, MinIO, versitygw…). */
import { Readable } from "node:stream";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { AppError } from "../errors.ts";
import { count } from "./count.ts";
import { checkKey, disposition } from "./index.ts";
import type { ObjectInfo, SignedRequest, Storage, StoredObject } from "./index.ts";

/** Milliseconds. */
const CONNECT_LIMIT = 2_000;
/** Without a byte in either direction. */
const SILENCE_LIMIT = 5_000;

const quiet = (): void => undefined;

/** @param url `https://key:secret@host/bucket?region=…` */
export function openS3(url: string, publicUrl: string | null): S3Storage {
  const { protocol, host, username, password, pathname, searchParams } = new URL(url);
  const client = (endpoint: string): S3Client =>
    new S3Client({
      endpoint,
      region: searchParams.get("region") ?? "us-east-1",
      credentials: {
        accessKeyId: decodeURIComponent(username),
        secretAccessKey: decodeURIComponent(password),
      },
      forcePathStyle: true,
      maxAttempts: 2,
      requestHandler: {
        connectionTimeout: CONNECT_LIMIT,
        requestTimeout: SILENCE_LIMIT,
        throwOnRequestTimeout: true,
      },
      // What fails is thrown; the log of the node is not the client's.
      logger: { trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet },
      // Not every server knows the newer checksums.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
    });
  const own = client(`${protocol}//${host}`);
  const origin = publicUrl && new URL(publicUrl).origin;
  return new S3Storage(own, origin ? { client: client(origin), origin } : null, pathname.slice(1));
}

export class S3Storage implements Storage {
  readonly #client: S3Client;
  /** Signs addresses for browsers. */
  readonly #public: S3Client;
  readonly #origin: string | null;
  readonly #bucket: string;

  /** @param ofPublic under which browsers reach the server, when that is another address */
  constructor(client: S3Client, ofPublic: { client: S3Client; origin: string } | null, bucket: string) {
    this.#client = client;
    this.#public = ofPublic?.client ?? client;
    this.#origin = ofPublic?.origin ?? null;
    this.#bucket = bucket;
  }

  async put(key: string, body: Readable | Buffer, { size, contentType }: ObjectInfo): Promise<boolean> {
    checkKey(key);
    if (Buffer.isBuffer(body) && body.length !== size)
      throw new TypeError(`It was to have ${size} bytes and has ${body.length}.`);
    const broken = new AbortController();
    const counted = Buffer.isBuffer(body)
      ? body
      : Readable.from(count(body as AsyncIterable<Buffer>, size)).once("error", (error) =>
          broken.abort(error),
        );
    const command = new PutObjectCommand({
      ...this.#at(key),
      Body: counted,
      ContentLength: size,
      ContentType: contentType,
      IfNoneMatch: "*",
    });
    try {
      await this.#client.send(command, { abortSignal: broken.signal });
      return true;
    } catch (error) {
      if (broken.signal.aborted) throw broken.signal.reason;
      if (statusOf(error) === 412) return false;
      throw explained(error);
    }
  }

  async head(key: string): Promise<ObjectInfo | null> {
    checkKey(key);
    try {
      const found = await this.#client.send(new HeadObjectCommand(this.#at(key)));
      return infoOf(found);
    } catch (error) {
      return missing(error);
    }
  }

  async get(key: string, range?: { from: number; to: number }): Promise<StoredObject | null> {
    checkKey(key);
    try {
      const part = range && { Range: `bytes=${range.from}-${range.to}` };
      const found = await this.#client.send(new GetObjectCommand({ ...this.#at(key), ...part }));
      const whole = Number(/\/(\d+)$/.exec(found.ContentRange ?? "")?.[1] ?? found.ContentLength);
      return { ...infoOf({ ...found, ContentLength: whole }), stream: found.Body as Readable };
    } catch (error) {
      return missing(error);
    }
  }

  async delete(key: string): Promise<void> {
    checkKey(key);
    await this.#client.send(new DeleteObjectCommand(this.#at(key))).catch((error: unknown) => {
      throw explained(error);
    });
  }

  async list(prefix: string, after?: string): Promise<string[]> {
    try {
      const { Contents = [] } = await this.#client.send(
        new ListObjectsV2Command({
          Bucket: this.#bucket,
          Prefix: prefix,
          ...(after && { StartAfter: after }),
        }),
      );
      return Contents.flatMap(({ Key }) => Key ?? []);
    } catch (error) {
      throw explained(error);
    }
  }

  async signUpload(key: string, { size, contentType }: ObjectInfo, seconds: number): Promise<SignedRequest> {
    checkKey(key);
    const command = new PutObjectCommand({
      ...this.#at(key),
      ContentLength: size,
      ContentType: contentType,
    });
    // What is signed the client must send: another size or type is refused.
    const signableHeaders = new Set(["host", "content-type", "content-length"]);
    const url = await getSignedUrl(this.#public, command, { expiresIn: seconds, signableHeaders });
    return { method: "PUT", url, headers: { "content-type": contentType, "content-length": String(size) } };
  }

  async signDownload(key: string, seconds: number, fileName?: string, shown = false): Promise<SignedRequest> {
    checkKey(key);
    const command = new GetObjectCommand({
      ...this.#at(key),
      ...(fileName && { ResponseContentDisposition: disposition(fileName, shown) }),
    });
    const url = await getSignedUrl(this.#public, command, { expiresIn: seconds });
    return { method: "GET", url, headers: {} };
  }

  publicUrl(key: string): string | null {
    checkKey(key);
    return this.#origin && `${this.#origin}/${this.#bucket}/${key}`;
  }

  /** The server keeps nothing that is not whole. */
  async tidy(): Promise<void> {}

  close(): void {
    this.#client.destroy();
    this.#public.destroy();
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: key };
  }
}

function infoOf({
  ContentLength = 0,
  ContentType,
}: {
  ContentLength?: number;
  ContentType?: string;
}): ObjectInfo {
  return { size: ContentLength, contentType: ContentType ?? "application/octet-stream" };
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
}

function missing(error: unknown): null {
  if (statusOf(error) === 404) return null;
  throw explained(error);
}

/** A refusal of the request itself goes on as it is; everything else means that the server did not answer. */
function explained(error: unknown): unknown {
  const status = statusOf(error);
  if (error instanceof TypeError || (status !== undefined && status < 500 && status !== 429)) return error;
  return new AppError("UNAVAILABLE", { retryAfter: 2 });
}
