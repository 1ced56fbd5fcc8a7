import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Units that bear witness to when they ran: each copy appends the time, twenty times a second, to a file of its own in a
 * folder that all hosts share. So it is the units themselves that say whether two of them ever ran at once.
 */
export interface Witness {
  /** The lines of [Service]; `name` tells the unit's copies from those of others. */
  service(name: string): string;
  /** Everything that ran under this name, by its first sign of life. */
  copies(name: string): readonly Copy[];
  /** Those that have given a sign of life within the last second. */
  running(name: string): readonly Copy[];
}

export interface Copy {
  /** The host it ran on, by host name. */
  readonly host: string;
  readonly fence: number;
  /** ms since the epoch. */
  readonly first: number;
  readonly last: number;
}

/** Bash alone, so that twenty lines a second start no process. */
const SCRIPT = `
read -r id < /proc/sys/kernel/random/uuid
read -r host < /proc/sys/kernel/hostname
mkdir -p "$1"
exec 3>> "$1/$host.\${CONVOY_FENCE:-0}.$id" 4<> <(:)
while :; do
  echo "$EPOCHREALTIME" >&3
  read -r -t 0.05 -u 4
done
`;

/** `outside` is the shared folder as this process sees it, `inside` as units do. */
export function openWitness(outside: string, inside: string): Witness {
  mkdirSync(outside, { recursive: true });
  writeFileSync(join(outside, 'witness.sh'), SCRIPT);

  function copies(name: string): Copy[] {
    const dir = join(outside, name);
    let files: string[];
    try {
      files = readdirSync(dir);
    } catch {
      return [];
    }
    return files
      .flatMap((file): Copy[] => {
        const [host = '', fence = ''] = file.split('.');
        const lines = readFileSync(join(dir, file), 'utf8').split('\n');
        // What stands after the last newline was cut off in the middle.
        const times = lines.slice(0, -1).map((line) => Number(line.replace(',', '.')) * 1000);
        const [first, last] = [times[0], times.at(-1)];
        return first === undefined || last === undefined ? [] : [{ host, fence: Number(fence), first, last }];
      })
      .sort((a, b) => a.first - b.first);
  }

  return {
    service: (name) => `ExecStart=/bin/bash ${inside}/witness.sh ${inside}/${name}`,
    copies,
    running: (name) => copies(name).filter(({ last }) => Date.now() - last < 1000),
  };
}

/** Pairs of copies of which the second began before the first had ended. */
export function overlaps(copies: readonly Copy[]): readonly (readonly [Copy, Copy])[] {
  return copies.flatMap((one, index) =>
    copies.slice(index + 1).flatMap((two) => (two.first <= one.last ? [[one, two] as const] : [])),
  );
}
