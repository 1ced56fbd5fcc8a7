import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What V8 writes with `--cpu-prof`; times in µs of the steady clock.
 * https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile
 */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string };
    readonly children?: readonly number[];
  }[];
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** By the steady clock of all processes, in µs. */
export function steadyMicroseconds(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** Options of node that write a profile into a folder of its own. */
export function profilingTo(folder: string): readonly string[] {
  return ['--cpu-prof', '--cpu-prof-interval', '200', '--cpu-prof-dir', folder];
}

/**
 * ms of the main thread between two times, by the innermost of the functions that are named with a place, else by `rest`.
 * `folder`: has the one profile of a process that has ended.
 */
export function timeIn(
  folder: string,
  [from, to]: readonly [number, number],
  places: ReadonlyMap<string, string>,
  rest: string,
): ReadonlyMap<string, number> {
  const [file] = readdirSync(folder);
  const { nodes, startTime, samples, timeDeltas }: CpuProfile = JSON.parse(
    readFileSync(join(folder, file!), 'utf8'),
  );
  const names = new Map(nodes.map(({ id, callFrame }) => [id, callFrame.functionName]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const placeOf = (id: number | undefined): string =>
    id === undefined ? rest : (places.get(names.get(id)!) ?? placeOf(parents.get(id)));
  const times = new Map<string, number>();
  let at = startTime;
  for (const [i, sample] of samples.entries()) {
    at += timeDeltas[i]!;
    if (at < from || at > to) continue;
    const place = placeOf(sample);
    times.set(place, (times.get(place) ?? 0) + (timeDeltas[i + 1] ?? 0) / 1000);
  }
  return times;
}
