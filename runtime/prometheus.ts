import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Meter, Metric } from './meter.js';

/** What `Meter.text` is, as a Content-Type. */
export const PROMETHEUS_TEXT = Registry.PROMETHEUS_CONTENT_TYPE;

/** The numbers of one process, or of one convoyd among several in a test. */
export function prometheusMeter(): Meter {
  const registry = new Registry();
  const declared = <Label extends string>({ name, help, labels = [] }: Metric<Label>) => ({
    ...{ name, help, labelNames: [...labels], registers: [registry] },
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
  };
}
