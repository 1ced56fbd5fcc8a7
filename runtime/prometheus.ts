import { AggregatorRegistry, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Meter, Metric } from './meter.js';

/** What `Meter.text` is, as a Content-Type. */
export const PROMETHEUS_TEXT = Registry.PROMETHEUS_CONTENT_TYPE;

/** All metrics of one process, in a form that a channel between processes carries. */
export type MetricFamilies = readonly object[];

export interface PrometheusMeter extends Meter {
  families(): Promise<MetricFamilies>;
}

/** The numbers of one process, or of one convoyd among several in a test. */
export function prometheusMeter(): PrometheusMeter {
  const registry = new Registry();
  const declared = <Label extends string>({ name, help, labels = [], together = 'sum' }: Metric<Label>) => ({
    ...{ name, help, labelNames: [...labels], registers: [registry], aggregator: together },
  });

  return {
    counter(metric) {
      const counter = new Counter(declared(metric));
      return (labels, by = 1) => counter.inc(labels, by);
    },
    histogram(metric) {
      const histogram = new Histogram({ ...declared(metric), buckets: [...metric.buckets] });
      return (labels, value) => histogram.observe(labels, value);
    },
    reading(kind, metric, look) {
      const Kind: typeof Gauge | typeof Counter = kind === 'counter' ? Counter : Gauge;
      new Kind({
        ...declared(metric),
        collect() {
          this.reset();
          for (const { labels, value } of look()) this.inc(labels, value);
        },
      });
    },
    text: () => registry.metrics(),
    families: () => registry.getMetricsAsJSON(),
  };
}

/** What several processes tell together, as one. */
export async function joinFamilies(parts: readonly MetricFamilies[]): Promise<MetricFamilies> {
  return AggregatorRegistry.aggregate([...parts]).getMetricsAsJSON();
}

/** In Prometheus's text format. */
export function familiesText(parts: readonly MetricFamilies[]): Promise<string> {
  return AggregatorRegistry.aggregate([...parts]).metrics();
}

/** What only grows: it stays true of a process that has ended. */
export function lastingFamilies(families: MetricFamilies): MetricFamilies {
  return families.filter((family) => 'type' in family && family.type !== 'gauge');
}
