#!/usr/bin/env node
import { runMain } from '../runtime/main.js';
import { WORKER_OPTIONS } from './worker-options.js';
import { runWorkerProgram } from './worker-program.js';

const program = {
  name: 'zh-upload-dzis',
  description: 'Publishes the descriptors of images whose tiles are all stored; waits when there is no work.',
  lane: 'descriptors',
  table: WORKER_OPTIONS,
} as const;

void runMain(program.name, () => runWorkerProgram(program, process.argv.slice(2), process.env));
