import { AggregatorRegistry, Counter, Gauge, type Histogram, Registry } from 'prom-client';
import type { Meter, Metric } from './meter.js';
import { countSize, noSizes, type Sizes, seriesOf } from './series.js';

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
      const counts = seriesOf(metric.labels ?? [], () => ({ count: 0 }));
      new Counter({
        ...declared(metric),
        collect() {
          this.reset();
          for (const [labels, { count }] of counts.all) this.inc(labels, count);
        },
      });
      return (labels, by = 1) => {
        counts.of(labels).count += by;
      };
    },
    histogram(metric) {
      const { buckets, labels: names = [] } = metric;
      const sizes = seriesOf(names, () => noSizes(buckets));
      const { name, help } = metric;
      const get = async () => ({
        ...{ name, help, type: 'histogram', aggregator: 'sum' },
        values: sizes.all.flatMap(([labels, of]) => valuesOf(name, buckets, labels, of)),
      });
      // Whatever answers `get` is a metric to the registry.
      registry.registerMetric({ name, help, get } as unknown as Histogram);
      return (labels, value) => countSize(sizes.of(labels), buckets, value);
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

function valuesOf(
  name: string,
  buckets: readonly number[],
  labels: Readonly<Record<string, string>>,
  { counts, sum }: Sizes,
) {
  let count = 0;
  const rising = [...buckets, '+Inf'].map((le, index) => {
    count += counts[index] ?? 0;
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count };
  });
  return [
    ...rising,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ];
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
