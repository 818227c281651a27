/** What all dashboards are put together from, so that they look and read alike. */
import { VizLegendOptionsBuilder, VizTooltipOptionsBuilder } from "@grafana/grafana-foundation-sdk/common";
import {
  GraphDrawStyle,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  TooltipDisplayMode,
} from "@grafana/grafana-foundation-sdk/common";
import {
  DashboardBuilder,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { DataqueryBuilder, PromQueryFormat } from "@grafana/grafana-foundation-sdk/prometheus";
import { PanelBuilder as Stat } from "@grafana/grafana-foundation-sdk/stat";
import { PanelBuilder as Table } from "@grafana/grafana-foundation-sdk/table";
import { PanelBuilder as TimeSeries } from "@grafana/grafana-foundation-sdk/timeseries";

const SOURCE = { type: "prometheus", uid: "${datasource}" };
/** Of 24 columns. */
const WIDTH = 8;
const HEIGHT = 8;

/** A query and how its series are called. */
export type Query = readonly [expr: string, legend: string];

export interface Look {
  description?: string;
  /** Grafana's id of a unit: `s`, `reqps`, `percentunit`, `bytes`, `short`. */
  unit?: string;
  /** From where on a value is a warning, and where it is bad; with `falling` the other way round. */
  limits?: readonly [warning: number, bad: number];
  falling?: boolean;
  max?: number;
  width?: number;
  /** The alert whose page says what to do. */
  runbook?: string;
}

/** A dashboard of the folder, with what all have: the data source, links to the others, alerts as marks. */
export function dashboard(uid: string, title: string, description: string): DashboardBuilder {
  return new DashboardBuilder(title)
    .uid(`club-alliance-${uid}`)
    .description(description)
    .tags(["club-alliance"])
    .timezone("browser")
    .refresh("30s")
    .time({ from: "now-3h", to: "now" })
    .readonly()
    .link(
      new DashboardLinkBuilder("Dashboards")
        .type(DashboardLinkType.Dashboards)
        .tags(["club-alliance"])
        .keepTime(true)
        .asDropdown(true),
    )
    .withVariable(new DatasourceVariableBuilder("datasource").label("Prometheus").type("prometheus"));
}

/** A choice of values of a label. */
export function choice(name: string, label: string, query: string, several = true): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(label)
    .datasource(SOURCE)
    .query(query)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .multi(several)
    .includeAll(several);
}

export function row(title: string): RowBuilder {
  return new RowBuilder(title);
}

function queries(all: readonly Query[], instant = false): DataqueryBuilder[] {
  return all.map(([expr, legend], index) => {
    const query = new DataqueryBuilder()
      .refId(`Q${index + 1}`)
      .datasource(SOURCE)
      .expr(expr)
      .legendFormat(legend);
    return instant ? query.instant() : query.range();
  });
}

function thresholds({ limits, falling = false }: Look): ThresholdsConfigBuilder {
  const [warning, bad] = limits ?? [];
  const steps =
    warning === undefined || bad === undefined
      ? [{ value: null, color: "green" }]
      : falling
        ? [
            { value: null, color: "red" },
            { value: bad, color: "orange" },
            { value: warning, color: "green" },
          ]
        : [
            { value: null, color: "green" },
            { value: warning, color: "orange" },
            { value: bad, color: "red" },
          ];
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps);
}

function about({ description = "", runbook }: Look): string {
  return runbook ? `${description}\n\nWhat to do: docs/runbooks/${runbook}.md`.trim() : description;
}

/** Lines over time. */
export function graph(title: string, all: readonly Query[], look: Look = {}): TimeSeries {
  const panel = new TimeSeries()
    .title(title)
    .description(about(look))
    .datasource(SOURCE)
    .targets(queries(all))
    .unit(look.unit ?? "short")
    .min(0)
    .thresholds(thresholds(look))
    .height(HEIGHT)
    .span(look.width ?? WIDTH)
    .drawStyle(GraphDrawStyle.Line)
    .lineWidth(1)
    .fillOpacity(8)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.Table)
        .placement(LegendPlacement.Bottom)
        .showLegend(true)
        .calcs(["lastNotNull", "max"]),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi));
  return look.max === undefined ? panel : panel.max(look.max);
}

/** One number, coloured by what it means. */
export function number(title: string, query: string, look: Look = {}): Stat {
  return new Stat()
    .title(title)
    .description(about(look))
    .datasource(SOURCE)
    .targets(queries([[query, title]]))
    .unit(look.unit ?? "short")
    .thresholds(thresholds(look))
    .height(4)
    .span(look.width ?? 4)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(["lastNotNull"]));
}

/** What is now, a line for each series. */
export function table(title: string, query: string, look: Look = {}): Table {
  return new Table()
    .title(title)
    .description(about(look))
    .datasource(SOURCE)
    .targets(queries([[query, ""]], true).map((each) => each.format(PromQueryFormat.Table)))
    .unit(look.unit ?? "short")
    .thresholds(thresholds(look))
    .height(HEIGHT)
    .span(look.width ?? WIDTH);
}
