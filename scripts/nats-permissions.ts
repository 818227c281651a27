/**
 * `npm run nats`: users of a NATS server, one for each domain, that may talk only to whom the domain's code talks to.
 * Include what it prints in the server's configuration. Passwords come from NATS_PASSWORD_<DOMAIN>, or are made.
 */
import { randomBytes } from "node:crypto";
import { natsUsers, OTHER_USERS, RESTORE } from "../lib/nats-permissions.ts";
import { readEnvironment, readSettings } from "../lib/settings.ts";
import { DOMAINS } from "../moleculer.config.ts";
import { talkOf } from "./nats-talk.ts";

const env = readEnvironment();
const { namespace } = readSettings(env);
const passwords = new Map(
  [...DOMAINS, ...OTHER_USERS].map((domain) => [
    domain,
    env[`NATS_PASSWORD_${domain.toUpperCase().replaceAll("-", "_")}`] ??
      randomBytes(18).toString("base64url"),
  ]),
);
const urls = [...passwords].map(
  ([domain, password]) =>
    `# ${domain === RESTORE ? "QUEUE_URL of npm run restore" : `NATS_URL of nodes of ${domain}`}: tls://${domain}:${encodeURIComponent(password)}@HOST:4222`,
);
process.stdout.write(`${urls.join("\n")}\n\n${natsUsers(passwords, namespace, talkOf())}`);
