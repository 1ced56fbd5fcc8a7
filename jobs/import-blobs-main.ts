#!/usr/bin/env node
import { runMain } from '../runtime/main.js';
import { SKIP_EXISTING, WORKER_OPTIONS } from './worker-options.js';
import { runWorkerProgram } from './worker-program.js';

const program = {
  name: 'zh-import-blobs',
  description:
    'Copies the tiles of running migrations. Run as many as the stores bear; waits when there is no work.',
  lane: 'tiles',
  table: { ...WORKER_OPTIONS, skipExisting: SKIP_EXISTING },
} as const;

void runMain(program.name, () => runWorkerProgram(program, process.argv.slice(2), process.env));
