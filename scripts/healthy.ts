/** The image's health check: 0 when this machine's node says that it is ready, else 1 and the reason. */
import { readEnvironment, readSettings } from "../lib/settings.ts";

/** Milliseconds; less than the engine gives the check. */
const LIMIT = 2_000;

async function reason(): Promise<string | null> {
  const { healthPort, host } = readSettings(readEnvironment());
  const at = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  const answer = await fetch(`http://${at.includes(":") ? `[${at}]` : at}:${healthPort}/health/ready`, {
    signal: AbortSignal.timeout(LIMIT),
  });
  return answer.ok ? null : await answer.text();
}

const problem = await reason().catch((error: unknown) => {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
});
if (problem) process.stderr.write(`${problem}\n`);
process.exitCode = problem ? 1 : 0;
