/** One metric of Prometheus's text format. */
export interface Family {
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** By name and labels in order of labels: `x_total{kind="a",outcome="b"}`. */
  readonly samples: ReadonlyMap<string, number>;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = String.raw`([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"`;
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)\\})? (\\S+)$`);

/**
 * Reads Prometheus's text format as strictly as its description has it: HELP, TYPE, then all samples of a metric
 * together; no line that is none of these, no series twice, histograms whole. Throws with the line otherwise.
 */
export function parseMetrics(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const families = new Map<string, { help: string; type: string; samples: Map<string, number> }>();
  let present = '';
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '') continue;
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    const [, kind, name = '', rest = ''] = comment ?? [];
    if (kind === 'HELP') {
      if (families.has(name)) throw new Error(`twice: ${line}`);
      families.set(name, { help: rest, type: '', samples: new Map() });
      present = name;
    } else if (kind === 'TYPE') {
      const family = families.get(name);
      if (family === undefined || name !== present || family.type !== '')
        throw new Error(`misplaced: ${line}`);
      if (!['counter', 'gauge', 'histogram'].includes(rest)) throw new Error(`unknown type: ${line}`);
      family.type = rest;
    } else readSample(line, present, families.get(present));
  }
  for (const [name, family] of families)
    if (family.type === 'histogram') checkHistogram(name, family.samples);
  return families as Map<string, Family>;
}

function readSample(
  line: string,
  present: string,
  family: { type: string; samples: Map<string, number> } | undefined,
) {
  const match = SAMPLE.exec(line);
  if (match === null || family === undefined || family.type === '') throw new Error(`no sample: ${line}`);
  const [, name = '', labels = ''] = match;
  const value = Number(match.at(-1) === '+Inf' ? 'Infinity' : match.at(-1));
  const suffix = name.slice(present.length);
  const fits = family.type === 'histogram' ? ['_bucket', '_sum', '_count'].includes(suffix) : suffix === '';
  if (!name.startsWith(present) || !fits) throw new Error(`not of ${present}: ${line}`);
  if (Number.isNaN(value) || (family.type === 'counter' && value < 0)) throw new Error(`no value: ${line}`);
  const pairs = [...labels.matchAll(new RegExp(LABEL, 'g'))].map(([pair]) => pair).sort();
  const keys = pairs.map((pair) => pair.slice(0, pair.indexOf('=')));
  if (new Set(keys).size < keys.length) throw new Error(`a label twice: ${line}`);
  const series = pairs.length === 0 ? name : `${name}{${pairs.join(',')}}`;
  if (family.samples.has(series)) throw new Error(`a series twice: ${line}`);
  family.samples.set(series, value);
}

/** Buckets of each series grow, and the last one, +Inf, is its count. */
function checkHistogram(name: string, samples: ReadonlyMap<string, number>): void {
  const rows = new Map<string, [number, number][]>();
  for (const [series, value] of samples) {
    const bound = /(?<=[{,])le="([^"]+)",?/.exec(series);
    if (!series.startsWith(`${name}_bucket`) || bound === null) continue;
    const key = series
      .replace(bound[0], '')
      .replace(/,?\}$/, '}')
      .replace('{}', '')
      .replace('_bucket', '_count');
    rows.set(key, [...(rows.get(key) ?? []), [bound[1] === '+Inf' ? Infinity : Number(bound[1]), value]]);
  }
  for (const [series, buckets] of rows) {
    const sorted = [...buckets].sort(([a], [b]) => a - b);
    const grows = sorted.every(([, value], at) => at === 0 || value >= (sorted[at - 1]?.[1] ?? 0));
    const [last, count] = sorted.at(-1) ?? [];
    if (!grows || last !== Infinity || count !== samples.get(series)) throw new Error(`not whole: ${series}`);
    if (!samples.has(series.replace('_count', '_sum'))) throw new Error(`no sum: ${series}`);
  }
  const counted = [...samples.keys()].filter((series) => series.startsWith(`${name}_count`));
  if (counted.some((series) => !rows.has(series))) throw new Error(`no buckets: ${name}`);
}

/** What promtool would complain of. */
export function lintMetrics(families: ReadonlyMap<string, Family>): string[] {
  return [...families].flatMap(([name, { help, type, samples }]) => [
    ...(type === 'counter' && !name.endsWith('_total') ? [`${name}: a counter ends in _total`] : []),
    ...(type !== 'counter' && name.endsWith('_total') ? [`${name}: only counters end in _total`] : []),
    ...(type !== 'histogram' && /_(bucket|count|sum)$/.test(name)
      ? [`${name}: ends like part of a histogram`]
      : []),
    ...(/(duration|latency|lag|time|ttl|trusted)/.test(name) && !name.endsWith('_seconds')
      ? [`${name}: times are in seconds`]
      : []),
    ...(/_(milliseconds|ms|minutes|kilobytes|megabytes|percent)(_|$)/.test(name)
      ? [`${name}: not in base units`]
      : []),
    ...(/[A-Z]|^(gauge|counter|histogram)|_(gauge|counter|histogram)$/.test(name)
      ? [`${name}: a name of its kind`]
      : []),
    ...(help === '' ? [`${name}: no help`] : []),
    ...([...samples.keys()].length > 500 ? [`${name}: ${samples.size} series`] : []),
  ]);
}

/** The value of a series; 0 of one that has not been counted yet. Throws if there is no such metric. */
export function sample(families: ReadonlyMap<string, Family>, series: string): number {
  const name = series.replace(/\{.*/, '');
  const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ''));
  if (family === undefined) throw new Error(`no metric ${name}`);
  return family.samples.get(series) ?? 0;
}
