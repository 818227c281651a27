/**
 * From students to requests to machines. What is measured comes in (measured.json, docs/performance.md); what is assumed
 * stands here, each with its reason.
 */
export type Route =
  | "register"
  | "login"
  | "club"
  | "clubs"
  | "me"
  | "notifications"
  | "activities"
  | "feed"
  | "search"
  | "signUp"
  | "post"
  | "comment";
export type Change = "register" | "login" | "signUp" | "post" | "comment";

/** As bench/capacity/measure.ts measures it: the whole federation in one process, on embedded stores. */
export interface Measured {
  /** Where, and where the figures come from: a clause. */
  machine: string;
  /** Of one request, with all that follows from it (audit, notices, index). */
  cpuMicroseconds: Record<Route, number>;
  /** By which the data folder grows with each. */
  bytes: Record<Change, number>;
  kilobytesPerStream: number;
}

export const SIZES = [50_000, 500_000, 5_000_000] as const;

/** Assumed: nobody has counted a campus yet. */
export const ASSUMED = {
  /** Of the students, who come on an ordinary day of the term. */
  activeShare: 0.3,
  /** Each of them. */
  requestsADay: 40,
  /** Of the day's requests, those of the evening hour; and its busiest minute against its average. */
  busyHourShare: 0.25,
  peakInHour: 3,
  /** The fair: 20,000 sign-ups for 50,000 students, half of them in the first two minutes. */
  fairSignUps: 0.4,
  fairFirstShare: 0.5,
  fairFirstSeconds: 120,
  /** Requests until one is decided: measured with 20,000 at once (docs/performance.md), where most are told to come again. */
  requestsPerSignUp: 2.3,
  /** Of the sign-ups, those for the most wanted activity. */
  hottestShare: 0.1,
  /** Of the students, with a stream open at the peak. */
  streamShare: 0.05,
  /** Of each student in a year. */
  aYear: { register: 0.25, login: 60, signUp: 12, post: 1, comment: 5 } satisfies Record<Change, number>,
  /** Copies of what is stored, and its indices and room to spare, against the embedded files. */
  copies: 3,
  indices: 2,
  /** Of a core that may be used before waiting grows. */
  usable: 0.6,
  /** A pod's limit. */
  coresPerNode: 0.5,
  fewest: 3,
  connectionsPerNode: 20,
} as const;

/** Share of each route in an ordinary hour. Most of it is reading. */
const MIX: Record<Route, number> = {
  register: 0.002,
  login: 0.02,
  club: 0.15,
  clubs: 0.1,
  me: 0.1,
  notifications: 0.15,
  activities: 0.15,
  feed: 0.24,
  search: 0.05,
  signUp: 0.01,
  post: 0.006,
  comment: 0.022,
};
const DOMAIN: Record<Route, string> = {
  register: "users",
  login: "users",
  me: "users",
  club: "clubs",
  clubs: "clubs",
  notifications: "notifications",
  activities: "activities",
  signUp: "activities",
  feed: "posts",
  post: "posts",
  comment: "posts",
  search: "search",
};
const QUIET = ["applications", "files", "admin"];
/** Microseconds, measured by `npm run bench -- gateway`: in a process of its own; as a part of one process; the bus. */
const GATEWAY = 95;
const GATEWAY_WITHIN = 66;
const SERVICE_BUS = 42;
const NATS = 11;

export interface Part {
  name: string;
  need: number;
  limit: number;
  unit: string;
  /** Where the limit comes from. */
  from: string;
}
export interface Plan {
  students: number;
  /** Requests a second: the evening's busiest minute, and the fair's first two. */
  peak: number;
  fair: number;
  nodes: { domain: string; cores: number; nodes: number }[];
  streams: number;
  streamMegabytes: number;
  natsCores: number;
  gigabytesAYear: number;
  /** The first to give way first. */
  parts: Part[];
}

