import { readFileSync } from "node:fs";
import { problemsOf } from "../../scripts/deploy/checks/compose.ts";
import { COMPOSE_FILE } from "../../scripts/deploy/compose/read.ts";
import { missing, remedy } from "../support/servers/found.ts";

const absent = missing(["manifests"]);
if (absent.length > 0 && process.env.REQUIRE_SERVERS) throw new Error(remedy(absent));
const whole = absent.length > 0 ? describe.skip : describe;

const TEXT = readFileSync(COMPOSE_FILE, "utf8");

/** The file with one thing changed; the change must find its place. */
function broken(from: string | RegExp, to: string): Promise<string[]> {
  const text = TEXT.replace(from, to);
  if (text === TEXT) throw new Error(`docker-compose.yml no longer has ${String(from)}`);
  return problemsOf(text);
}

whole("docker-compose.yml", () => {
  test("is right as it is", async () => {
    expect(await problemsOf(TEXT)).toEqual([]);
  }, 60_000);

  test.each<[string, string | RegExp, string, RegExp]>([
    ["a key that the specification does not know", "    user: ", "    usr: ", /specification/],
    [
      "a variable of a node",
      "  LOG_LEVEL: ${LOG_LEVEL",
      "  LOGLEVEL: ${LOG_LEVEL",
      /LOGLEVEL, which no setting knows/,
    ],
    [
      "a value that the settings refuse",
      "NODE_EXTRA_CA_CERTS: /run",
      'PORT: "http"\n  NODE_EXTRA_CA_CERTS: /run',
      /would not start: PORT/,
    ],
    ["a node without its database", /^ +USERS_DB_URL_FILE: .*\n/m, "", /users would not start.*USERS_DB_URL/],
    [
      "keys where they do not belong",
      "POSTS_DB_URL_FILE:",
      "JWT_KEYS_FILE: /run/secrets/jwt_keys\n      POSTS_DB_URL_FILE:",
      /JWT_KEYS belongs on nodes of users/,
    ],
    [
      "a secret that the service is not given",
      "/run/secrets/nats_url_posts",
      "/run/secrets/nats_url_users",
      /posts reads \/run\/secrets\/nats_url_users/,
    ],
    [
      "a secret that nobody makes",
      "secrets:\n  activities_db_password",
      "secrets:\n  nobody: { file: ./deploy/secrets/nobody }\n  activities_db_password",
      /nobody makes the secret nobody/,
    ],
    [
      "a restore that does not reach the queue",
      "    networks: [app, data]\n    entrypoint: [node, scripts/restore.ts]",
      "    entrypoint: [node, scripts/restore.ts]",
      /restore is given queue_url_restore and has no network to nats-1/,
    ],
    [
      "an image that two build",
      "    entrypoint: [node, scripts/restore.ts]",
      "    build: { context: . }\n    entrypoint: [node, scripts/restore.ts]",
      /club-alliance-tools:\S+ is built by backup, restore/,
    ],
    [
      "an image that nobody builds",
      "    build: { context: ., target: tools, args: *versions }\n",
      "",
      /club-alliance-tools:\S+ is built by nobody/,
    ],
    ["a domain that runs once", "replicas: 2", "replicas: 1", /users runs 1 times/],
    ["a domain that is none", "command: [posts]", "command: [post]", /post, which is no domain/],
    [
      "a server that publishes a port",
      "    image: nats:",
      '    ports: ["4222:4222"]\n    image: nats:',
      /nats-1 publishes ports/,
    ],
    [
      "an image without a version",
      "image: nats:2.15.2-alpine",
      "image: nats:latest",
      /names no exact version/,
    ],
    [
      "a health check of a port nobody listens on",
      "http://127.0.0.1:8082/metrics",
      "http://127.0.0.1:8083/metrics",
      /traefik:8083, where nothing listens/,
    ],
    [
      "a network that is not there",
      "networks: [app, data, outside]",
      "networks: [app, date, outside]",
      /date, which is not among the networks/,
    ],
    [
      "a mounted file that does not exist",
      "./deploy/nginx/cdn.conf",
      "./deploy/nginx/cnd.conf",
      /cnd.conf, which does not exist/,
    ],
    ["a service that keeps rights of root", "  cap_drop: [ALL]\n", "", /keeps capabilities/],
    ["a log without end", "max-size: 20m", "size: 20m", /log without end/],
  ])(
    "%s is found",
    async (_, from, to, sentence) => {
      expect((await broken(from, to)).join("\n")).toMatch(sentence);
    },
    60_000,
  );

  test("a service without limits, health check and restart is told three times", async () => {
    const problems = await broken("services:\n", "services:\n  lonely: { image: 'busybox:1.37.0' }\n");
    for (const what of [
      /lonely has no limits/,
      /lonely has no health check/,
      /lonely does not say what happens/,
    ])
      expect(problems.join("\n")).toMatch(what);
  }, 60_000);
});
