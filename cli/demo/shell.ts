import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { permanent } from '../../runtime/errors.js';

/** Runs the real convoyctl as a process and shows the command line before its output, as if typed by hand. */
export type Convoyctl = (...args: string[]) => Promise<void>;

/** Commands talk to `endpoint` and run in the root of this package, where `units/shipped` is. */
export function convoyctlAt(endpoint: string, signal: AbortSignal): Convoyctl {
  return async (...args) => {
    process.stdout.write(`\n$ convoyctl ${args.map(quoted).join(' ')}\n`);
    const child = spawn(process.execPath, [join(import.meta.dirname, '../main.js'), ...args], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, CONVOY_ENDPOINT: endpoint },
      cwd: join(import.meta.dirname, '../../..'),
      signal,
    });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', resolve);
    });
    if (code !== 0) throw permanent(`convoyctl ${args[0]} ended with ${code}`);
  };
}

function quoted(word: string): string {
  return /^[\w@%+=:,./{}-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
