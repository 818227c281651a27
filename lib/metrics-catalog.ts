/** Every metric of the project's own: what docs/metrics.md tells of them, and what dashboards and alerts may name. */

export interface Metric {
  type: "counter" | "gauge" | "histogram";
  labels: readonly string[];
  help: string;
  /** Whose registry has it. */
  by: string;
  /** Of a histogram: upper bounds in seconds. */
  buckets?: readonly number[];
}

const ALL = "every node";
const GATEWAYS = "gateways";
const TELLERS = "nodes of a domain that tells others";
const ADMIN = "nodes of admin";
/** Pushed, and not asked for: a backup is no node. */
export const BACKUPS = "backup jobs, through the Pushgateway";

const HTTP_SECONDS = [0.005, 0.02, 0.1, 0.25, 0.5, 1, 2.5, 10];
const ACTION_SECONDS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10];

export const METRICS = {
  club_alliance_http_requests_total: {
    type: "counter",
    labels: ["gateway", "route", "priority", "status"],
    help: "Requests by gateway (public, admin), template of the route, priority (high, normal, low) and class of status; unknown routes are of low priority",
    by: GATEWAYS,
  },
  club_alliance_http_request_duration_seconds: {
    type: "histogram",
    labels: ["gateway", "route", "priority"],
    help: "From the head of a request until it is answered; of a stream until it begins",
    by: GATEWAYS,
    buckets: HTTP_SECONDS,
  },
  club_alliance_http_in_flight: {
    type: "gauge",
    labels: ["gateway"],
    help: "Requests that are not answered yet, without open streams",
    by: GATEWAYS,
  },
  club_alliance_http_shed_total: {
    type: "counter",
    labels: ["gateway", "priority"],
    help: "Requests that were refused for overload (503), by their priority",
    by: GATEWAYS,
  },
  club_alliance_http_limited_total: {
    type: "counter",
    labels: ["gateway", "limit"],
    help: "Requests beyond a limit a minute (429): anonymous and auth by address, user by user",
    by: GATEWAYS,
  },
  club_alliance_streams_open: {
    type: "gauge",
    labels: [],
    help: "Streams of notifications that are open",
    by: "public gateways",
  },
  club_alliance_action_calls_total: {
    type: "counter",
    labels: ["action", "result"],
    help: "Calls of an action on this node, by result (ok, refused, failed)",
    by: ALL,
  },
  club_alliance_action_duration_seconds: {
    type: "histogram",
    labels: ["action"],
    help: "Duration of an action on this node",
    by: ALL,
    buckets: ACTION_SECONDS,
  },
  club_alliance_actions_in_flight: {
    type: "gauge",
    labels: [],
    help: "Calls of this node's actions that are not answered yet, those that wait included",
    by: ALL,
  },
  club_alliance_bulkhead_waiting: {
    type: "gauge",
    labels: [],
    help: "Calls of this node's actions that wait since too many of the same action are at work",
    by: ALL,
  },
  club_alliance_unexpected_errors_total: {
    type: "counter",
    labels: ["action"],
    help: "Errors that nobody expected, by the action, or the gateway's route, that threw them",
    by: ALL,
  },
  club_alliance_build_info: {
    type: "gauge",
    labels: ["version", "domains", "node"],
    help: "Always 1: which version runs which domains, and the node's id",
    by: ALL,
  },
  club_alliance_ready: {
    type: "gauge",
    labels: [],
    help: "Whether the node is ready (1) or not (0), as /health/ready says",
    by: ALL,
  },
  club_alliance_draining: {
    type: "gauge",
    labels: [],
    help: "Whether the node takes no more work (1): it is drained, or told to stop",
    by: ALL,
  },
  club_alliance_cluster_nodes: {
    type: "gauge",
    labels: [],
    help: "Nodes with services that this node knows, itself included; drained ones and operators' prompts are not counted",
    by: ALL,
  },
  club_alliance_services_missing: {
    type: "gauge",
    labels: [],
    help: "Services of the federation that no node runs that this node knows",
    by: ALL,
  },
  club_alliance_circuits: {
    type: "gauge",
    labels: ["state"],
    help: "Actions of other nodes, or its own, that this node does not call (open) or tries with a single call (half-open)",
    by: ALL,
  },
  club_alliance_store_up: {
    type: "gauge",
    labels: ["store", "kind"],
    help: "Whether a store that this node leans on answers it within 600 ms (1); a replica is named DOMAIN@HOST:PORT",
    by: ALL,
  },
  club_alliance_store_response_seconds: {
    type: "gauge",
    labels: ["store", "kind"],
    help: "How long a store took to answer when it was last looked at; left out while it does not",
    by: ALL,
  },
  club_alliance_replica_lag_seconds: {
    type: "gauge",
    labels: ["store"],
    help: "How far a read replica is behind its primary; left out while it does not answer",
    by: "nodes of clubs with CLUBS_DB_READ_URLS",
  },
  club_alliance_pool_connections: {
    type: "gauge",
    labels: ["store", "state"],
    help: "Connections to a database, in use and idle; embedded: the one that writes",
    by: "nodes with a database",
  },
  club_alliance_pool_limit: {
    type: "gauge",
    labels: ["store"],
    help: "The most connections to a database that this node may have",
    by: "nodes with a database",
  },
  club_alliance_pool_waiting: {
    type: "gauge",
    labels: ["store"],
    help: "Who waits for a free connection to a database; embedded: for a turn to write",
    by: "nodes with a database",
  },
  club_alliance_queue_waiting: {
    type: "gauge",
    labels: ["service"],
    help: "Messages in the queue that wait for a service, or are in work",
    by: "nodes with consumers, with QUEUE_URL",
  },
  club_alliance_outbox_waiting: {
    type: "gauge",
    labels: ["domain"],
    help: "Messages that are not with the queue, or all of their consumers, yet; every node of a domain tells the same",
    by: TELLERS,
  },
  club_alliance_outbox_oldest_seconds: {
    type: "gauge",
    labels: ["domain"],
    help: "Age of the oldest message in the outbox that no consumer has refused; 0 where none waits",
    by: TELLERS,
  },
  club_alliance_dead_letters: {
    type: "gauge",
    labels: ["domain"],
    help: "Messages that a consumer has refused too often, until an operator replays or drops them",
    by: TELLERS,
  },
  club_alliance_sagas_open: {
    type: "gauge",
    labels: ["saga", "state"],
    help: "Sagas that have not ended, going forward (running) or back (undoing)",
    by: "nodes of clubs",
  },
  club_alliance_sagas_oldest_seconds: {
    type: "gauge",
    labels: ["saga"],
    help: "Age of the oldest saga that has not ended; 0 where there is none",
    by: "nodes of clubs",
  },
  club_alliance_rosters_people: {
    type: "gauge",
    labels: [],
    help: "People in the rosters that this node holds in memory",
    by: "nodes of activities",
  },
  club_alliance_reminders_dropped_total: {
    type: "counter",
    labels: [],
    help: "Reminders that came too late to be of use",
    by: "nodes of activities",
  },
  club_alliance_audit_checkpoint_age_seconds: {
    type: "gauge",
    labels: [],
    help: "Since the last signed checkpoint of the audit log, which is made every hour; left out before the first",
    by: ADMIN,
  },
  club_alliance_import_running: {
    type: "gauge",
    labels: [],
    help: "Imports that this node works at",
    by: ADMIN,
  },
  club_alliance_backup_success_timestamp_seconds: {
    type: "gauge",
    labels: ["store"],
    help: "When the last backup of a store succeeded, in seconds since 1970",
    by: BACKUPS,
  },
  club_alliance_backup_bytes: {
    type: "gauge",
    labels: ["store"],
    help: "Size of the last backup of a store",
    by: BACKUPS,
  },
} as const satisfies Record<`club_alliance_${string}`, Metric>;

export type MetricName = keyof typeof METRICS;
