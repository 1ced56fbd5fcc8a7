import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { promisify } from 'node:util';
import { inWords } from './figures.js';

/** In this order the first that fits; `dso` and `symbol` as perf names them. */
const PLACES: readonly (readonly [place: string, fits: (dso: string, symbol: string) => boolean])[] = [
  ['the kernel: sockets', (dso) => dso.startsWith('[kernel') || dso.startsWith('[guest.kernel')],
  ['MD5', (_, symbol) => /md5/i.test(symbol)],
  [
    'JavaScript and WebAssembly',
    (dso, symbol) => /^\[JIT\]|^\/\/anon|^perf-\d|^\[anon/.test(dso) || symbol.startsWith('Builtins_'),
  ],
  ['V8: garbage', (_, symbol) => /Scaveng|Mark|Sweep|Evacuat|Heap|Pointers?Updat|GC|Spaces?::/.test(symbol)],
  [
    'V8: compiling',
    (_, symbol) => /compiler::|Compil|interpreter::|Parse|maglev|Turbo|baseline::/i.test(symbol),
  ],
  ['Node, libuv and the rest', () => true],
];

/** Of a process's CPU time while something went on, the part that each place had, by name. */
export type Shares = ReadonlyMap<string, number>;

export function requirePerf(): void {
  if (spawnSync('perf', ['version']).status !== 0)
    throw new Error('perf is not on PATH (apt-get install --no-install-recommends linux-perf)');
}

/** Asks `perf` where the process spends its CPU time while `during` goes on. */
export async function profiled<T>(
  pid: number,
  file: string,
  during: () => Promise<T>,
): Promise<{ readonly result: T; readonly shares: Shares }> {
  const perf = spawn(
    'perf',
    ['record', '-q', '-e', 'cpu-clock', '-F', '499', '-p', String(pid), '-o', file],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  const ended = once(perf, 'exit');
  const result = await during();
  perf.kill('SIGINT');
  await ended;
  const { stdout } = await promisify(execFile)(
    'perf',
    ['report', '--stdio', '-i', file, '-F', 'overhead,dso,symbol', '-t', '\t'],
    { maxBuffer: 2 ** 26 },
  );
  rmSync(file);
  const shares = new Map(PLACES.map(([place]) => [place, 0]));
  for (const line of stdout.split('\n')) {
    const [percent = '', dso = '', symbol = ''] = line.split('\t').map((part) => part.trim());
    if (!percent.endsWith('%')) continue;
    const [place] = PLACES.find(([, fits]) => fits(dso, symbol.replace(/^\[.\] /, '')))!;
    shares.set(place, shares.get(place)! + Number(percent.slice(0, -1)) / 100);
  }
  return { result, shares };
}

/** A table of `seconds` of each side divided by its shares. */
export function whereItGoes(
  what: string,
  sides: readonly { readonly name: string; readonly seconds: number; readonly shares: Shares }[],
): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const places = PLACES.map(([place]) =>
    row([
      place,
      ...sides.map(({ seconds, shares }) => {
        const share = shares.get(place)!;
        return `${inWords(share * seconds)} s (${Math.round(share * 100)} %)`;
      }),
    ]),
  );
  return [
    row([what, ...sides.map(({ name }) => name)]),
    row(['---', ...sides.map(() => '---:')]),
    ...places,
  ].join('\n');
}