/** What so many students need. */
export function planFor(students: number, measured: Measured): Plan {
  const a = ASSUMED;
  const peak = (students * a.activeShare * a.requestsADay * a.busyHourShare * a.peakInHour) / 3_600;
  const decisions = (students * a.fairSignUps * a.fairFirstShare) / a.fairFirstSeconds;
  const fair = decisions * a.requestsPerSignUp;
  const routes = Object.keys(MIX) as Route[];
  // At the fair the ordinary peak goes on beside it.
  const rate = (route: Route): number => peak * MIX[route] + (route === "signUp" ? fair : 0);
  const total = peak + fair;
  const microseconds = new Map<string, number>([["gateway", total * GATEWAY]]);
  for (const route of routes) {
    const each = Math.max(measured.cpuMicroseconds[route] - GATEWAY_WITHIN, 0) + SERVICE_BUS;
    microseconds.set(DOMAIN[route], (microseconds.get(DOMAIN[route]) ?? 0) + rate(route) * each);
  }
  for (const domain of QUIET) microseconds.set(domain, 0);
  const nodes = [...microseconds].map(([domain, used]) => {
    const cores = used / 1e6;
    return { domain, cores, nodes: Math.max(a.fewest, Math.ceil(cores / a.usable / a.coresPerNode)) };
  });
  const all = nodes.reduce((sum, each) => sum + each.nodes, 0);
  const changes = Object.keys(a.aYear) as Change[];
  const bytes = changes.reduce((sum, change) => sum + a.aYear[change] * measured.bytes[change], 0);
  const streams = students * a.streamShare;
  return {
    students,
    peak,
    fair,
    nodes,
    streams,
    streamMegabytes: (streams * measured.kilobytesPerStream) / 1_024,
    natsCores: (total * NATS) / 1e6,
    gigabytesAYear: (students * bytes * a.indices * a.copies) / 1e9,
    parts: partsOf(students, { peak, decisions, total, all, nodes }),
  };
}

function partsOf(
  students: number,
  of: { peak: number; decisions: number; total: number; all: number; nodes: Plan["nodes"] },
): Part[] {
  const ofClubs = of.nodes.find(({ domain }) => domain === "clubs")?.nodes ?? 0;
  const parts: Part[] = [
    {
      name: "the most wanted activity",
      need: of.decisions * ASSUMED.hottestShare,
      limit: 1_000,
      unit: "decisions a second",
      from: "measured: one node decides for one activity; beyond it people wait longer, and none is lost",
    },
    {
      name: "search on one Elasticsearch node",
      need: of.peak * MIX.search,
      limit: 50,
      unit: "queries a second",
      from: "measured: 500,000 posts, p95 109 ms; more nodes and replicas raise it",
    },
    {
      name: "a document store's primary (activities)",
      need: of.decisions,
      limit: 8_300,
      unit: "decisions a second",
      from: "measured with an imitation of MongoDB; beyond it the collection is sharded by activity",
    },
    {
      name: "connections to the primary of clubs",
      need: ofClubs * ASSUMED.connectionsPerNode,
      limit: 1_000,
      unit: "connections",
      from: "assumed: max_connections; a proxy (ProxySQL) shares them",
    },
    {
      name: "NATS, one server's core",
      need: of.total,
      limit: 1e6 / NATS,
      unit: "requests a second",
      from: "measured: 11 µs a request; three servers share it",
    },
    {
      name: "the mesh of nodes",
      need: of.all,
      limit: 300,
      unit: "nodes",
      from: "extrapolated: each node hears a heartbeat a second of each other; beyond it a federation is split by campus",
    },
    {
      name: "one SQL server for users",
      need: students * 0.25,
      limit: 2_000_000,
      unit: "rows changed in the busiest month",
      from: "assumed: beyond it users are on TiDB",
    },
  ];
  return parts.toSorted((one, other) => other.need / other.limit - one.need / one.limit);
}
