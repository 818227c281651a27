/** What a node's metrics say, as Prometheus reads them. */
import type { ServiceBroker } from "moleculer";
import { runtimeOf } from "../../mixins/runtime.ts";
import type { Runtime } from "../../mixins/runtime.ts";

type Labels = Record<string, string>;

export interface Sample {
  name: string;
  labels: Labels;
  value: number;
}

export class Samples {
  readonly text: string;
  readonly all: Sample[];

  constructor(text: string) {
    this.text = text;
    this.all = text.split("\n").flatMap(sampleOf);
  }

  /** Those of a name that have these labels, whatever others they have. */
  of(name: string, labels: Labels = {}): Sample[] {
    const wanted = Object.entries(labels);
    return this.all.filter(
      (sample) => sample.name === name && wanted.every(([key, value]) => sample.labels[key] === value),
    );
  }

  /** The value of the only one; undefined where there is none. */
  value(name: string, labels: Labels = {}): number | undefined {
    const found = this.of(name, labels);
    if (found.length > 1) throw new Error(`${name} has ${found.length} series of ${JSON.stringify(labels)}.`);
    return found[0]?.value;
  }
}

function sampleOf(line: string): Sample[] {
  const [, name, labels = "", value] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/i.exec(line) ?? [];
  if (name === undefined || value === undefined) return [];
  const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
  return [
    {
      name,
      labels: Object.fromEntries(pairs.map(([, key, text]) => [key as string, text as string])),
      value: Number(value),
    },
  ];
}

/** Asks a node for its metrics, over HTTP. */
export async function scrape(node: ServiceBroker | Runtime): Promise<Samples> {
  const { ports } = "ports" in node ? node : runtimeOf(node);
  const answer = await fetch(`http://127.0.0.1:${ports.get("health")}/metrics`);
  if (answer.status !== 200) throw new Error(`/metrics answers ${answer.status}: ${await answer.text()}`);
  return new Samples(await answer.text());
}
