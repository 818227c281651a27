/**
 * The tests run in three set-ups (see test/support/place.ts): all of them embedded, the heaviest one after another; those
 * of the domains' HTTP once more with the gateway in a process of its own, and once more on real servers.
 */
import { missing, remedy } from "./test/support/servers/found.ts";

const common = {
  testEnvironment: "node",
  setupFiles: ["<rootDir>/test/support/properties.ts"],
  extensionsToTreatAsEsm: [".ts"],
  transform: {
    "\\.ts$": [
      "@swc/jest",
      { jsc: { target: "es2024", parser: { syntax: "typescript" } }, module: { type: "es6" } },
    ],
  },
  modulePathIgnorePatterns: ["<rootDir>/data/", "<rootDir>/bench/node_modules/"],
};

const integration = (name) => `<rootDir>/test/integration/${name}.test.ts`;

/** What is tested in each set-up. Not those that start processes of their own, or look at how a node is embedded. */
const everywhere = [
  "access-matrix",
  "activities",
  "activities-cancelling",
  "activities-changes",
  "activities-lists",
  "activities-told",
  "admin-auth",
  "admin-gateway",
  "admin-totp",
  "announcements",
  "audit",
  "applications",
  "applications-decisions",
  "applications-erasure",
  "applications-messages",
  "calendar",
  "calendar-feeds",
  "check-in",
  "clubs",
  "clubs-federation",
  "clubs-founding",
  "clubs-members",
  "clubs-people",
  "files",
  "files-claims",
  "imports",
  "imports-again",
  "comments",
  "management",
  "moderation",
  "moderation-reports",
  "moderation-told",
  "moderation-words",
  "notifications",
  "participations",
  "participations-lists",
  "participations-waitlist",
  "preferences",
  "posts",
  "posts-held",
  "posts-hot",
  "posts-likes",
  "posts-lists",
  "posts-search",
  "posts-search-federation",
  "reminders",
  "reviews",
  "search",
  "set-up",
  "settings",
  "statistics-federation",
  "stream",
  "system",
  "told",
  "users",
  "users-accounts",
  "users-erasure",
  "users-lock",
  "users-passwords",
  "users-proving",
  "users-refresh",
  "users-search",
].map(integration);

/**
 * Of these, what is tried with embedded stores behind the bus too: identity, streams, answers and refusals of each domain.
 * The others meet the bus on the real servers.
 */
const onNodes = [
  "access-matrix",
  "activities",
  "clubs",
  "participations",
  "posts",
  "set-up",
  "stream",
  "told",
  "users",
].map(integration);

/** What loads both cores by itself, or is held to times: tried with nothing beside it. */
const alone = "/test/(cluster/[^/]+|rush/[^/]+|integration/storm|servers/(canary|rollout))\\.test\\.ts$";

/** The set-up with the servers it needs; where one is missing it is left out, or fails with REQUIRE_SERVERS=1. */
function on(displayName, servers, more = {}) {
  const absent = missing(servers);
  if (absent.length > 0 && process.env.REQUIRE_SERVERS !== "1") {
    process.stderr.write(`skipped: the set-up "${displayName}" (${remedy(absent)})\n`);
    return [];
  }
  const setupFiles = [...common.setupFiles, `<rootDir>/test/support/setups/${displayName}.ts`];
  return [{ ...common, displayName, testMatch: everywhere, setupFiles, ...more }];
}

export default {
  testTimeout: 60_000,
  maxWorkers: 2,
  // Modules of ended tests stay in a worker's memory.
  workerIdleMemoryLimit: "1.5GB",
  testSequencer: "<rootDir>/test/support/sequencer.cjs",
  projects: [
    { ...common, displayName: "alone", runner: "<rootDir>/test/support/alone.cjs", testRegex: alone },
    {
      ...common,
      displayName: "embedded",
      testMatch: ["<rootDir>/test/**/*.test.ts"],
      testPathIgnorePatterns: ["/node_modules/", alone],
    },
    ...on("nodes", ["nats"], { testMatch: onNodes }),
    ...on("servers", ["nats", "mariadb", "redis", "mongodb", "elasticsearch"], {
      globalSetup: "<rootDir>/test/support/setups/start-servers.mjs",
      globalTeardown: "<rootDir>/test/support/setups/stop-servers.mjs",
    }),
  ],
};
