/** What is promised (docs/slo.md) and what was kept. */
import type { DashboardBuilder } from "@grafana/grafana-foundation-sdk/dashboard";
import { dashboard, graph, number, row } from "./panels.ts";

const OBJECTIVES = [
  ["availability", "Available", "AvailabilityBudgetBurn"],
  ["availability-low", "Available, low priority", "AvailabilityBudgetBurn"],
  ["latency-high", "Fast, high priority", "LatencyBudgetBurn"],
  ["latency-normal", "Fast, normal priority", "LatencyBudgetBurn"],
  ["messages", "Messages in time", "MessagesBudgetBurn"],
] as const;

export function objectives(): DashboardBuilder {
  const made = dashboard(
    "slo",
    "Objectives",
    "What is promised and what was kept, over 30 days (docs/slo.md).",
  )
    .time({ from: "now-7d", to: "now" })
    .withRow(row("Budget of errors that is left"));
  for (const [slo, title, runbook] of OBJECTIVES)
    made.withPanel(
      number(title, `club_alliance:slo_budget:remaining{slo="${slo}"}`, {
        unit: "percentunit",
        limits: [0.5, 0],
        falling: true,
        runbook,
      }),
    );
  return made
    .withRow(row("How fast it is used up"))
    .withPanel(burn("1h", 14.4))
    .withPanel(burn("6h", 6))
    .withPanel(burn("3d", 1))
    .withRow(row("Over time"))
    .withPanel(
      graph("Budget that is left", [["club_alliance:slo_budget:remaining", "{{slo}}"]], {
        unit: "percentunit",
        width: 24,
      }).min(-1),
    );
}

/** At 1 the budget lasts exactly 30 days. */
function burn(window: string, alert: number): ReturnType<typeof graph> {
  return graph(
    `Within ${window}`,
    [[`club_alliance:slo_errors:ratio_rate${window} / (1 - club_alliance:slo_objective)`, "{{slo}}"]],
    { limits: [1, alert], description: `1: the budget lasts 30 days. From ${alert} on there is an alert.` },
  );
}
