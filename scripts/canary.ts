/**
 * `npm run canary -- start|judge|promote|abort DOMAIN …`, after `migrate IMAGE`: one node of a new version beside the
 * stable ones of a domain, judged by what Prometheus knows of both, and then everywhere or gone. Exit codes of judge: 0
 * passed, 1 failed, 2 too few calls to tell, 3 it could not be judged.
 */
import { spawn } from "node:child_process";
import { parseArgs } from "node:util";
import { abort, promote, start } from "./canary/cluster.ts";
import type { Kubectl } from "./canary/cluster.ts";
import { CanaryError } from "./canary/deployment.ts";
import { CODES, judge, tableOf } from "./canary/judge.ts";
import { migrate } from "./canary/migrations.ts";
import { DOMAINS } from "../moleculer.config.ts";

const USAGE = `Usage: npm run canary -- migrate IMAGE [--namespace NAME]
       npm run canary -- start DOMAIN IMAGE [--namespace NAME]
       npm run canary -- judge DOMAIN --prometheus URL [--minutes 10] [--every 15] [--settled 12]
       npm run canary -- promote|abort DOMAIN [--namespace NAME]`;

const OPTIONS = {
  namespace: { type: "string", default: "club-alliance" },
  prometheus: { type: "string" },
  minutes: { type: "string", default: "10" },
  every: { type: "string", default: "15" },
  // The timeout of a scrape (monitoring/prometheus/) and a little more.
  settled: { type: "string", default: "12" },
} as const;
const { values, positionals } = parse();
const [command = "", domain, image] = positionals;

function parse() {
  try {
    return parseArgs({ allowPositionals: true, options: OPTIONS });
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${USAGE}\n`);
    return process.exit(CODES.unjudged);
  }
}

const tell = (line: string): void => void process.stdout.write(`${line}\n`);

const kubectl: Kubectl = (args, input) =>
  new Promise((resolve, reject) => {
    const child = spawn("kubectl", ["--namespace", values.namespace, ...args], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    let [output, problem] = ["", ""];
    child.stdout.on("data", (chunk) => (output += String(chunk)));
    child.stderr.on("data", (chunk) => (problem += String(chunk)));
    child.once("error", () => reject(new CanaryError("kubectl cannot be run: install it.")));
    child.once("close", (code) =>
      code === 0
        ? resolve(output)
        : reject(new CanaryError(`kubectl ${args.slice(0, 3).join(" ")}: ${problem.trim()}`)),
    );
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });

async function main(): Promise<number> {
  if (command === "migrate") {
    if (!domain) throw new CanaryError(USAGE);
    await migrate(kubectl, domain);
    tell("The migrations have run.");
    return 0;
  }
  if (!domain || !DOMAINS.includes(domain))
    throw new CanaryError(`Name a domain: ${DOMAINS.join(", ")}.\n${USAGE}`);
  switch (command) {
    case "start":
      if (!image) throw new CanaryError(USAGE);
      await start(kubectl, domain, image);
      tell(`The canary of ${domain} runs ${image}.`);
      return 0;
    case "judge":
      return judged(domain);
    case "promote":
      tell(`${domain} runs ${await promote(kubectl, domain)}.`);
      return 0;
    case "abort": {
      const before = await abort(kubectl, domain);
      tell(`${domain} has no canary${before ? `, and is back at ${before}` : ""}.`);
      return 0;
    }
    default:
      throw new CanaryError(USAGE);
  }
}

async function judged(name: string): Promise<number> {
  if (!values.prometheus || !URL.canParse(values.prometheus))
    throw new CanaryError(`--prometheus is the address of Prometheus, as http://host:9090.\n${USAGE}`);
  const found = await judge(
    {
      domain: name,
      prometheus: values.prometheus,
      duration: positive("minutes") * 60,
      every: positive("every"),
      settled: positive("settled"),
    },
    tell,
  );
  tell(`\n${tableOf(found)}\n`);
  tell(`The canary of ${name}: ${found.verdict}${found.reasons.map((reason) => `\n  ${reason}`).join("")}`);
  return CODES[found.verdict];
}

function positive(name: "minutes" | "every" | "settled"): number {
  const number = Number(values[name]);
  if (!(number > 0)) throw new CanaryError(`--${name} "${values[name]}" is no number above 0.`);
  return number;
}

// What is wrong with the cluster or with what was asked is no verdict on the canary, and no pass either.
process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof CanaryError ? error.message : String((error as Error).stack)}\n`);
  return command === "judge" ? CODES.unjudged : 1;
});
