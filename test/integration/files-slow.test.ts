import { readdir } from "node:fs/promises";
import { request } from "node:http";
import path from "node:path";
import { runtimeOf } from "../../mixins/runtime.ts";
import { eventually } from "../support/federation.ts";
import { picture, startDepot } from "../support/files.ts";

test("an upload that does not end is told so before its connection is cut, and leaves nothing behind", async () => {
  const depot = await startDepot();
  const incoming = () => readdir(path.join(runtimeOf(depot.federation.broker).settings.filesDir, "incoming"));
  const ada = await depot.federation.register();
  const bytes = await picture(10);
  const { file, upload } = await depot.announce(ada, bytes);
  const answered = new Promise<{ status: number; connection: string | undefined }>((resolve, reject) => {
    const sent = request(depot.at(upload.url), { method: "PUT", headers: upload.headers }, (res) =>
      resolve({ status: res.resume().statusCode ?? 0, connection: res.headers.connection }),
    );
    sent.on("error", reject);
    sent.write(bytes.subarray(0, 20));
  });
  await eventually(async () => (await incoming()).length === 1 || undefined);
  // Where the machine is so busy that the upload's own limit comes late, the server's does the same.
  expect(await answered).toEqual({ status: 408, connection: "close" });
  await eventually(async () => (await incoming()).length === 0 || undefined);
  expect(await depot.outcome("POST", `/files/${file.id}/complete`, ada)).toBe("422 UPLOAD_MISSING");
  await depot.stop();
}, 90_000);
