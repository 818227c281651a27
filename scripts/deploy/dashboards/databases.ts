/** What the nodes lean on: as they see it, and as the servers tell it themselves. */
import type { DashboardBuilder } from "@grafana/grafana-foundation-sdk/dashboard";
import { dashboard, graph, row, table } from "./panels.ts";

export function databases(): DashboardBuilder {
  return dashboard("databases", "Databases", "Stores as the nodes see them, and as they see themselves.")
    .withRow(row("As the nodes see them"))
    .withPanel(
      table("Reachable", "min by (store, kind) (club_alliance_store_up)", {
        limits: [1, 0],
        falling: true,
        runbook: "StoreDown",
      }),
    )
    .withPanel(
      graph("Answer after", [["max by (store) (club_alliance_store_response_seconds)", "{{store}}"]], {
        unit: "s",
        limits: [0.1, 0.5],
        runbook: "StoreDown",
      }),
    )
    .withPanel(
      graph("Replicas are behind by", [["max by (store) (club_alliance_replica_lag_seconds)", "{{store}}"]], {
        unit: "s",
        limits: [5, 10],
        runbook: "ReplicaLag",
      }),
    )
    .withPanel(
      graph(
        "Connections in use",
        [["max by (domain, store) (club_alliance:pool_use:ratio)", "{{domain}}, {{store}}"]],
        {
          unit: "percentunit",
          max: 1,
          limits: [0.8, 1],
          runbook: "PoolExhausted",
          description: "Of those that a node may have; the fullest node.",
        },
      ),
    )
    .withPanel(
      graph(
        "Waiting for a connection",
        [["sum by (domain, store) (club_alliance_pool_waiting)", "{{domain}}, {{store}}"]],
        {
          limits: [1, 10],
          runbook: "PoolExhausted",
        },
      ),
    )
    .withPanel(
      table("Last backup", "time() - max by (store) (club_alliance_backup_success_timestamp_seconds)", {
        unit: "s",
        limits: [86_400, 93_600],
        runbook: "BackupMissing",
      }),
    )
    .withRow(row("SQL"))
    .withPanel(
      graph(
        "MySQL: connections",
        [
          ["mysql_global_status_threads_connected", "{{instance}}"],
          ["mysql_global_variables_max_connections", "limit, {{instance}}"],
        ],
        { description: "Of clubs, applications, files, admin." },
      ),
    )
    .withPanel(
      graph("TiDB: connections", [["sum by (instance) (tidb_server_connections)", "{{instance}}"]], {
        description: "Of users.",
      }),
    )
    .withPanel(
      graph(
        "TiKV: stores that are up",
        [
          ['max(pd_cluster_status{type="store_up_count"})', "up"],
          ['max(pd_cluster_status{type="store_down_count"})', "down"],
        ],
        { description: "Three, and none down.", runbook: "StoreDown" },
      ),
    )
    .withRow(row("Documents, cache, search, bus"))
    .withPanel(
      graph("MongoDB: connections", [
        ['sum by (instance) (mongodb_ss_connections{conn_type="current"})', "{{instance}}"],
      ]),
    )
    .withPanel(
      graph("Redis: memory", [["redis_memory_used_bytes", "{{instance}}"]], {
        unit: "bytes",
      }),
    )
    .withPanel(
      graph("Elasticsearch: heap", [['elasticsearch_jvm_memory_used_bytes{area="heap"}', "{{name}}"]], {
        unit: "bytes",
      }),
    )
    .withPanel(
      graph("NATS: clients", [["gnatsd_varz_connections", "{{server_id}}"]], {
        description: "Each node has one connection, with a queue two.",
      }),
    )
    .withPanel(
      graph("NATS: clients that were too slow", [["gnatsd_varz_slow_consumers", "{{server_id}}"]], {
        limits: [1, 10],
        description: "Cut off by the server; they come back by themselves.",
      }),
    )
    .withPanel(
      table("Elasticsearch: state", "elasticsearch_cluster_health_status == 1", {
        description: "Green, or yellow while a replica is away.",
      }),
    );
}
