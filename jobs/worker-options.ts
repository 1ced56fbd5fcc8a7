import { availableParallelism } from 'node:os';
import {
  type OptionTable,
  type OptionValues,
  parseInteger,
  parseNumber,
  parseSwitch,
} from '../runtime/options.js';
import { LISTEN, LOG_LEVEL, MIGRATION } from './options.js';

/** More than this is a slip of the finger: a process needs memory for itself. */
const MOST_PROCESSES = 256;

export const WORKER_OPTIONS = {
  migration: MIGRATION,
  processes: {
    flag: '--processes <n>',
    env: 'ZH_PROCESSES',
    help: 'run as this many processes, each a worker of its own on one core: a number, or auto = as many as this machine can run at once',
    parse: parseProcesses,
    default: 1,
  },
  maxRps: {
    flag: '--max-rps <n>',
    env: 'ZH_MAX_RPS',
    help: 'at most this many requests to the source per second, of all processes together; without it, no limit',
    parse: parseNumber(0.1, 1_000_000),
  },
  concurrency: {
    flag: '--concurrency <n>',
    env: 'ZH_CONCURRENCY',
    help: 'at most this many objects in flight in each process; how many really are adapts to what the stores bear',
    parse: parseInteger(1, 1024),
    default: 128,
  },
  untilEmpty: {
    flag: '--until-empty',
    env: 'ZH_UNTIL_EMPTY',
    help: 'end once nothing is left to do, with exit code 1 if something failed, instead of waiting for more',
    parse: parseSwitch,
    default: false,
  },
  listen: LISTEN,
  logLevel: LOG_LEVEL,
} satisfies OptionTable;

export const SKIP_EXISTING = {
  flag: '--skip-existing',
  env: 'ZH_SKIP_EXISTING',
  help: 'look before a tile is carried, and skip it if the destination tells the same length and MD5 as the source',
  parse: parseSwitch,
  default: false,
};

/** Of any program that serves a lane. */
export type WorkerOptionValues = OptionValues<typeof WORKER_OPTIONS> & { readonly skipExisting?: boolean };

function parseProcesses(text: string): number {
  if (text === 'auto') return Math.min(MOST_PROCESSES, availableParallelism());
  try {
    return parseInteger(1, MOST_PROCESSES)(text);
  } catch {
    throw new Error(`expected auto, or a whole number from 1 to ${MOST_PROCESSES}`);
  }
}
