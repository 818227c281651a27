import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { folder, freePort, type Server, serve } from "./child.ts";
import { need } from "./found.ts";

export interface S3Server extends Server {
  /** S3_URL of a bucket, with key and secret. It must be created first. */
  bucketUrl: (name: string) => string;
  /** Makes a bucket; its S3_URL. */
  createBucket: (name: string) => Promise<string>;
}

/** Starts versitygw, which keeps objects as files. */
export async function startS3(): Promise<S3Server> {
  const command = need("versitygw");
  const [dir, port] = [await folder("s3"), await freePort()];
  const folders = ["data", "versions", "iam"].map((name) => join(dir, name));
  await Promise.all(folders.map((each) => mkdir(each)));
  const [data, versions, iam] = folders as [string, string, string];
  const [key, secret] = [`key${randomBytes(4).toString("hex")}`, randomBytes(12).toString("hex")];
  const url = `http://127.0.0.1:${port}`;
  const server = await serve({
    command,
    args: [
      "--quiet",
      "--port",
      `127.0.0.1:${port}`,
      "--access",
      key,
      "--secret",
      secret,
      "--health",
      "/_/health",
      "--iam-dir",
      iam,
      "posix",
      "--versioning-dir",
      versions,
      data,
    ],
    dir,
    url,
    port,
    async probe() {
      const answer = await fetch(`${url}/_/health`, { signal: AbortSignal.timeout(1000) });
      if (!answer.ok) throw new Error(`it answers ${answer.status}`);
      return true;
    },
  });
  const bucketUrl = (name: string): string =>
    `http://${key}:${secret}@127.0.0.1:${port}/${name}?region=us-east-1`;
  return Object.assign(server, {
    bucketUrl,
    async createBucket(name: string) {
      const client = new S3Client({
        endpoint: url,
        region: "us-east-1",
        credentials: { accessKeyId: key, secretAccessKey: secret },
        forcePathStyle: true,
      });
      await client.send(new CreateBucketCommand({ Bucket: name }));
      client.destroy();
      return bucketUrl(name);
    },
  });
}
