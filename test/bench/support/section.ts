import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { type Figure, inWords, isMet, tableOf } from './figures.js';
import { stolenSeconds, watchForeign } from './processes.js';
import { inWordsOfReruns } from './steal.js';

const FILE = join(import.meta.dirname, '../../../BENCHMARKS.md');

/** How often each side is measured; fewer only to try a measurement out. */
export const RUNS = Number(process.env.BENCH_RUNS ?? 5);

export interface Measured {
  readonly figures: readonly Figure[];
  /** Below the table: how it was measured, versions and settings of the peers, where the time goes. */
  readonly notes?: readonly string[];
}

/**
 * Measures one table, prints it, and puts it into its section of BENCHMARKS.md, with the machine and with what else ran on
 * it meanwhile. The exit code is 1 if a figure misses its target.
 */
export async function section(name: string, measure: () => Promise<Measured>): Promise<void> {
  const foreignSeconds = watchForeign();
  const stolenBefore = stolenSeconds();
  const began = performance.now();
  const { figures, notes = [] } = await measure();
  const seconds = (performance.now() - began) / 1000;
  const foreign = foreignSeconds();
  const stolen = stolenSeconds() - stolenBefore;
  const text = [
    tableOf(figures),
    '',
    `${machine()}. ${new Date().toISOString().slice(0, 10)}, ${Math.round(seconds)} s in all; processes that were not ours used ${inWords(foreign / seconds)} cores meanwhile, other guests of the machine below ${inWords(stolen / seconds)}${inWordsOfReruns()}.`,
    ...notes.flatMap((note) => ['', note]),
  ].join('\n');
  console.log(text);
  const file = readFileSync(FILE, 'utf8');
  const [start, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [file.indexOf(start), file.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`BENCHMARKS.md has no section between ${start} and ${end}`);
  writeFileSync(FILE, `${file.slice(0, from + start.length)}\n${text}\n${file.slice(to)}`);
  if (!figures.every(isMet)) process.exitCode = 1;
}

function machine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  return `${cpus().length} cores (${model}), ${Math.round(totalmem() / 2 ** 30)} GB, Linux, Node ${process.version}`;
}
