/** When many sign up at once for one activity (docs/sign-up.md). */
import type { DashboardBuilder } from "@grafana/grafana-foundation-sdk/dashboard";
import { dashboard, graph, number, row } from "./panels.ts";

const SIGN_UP = 'action="participations.join"';

export function signUp(): DashboardBuilder {
  return dashboard("sign-up", "Sign-up rush", "When many sign up at once for one activity.")
    .withRow(row("Now"))
    .withPanel(
      number("Sign-ups", `sum(club_alliance:action_calls:rate5m{${SIGN_UP}})`, { unit: "reqps", width: 6 }),
    )
    .withPanel(
      number("Slowest in a hundred", `max(club_alliance:action_duration_seconds:p99_5m{${SIGN_UP}})`, {
        unit: "s",
        limits: [0.5, 2],
        width: 6,
        runbook: "LatencyBudgetBurn",
      }),
    )
    .withPanel(
      number("People in rosters", "sum(club_alliance_rosters_people)", {
        width: 6,
        description: "Held in the memory of the nodes of activities.",
      }),
    )
    .withPanel(
      number("Refused for overload", "sum(rate(club_alliance_http_shed_total[5m]))", {
        unit: "reqps",
        limits: [0.1, 1],
        width: 6,
        runbook: "Shedding",
      }),
    )
    .withRow(row("Sign-ups"))
    .withPanel(
      graph(
        "By result",
        [[`sum by (result) (rate(club_alliance_action_calls_total{${SIGN_UP}}[1m]))`, "{{result}}"]],
        {
          unit: "reqps",
          width: 12,
          description: "Refused: full, closed, signed up already.",
        },
      ),
    )
    .withPanel(
      graph(
        "Duration",
        [
          [
            `histogram_quantile(0.5, sum by (le) (rate(club_alliance_action_duration_seconds_bucket{${SIGN_UP}}[1m])))`,
            "half are slower than",
          ],
          [
            `histogram_quantile(0.99, sum by (le) (rate(club_alliance_action_duration_seconds_bucket{${SIGN_UP}}[1m])))`,
            "one in a hundred is slower than",
          ],
        ],
        { unit: "s", limits: [0.5, 2], width: 12, runbook: "LatencyBudgetBurn" },
      ),
    )
    .withRow(row("Where it may stand still"))
    .withPanel(
      graph(
        "Event loops of activities and gateways",
        [
          [
            'max by (domain, instance) (nodejs_eventloop_lag_p99_seconds{domain=~"activities|gateway"})',
            "{{domain}}, {{instance}}",
          ],
        ],
        { unit: "s", limits: [0.1, 0.2], runbook: "EventLoopLag" },
      ),
    )
    .withPanel(
      graph("In flight and waiting", [
        ['sum(club_alliance_http_in_flight{gateway="public"})', "requests at the gateways"],
        ['sum(club_alliance_actions_in_flight{domain="activities"})', "calls of activities"],
        ['sum(club_alliance_bulkhead_waiting{domain="activities"})', "calls that wait"],
      ]),
    )
    .withPanel(
      graph(
        "The store of activities",
        [['max(club_alliance_store_response_seconds{store="activities"})', "answers after"]],
        { unit: "s", limits: [0.1, 0.5], runbook: "StoreDown" },
      ),
    );
}
