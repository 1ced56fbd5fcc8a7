import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Ground } from '../../../agent/ground.js';
import { runToEnd, type Usage } from '../support/run-to-end.js';

/** Where rclone is to read or write: its own options of a remote, and the path in it. */
export interface Remote {
  readonly options: Readonly<Record<string, string>>;
  readonly path: string;
}

/** What spares rclone requests: no looking before it copies. Its comparing of sizes and MD5 afterwards stays. */
const SPARING = ['--no-traverse', '--no-check-dest', '--http-no-head', '--azureblob-no-head-object'];

/** Copies these keys, `transfers` at a time. Rejects unless all arrived. */
export async function rclone(
  ground: Ground,
  from: Remote,
  to: Remote,
  keys: readonly string[],
  transfers: number,
): Promise<Usage> {
  const list = join(ground.dir, 'keys.txt');
  writeFileSync(list, `${keys.join('\n')}\n`);
  const many = String(transfers);
  return runToEnd(
    ground,
    'rclone',
    [
      ...['copy', `from:${from.path}`, `to:${to.path}`, '--config', '/dev/null', '--quiet', ...SPARING],
      ...['--files-from-raw', list, '--transfers', many, '--checkers', many],
    ],
    { PATH: process.env.PATH, ...environment('FROM', from), ...environment('TO', to) },
  );
}

export function rcloneVersion(): string {
  const { stdout } = spawnSync('rclone', ['version'], { encoding: 'utf8' });
  const [, version] = /^rclone v(\S+)/.exec(stdout ?? '') ?? [];
  if (version === undefined)
    throw new Error('rclone is not on PATH (apt-get install --no-install-recommends rclone)');
  return version;
}

function environment(remote: string, { options }: Remote): Record<string, string> {
  const entries = Object.entries(options);
  return Object.fromEntries(entries.map(([name, value]) => [`RCLONE_CONFIG_${remote}_${name}`, value]));
}
