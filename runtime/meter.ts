/**
 * Seam: what a process says about itself in numbers. Loops and adapters count what came of things; decisions count
 * nothing.
 *
 * - Names are Prometheus's: durations in seconds, sizes in bytes, counters end in `_total` (fleet's own names excepted).
 * - A label takes its values from a closed set: never a unit, a machine or anything else that somebody sends, or the
 *   number of time series grows without bound.
 * - A name is given out once; a second time throws.
 */
export interface Meter {
  /** Grows by 1, or by as much as is said (0 makes a series appear before anything happened). */
  counter<const Label extends string = never>(metric: Metric<Label>): Count<Label>;
  /** Counts values by size. `buckets`: upper bounds, rising. */
  histogram<const Label extends string = never>(
    metric: Metric<Label> & { readonly buckets: readonly number[] },
  ): Observe<Label>;
  /** Looked at whenever somebody asks for the numbers; must neither wait nor throw. What is not read then is not told; without labels it is 0. */
  reading<const Label extends string = never>(
    kind: 'gauge' | 'counter',
    metric: Metric<Label>,
    look: () => readonly Reading<Label>[],
  ): void;
  /** All of it, in Prometheus's text format. */
  text(): Promise<string>;
}

export interface Metric<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly Label[];
  /** What several processes of one program tell together; `sum` if it is not said. */
  readonly together?: 'sum' | 'min';
}

export type Labels<Label extends string> = Readonly<Record<Label, string>>;
export type Count<Label extends string> = (labels: Labels<Label>, by?: number) => void;
export type Observe<Label extends string> = (labels: Labels<Label>, value: number) => void;

export interface Reading<Label extends string> {
  readonly labels: Labels<Label>;
  readonly value: number;
}

/** Of what takes milliseconds: a call, a request. */
export const CALL_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
/** Of what may take a minute: a start, a placement that waits for a machine. */
export const TASK_SECONDS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** For who does not want to know. */
export const silentMeter: Meter = {
  counter: () => () => undefined,
  histogram: () => () => undefined,
  reading: () => undefined,
  text: async () => '',
};
