#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { runMain } from '../runtime/main.js';
import { runProgram } from './program.js';

/** A link named so makes it fleetctl. */
const fleet = basename(process.argv[1] ?? '') === 'fleetctl';
const argv = process.argv.slice(2);
const file = join(import.meta.dirname, '../../package.json');
const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
const options = { env: process.env, fleet, version };

void runMain(fleet ? 'fleetctl' : 'convoyctl', async () => {
  if (argv[0] !== '__complete') return runProgram(argv, options);
  const { complete } = await import('./complete.js');
  // A shell that completes has no use for errors.
  await complete(argv.slice(1), options).catch(() => undefined);
  return 0;
});
