/** Whether all is well, at a glance. */
import type { DashboardBuilder } from "@grafana/grafana-foundation-sdk/dashboard";
import { dashboard, graph, number, row, table } from "./panels.ts";

export function overview(): DashboardBuilder {
  return dashboard("overview", "Overview", "Whether all is well: alerts, objectives, traffic, nodes.")
    .withRow(row("Now"))
    .withPanel(
      number("Alerts", 'count(ALERTS{alertstate="firing",alertname!="Watchdog"}) or vector(0)', {
        limits: [1, 3],
        description: "Those that fire; Alertmanager says who was told.",
      }),
    )
    .withPanel(
      number("Requests", 'sum(club_alliance:http_requests:rate5m{gateway="public"})', {
        unit: "reqps",
      }),
    )
    .withPanel(
      number(
        "Failed",
        'sum(club_alliance:http_requests:rate5m{gateway="public",status="5xx"}) / sum(club_alliance:http_requests:rate5m{gateway="public"}) or vector(0)',
        { unit: "percentunit", limits: [0.001, 0.01], runbook: "AvailabilityBudgetBurn" },
      ),
    )
    .withPanel(
      number(
        "Slowest in a hundred",
        'max(club_alliance:http_request_duration_seconds:p99_5m{gateway="public",priority="high"})',
        { unit: "s", limits: [0.5, 1], runbook: "LatencyBudgetBurn", description: "Of high priority." },
      ),
    )
    .withPanel(
      number("Budget left", 'club_alliance:slo_budget:remaining{slo="availability"}', {
        unit: "percentunit",
        limits: [0.5, 0],
        falling: true,
        description: "Of what may fail in 30 days.",
      }),
    )
    .withPanel(
      number("Domains missing", "count(club_alliance:domains_missing:count) or vector(0)", {
        limits: [1, 1],
        runbook: "DomainMissing",
      }),
    )
    .withRow(row("The public gateway"))
    .withPanel(
      graph(
        "Requests by priority",
        [['sum by (priority) (club_alliance:http_requests:rate5m{gateway="public"})', "{{priority}}"]],
        {
          unit: "reqps",
        },
      ),
    )
    .withPanel(
      graph(
        "Failed, by priority",
        [['club_alliance:http_errors:ratio_rate5m{gateway="public"}', "{{priority}}"]],
        {
          unit: "percentunit",
          limits: [0.001, 0.01],
          runbook: "AvailabilityBudgetBurn",
        },
      ),
    )
    .withPanel(
      graph(
        "Duration, one in a hundred is slower",
        [['club_alliance:http_request_duration_seconds:p99_5m{gateway="public"}', "{{priority}}"]],
        { unit: "s", limits: [0.5, 1], runbook: "LatencyBudgetBurn" },
      ),
    )
    .withPanel(
      graph(
        "Refused for overload",
        [["sum by (priority) (rate(club_alliance_http_shed_total[$__rate_interval]))", "{{priority}}"]],
        { unit: "reqps", limits: [0.1, 1], runbook: "Shedding" },
      ),
    )
    .withPanel(
      graph(
        "Refused by a limit",
        [
          [
            "sum by (gateway, limit) (rate(club_alliance_http_limited_total[$__rate_interval]))",
            "{{gateway}} {{limit}}",
          ],
        ],
        { unit: "reqps" },
      ),
    )
    .withPanel(
      graph("In flight and streams", [
        ["sum by (gateway) (club_alliance_http_in_flight)", "in flight, {{gateway}}"],
        ["sum(club_alliance_streams_open)", "streams"],
      ]),
    )
    .withRow(row("Nodes"))
    .withPanel(
      graph("Nodes that answer", [["club_alliance:nodes_up:count", "{{domain}}"]], { runbook: "NodeDown" }),
    )
    .withPanel(
      graph(
        "Event loop, one turn in a hundred is later",
        [['max by (domain) (nodejs_eventloop_lag_p99_seconds{job="club-alliance"})', "{{domain}}"]],
        { unit: "s", limits: [0.1, 0.2], runbook: "EventLoopLag" },
      ),
    )
    .withPanel(
      graph(
        "Memory",
        [['max by (domain) (process_resident_memory_bytes{job="club-alliance"})', "{{domain}}"]],
        {
          unit: "bytes",
          runbook: "MemoryNearLimit",
        },
      ),
    )
    .withPanel(table("What runs", "sum by (domain, version, node) (club_alliance_build_info)", { width: 12 }))
    .withPanel(
      graph(
        "Errors that nobody expected",
        [
          [
            "sum by (action) (rate(club_alliance_unexpected_errors_total[$__rate_interval])) > 0",
            "{{action}}",
          ],
        ],
        { unit: "cps", width: 12, description: "What Sentry is told." },
      ),
    );
}
