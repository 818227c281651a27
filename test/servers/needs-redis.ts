/** A suite for describe-with.test.ts, which runs it where Redis is missing. */
import { describeWith } from "../support/servers/index.ts";

describeWith(["nats", "redis"], "a suite of two servers", () => {
  test("runs", () => {});
});
