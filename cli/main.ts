#!/usr/bin/env node
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { runMain } from '../runtime/main.js';

/** A link named so makes it fleetctl. */
const fleet = basename(process.argv[1] ?? '') === 'fleetctl';
const argv = process.argv.slice(2);

void runMain(fleet ? 'fleetctl' : 'convoyctl', async () => {
  if (!fleet && /^(--help|-h|help|)$/.test(argv.join(' ')) && (process.stdout.columns ?? 100) >= 100) {
    const help = readHelp();
    if (help !== null) {
      process.stdout.write(help);
      return 0;
    }
  }
  const file = join(import.meta.dirname, '../../package.json');
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
  const options = { env: process.env, fleet, version };
  if (argv[0] !== '__complete') {
    const { runProgram } = await import('./program.js');
    return runProgram(argv, options);
  }
  const { complete } = await import('./complete.js');
  // A shell that completes has no use for errors.
  await complete(argv.slice(1), options).catch(() => undefined);
  return 0;
});

/** All commands in 100 columns, as the build had them told by this program; null if there was no build. */
function readHelp(): string | null {
  const file = join(import.meta.dirname, 'help.txt');
  return existsSync(file) ? readFileSync(file, 'utf8') : null;
}
