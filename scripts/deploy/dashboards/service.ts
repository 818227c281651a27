/** One domain: its actions, its nodes, what they lean on. */
import type { DashboardBuilder } from "@grafana/grafana-foundation-sdk/dashboard";
import { choice, dashboard, graph, row, table } from "./panels.ts";

const OF = 'domain=~"$domain"';

export function service(): DashboardBuilder {
  return dashboard("service", "Service", "One domain: what is asked of it, and how its nodes fare.")
    .withVariable(choice("domain", "Domain", "label_values(club_alliance_build_info, domain)"))
    .withRow(row("Actions"))
    .withPanel(
      graph("Calls", [[`sum by (action) (club_alliance:action_calls:rate5m{${OF}})`, "{{action}}"]], {
        unit: "reqps",
      }),
    )
    .withPanel(
      graph(
        "Failed",
        [[`sum by (action) (club_alliance:action_calls:rate5m{${OF},result="failed"}) > 0`, "{{action}}"]],
        {
          unit: "reqps",
          limits: [0.1, 1],
        },
      ),
    )
    .withPanel(
      graph(
        "Duration, one in a hundred is slower",
        [[`max by (action) (club_alliance:action_duration_seconds:p99_5m{${OF}})`, "{{action}}"]],
        { unit: "s", limits: [0.5, 2], runbook: "LatencyBudgetBurn" },
      ),
    )
    .withPanel(
      graph(
        "Refused",
        [[`sum by (action) (club_alliance:action_calls:rate5m{${OF},result="refused"}) > 0`, "{{action}}"]],
        {
          unit: "reqps",
          description: "Answers 4xx: not allowed, not found, not valid.",
        },
      ),
    )
    .withPanel(
      graph("In flight and waiting", [
        [`sum by (instance) (club_alliance_actions_in_flight{${OF}})`, "in flight, {{instance}}"],
        [`sum by (instance) (club_alliance_bulkhead_waiting{${OF}})`, "waiting, {{instance}}"],
      ]),
    )
    .withPanel(
      graph(
        "Not called",
        [
          [
            `sum by (instance, state) (club_alliance_circuits{job="club-alliance",${OF}})`,
            "{{state}}, {{instance}}",
          ],
        ],
        {
          limits: [1, 5],
          runbook: "CircuitOpen",
          description: "Actions that a node leaves alone since they have failed.",
        },
      ),
    )
    .withRow(row("Nodes"))
    .withPanel(
      graph("Processor", [[`club_alliance:cpu_use:rate5m{${OF}}`, "{{instance}}"]], {
        unit: "percentunit",
        limits: [0.7, 0.9],
        description: "Of one core.",
      }),
    )
    .withPanel(
      graph(
        "Memory",
        [
          [`process_resident_memory_bytes{${OF}}`, "resident, {{instance}}"],
          [`nodejs_heap_size_used_bytes{${OF}}`, "heap, {{instance}}"],
          ["club_alliance:memory_limit:bytes", "limit"],
        ],
        { unit: "bytes", runbook: "MemoryNearLimit" },
      ),
    )
    .withPanel(
      graph(
        "Event loop, one turn in a hundred is later",
        [[`nodejs_eventloop_lag_p99_seconds{${OF}}`, "{{instance}}"]],
        {
          unit: "s",
          limits: [0.1, 0.2],
          runbook: "EventLoopLag",
        },
      ),
    )
    .withPanel(
      graph(
        "Garbage collection",
        [
          [
            `sum by (instance) (rate(nodejs_gc_duration_seconds_sum{${OF}}[$__rate_interval]))`,
            "{{instance}}",
          ],
        ],
        {
          unit: "percentunit",
          limits: [0.05, 0.1],
          description: "Share of the time.",
        },
      ),
    )
    .withPanel(
      graph(
        "Stores answer after",
        [[`max by (store) (club_alliance_store_response_seconds{${OF}})`, "{{store}}"]],
        {
          unit: "s",
          limits: [0.1, 0.5],
          runbook: "StoreDown",
        },
      ),
    )
    .withPanel(
      table("Ready, draining", `sum by (instance, version, track) (club_alliance_ready{${OF}})`, {
        limits: [1, 0],
        falling: true,
        description: "1: ready. A node that drains is not.",
      }),
    );
}
