/** Backups in a bucket of an S3 server. */
import type { Readable } from "node:stream";
import { DeleteObjectCommand, GetObjectCommand, paginateListObjectsV2, S3Client } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import type { Kept, Target } from "./target.ts";

/** 10,000 of them are the longest part: 160 GB. */
const CHUNK = 16 * 1024 * 1024;

/** The client reads keys, region and endpoint from the environment, as every S3 program does. */
export function openBucket(bucket: string, prefix: string): Target {
  const client = new S3Client({
    region: process.env["AWS_REGION"] ?? "us-east-1",
    forcePathStyle: true,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  return new Bucket(client, bucket, prefix === "" ? "" : `${prefix}/`);
}

class Bucket implements Target {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;

  constructor(client: S3Client, bucket: string, prefix: string) {
    this.#client = client;
    this.#bucket = bucket;
    this.#prefix = prefix;
  }

  async put(name: string, body: Readable): Promise<void> {
    const upload = new Upload({
      client: this.#client,
      params: { ...this.#at(name), Body: body },
      partSize: CHUNK,
      queueSize: 2,
    });
    // A source that breaks off must not leave what has come so far as if it were all.
    body.once("error", () => void upload.abort());
    await upload.done();
    if (body.errored) throw body.errored;
  }

  async get(name: string): Promise<Readable> {
    const { Body } = await this.#client.send(new GetObjectCommand(this.#at(name)));
    return Body as Readable;
  }

  async *list(prefix: string): AsyncGenerator<Kept> {
    const pages = paginateListObjectsV2(
      { client: this.#client },
      { Bucket: this.#bucket, Prefix: this.#prefix + prefix },
    );
    for await (const { Contents = [] } of pages)
      for (const { Key, Size, LastModified } of Contents)
        if (Key)
          yield {
            name: Key.slice(this.#prefix.length),
            size: Size ?? 0,
            at: LastModified?.getTime() ?? Date.now(),
          };
  }

  async delete(name: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand(this.#at(name)));
  }

  close(): void {
    this.#client.destroy();
  }

  #at(name: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + name };
  }
}
