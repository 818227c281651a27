/** Messages between the domains, and sagas. */
import type { DashboardBuilder } from "@grafana/grafana-foundation-sdk/dashboard";
import { dashboard, graph, number, row } from "./panels.ts";

export function queues(): DashboardBuilder {
  return dashboard(
    "queues",
    "Queues and sagas",
    "Messages on their way, what was given up, what is half done.",
  )
    .withRow(row("Now"))
    .withPanel(
      number("Oldest message", "max(club_alliance_outbox_oldest_seconds)", {
        unit: "s",
        limits: [60, 600],
        runbook: "OutboxStuck",
      }),
    )
    .withPanel(
      number("Dead letters", "sum(max by (domain) (club_alliance_dead_letters))", {
        limits: [1, 10],
        runbook: "DeadLetters",
      }),
    )
    .withPanel(
      number("Open sagas", "sum(max by (saga, state) (club_alliance_sagas_open)) or vector(0)", {
        limits: [10, 100],
      }),
    )
    .withPanel(
      number("Oldest saga", "max(club_alliance_sagas_oldest_seconds)", {
        unit: "s",
        limits: [60, 600],
        runbook: "SagaStuck",
      }),
    )
    .withPanel(
      number("Audit checkpoint", "min(club_alliance_audit_checkpoint_age_seconds)", {
        unit: "s",
        limits: [5_400, 7_200],
        runbook: "AuditCheckpointOld",
      }),
    )
    .withPanel(
      number("Imports at work", "sum(club_alliance_import_running)", {
        description: "Not a fault; they make load.",
      }),
    )
    .withRow(row("Outboxes and queues"))
    .withPanel(
      graph("Waiting in the outbox", [["max by (domain) (club_alliance_outbox_waiting)", "{{domain}}"]], {
        limits: [1_000, 10_000],
        runbook: "OutboxStuck",
      }),
    )
    .withPanel(
      graph(
        "Oldest in the outbox",
        [["max by (domain) (club_alliance_outbox_oldest_seconds)", "{{domain}}"]],
        {
          unit: "s",
          limits: [60, 600],
          runbook: "MessagesBudgetBurn",
        },
      ),
    )
    .withPanel(
      graph("Waiting for a service", [["max by (service) (club_alliance_queue_waiting)", "{{service}}"]], {
        limits: [1_000, 10_000],
        runbook: "QueueBacklog",
      }),
    )
    .withPanel(
      graph("Dead letters", [["max by (domain) (club_alliance_dead_letters)", "{{domain}}"]], {
        limits: [1, 10],
        runbook: "DeadLetters",
      }),
    )
    .withPanel(
      graph(
        "In JetStream",
        [["sum by (consumer_name) (jetstream_consumer_num_pending)", "{{consumer_name}}"]],
        {
          description: "As NATS itself says.",
          runbook: "QueueBacklog",
        },
      ),
    )
    .withPanel(
      graph(
        "Reminders that came too late",
        [["sum(increase(club_alliance_reminders_dropped_total[$__rate_interval]))", "dropped"]],
        {
          description: "Dropped, since they were of no more use.",
        },
      ),
    )
    .withRow(row("Sagas"))
    .withPanel(
      graph("Open", [["max by (saga, state) (club_alliance_sagas_open)", "{{saga}}, {{state}}"]], {
        width: 12,
        runbook: "SagaStuck",
      }),
    )
    .withPanel(
      graph("Oldest", [["max by (saga) (club_alliance_sagas_oldest_seconds)", "{{saga}}"]], {
        unit: "s",
        limits: [60, 600],
        width: 12,
        runbook: "SagaStuck",
      }),
    );
}
