import { spawn } from 'node:child_process';
import { permanent } from '../../runtime/errors.js';
import { ownFile } from '../../runtime/own-file.js';

/** Runs the real convoyctl as a process and shows the command line before its output, as if typed by hand. */
export type Convoyctl = (...args: string[]) => Promise<void>;

/** Commands talk to `endpoint` and run where `units/shipped` is. */
export function convoyctlAt(endpoint: string, signal: AbortSignal): Convoyctl {
  return async (...args) => {
    process.stdout.write(`\n$ convoyctl ${args.map(quoted).join(' ')}\n`);
    const child = spawn(process.execPath, [ownFile('cli/main.js'), ...args], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, CONVOY_ENDPOINT: endpoint },
      cwd: ownFile('.'),
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
