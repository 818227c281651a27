/**
 * `npm run bucket`: makes the bucket of S3_URL, so that everybody may fetch avatars and logos and nothing else
 * (docs/files.md), and pages of CORS_ORIGINS may upload. May run again and again.
 */
import {
  CreateBucketCommand,
  HeadBucketCommand,
  PutBucketCorsCommand,
  PutBucketPolicyCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { readEnvironment, readSettings, SettingsError } from "../lib/settings.ts";
import { runCommand } from "./run-command.ts";

/** Purposes whose files everybody sees. */
const OPEN = ["avatar", "logo"];

function policyOf(bucket: string): string {
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "PicturesForEverybody",
        Effect: "Allow",
        Principal: "*",
        Action: "s3:GetObject",
        Resource: OPEN.map((purpose) => `arn:aws:s3:::${bucket}/${purpose}/*`),
      },
    ],
  });
}

async function main(): Promise<void> {
  const { s3Url, corsOrigins } = readSettings(readEnvironment());
  if (!s3Url) throw new SettingsError("S3_URL is not set, so there is no bucket to make.");
  const { protocol, host, username, password, pathname, searchParams } = new URL(s3Url);
  const bucket = pathname.slice(1);
  const client = new S3Client({
    endpoint: `${protocol}//${host}`,
    region: searchParams.get("region") ?? "us-east-1",
    credentials: {
      accessKeyId: decodeURIComponent(username),
      secretAccessKey: decodeURIComponent(password),
    },
    forcePathStyle: true,
    requestChecksumCalculation: "WHEN_REQUIRED",
  });
  const there = await client.send(new HeadBucketCommand({ Bucket: bucket })).then(
    () => true,
    (error: { $metadata?: { httpStatusCode?: number } }) => {
      if (error.$metadata?.httpStatusCode === 404) return false;
      throw error as unknown;
    },
  );
  if (!there) await client.send(new CreateBucketCommand({ Bucket: bucket }));
  await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: policyOf(bucket) }));
  if (corsOrigins.length > 0)
    await client.send(
      new PutBucketCorsCommand({
        Bucket: bucket,
        CORSConfiguration: {
          CORSRules: [
            {
              AllowedOrigins: corsOrigins,
              AllowedMethods: ["GET", "PUT"],
              AllowedHeaders: ["content-type"],
              MaxAgeSeconds: 3_600,
            },
          ],
        },
      }),
    );
  process.stdout.write(`The bucket ${bucket} ${there ? "was there" : "is made"}; its rules are set.\n`);
}

runCommand(main, (error) => Boolean((error as { $metadata?: object }).$metadata));
