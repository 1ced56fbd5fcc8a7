import { UsageError } from '../runtime/errors.js';
import {
  type OptionValues,
  parseChoice,
  parseInteger,
  parseNumber,
  parseSwitch,
  parseText,
} from '../runtime/options.js';
import type { Shutdown } from '../runtime/shutdown.js';
import { parsePattern } from './image-filter.js';
import type { Patience } from './insist.js';
import { LISTEN, LOG_LEVEL, MIGRATION } from './options.js';

export const POPULATE_OPTIONS = {
  migration: {
    ...MIGRATION,
    help: 'the migration to plan, waited for if it is not there yet; if it has been planned, what is new or was refused is added; may be left out if exactly one has an open plan',
  },
  ids: {
    flag: '--ids <list>',
    env: 'ZH_IDS',
    help: 'the ids, one `id` or `id:count` a line: - (stdin), a file (/... or ./...), the location of an object (azure://account/box/total.txt ...; with the credentials of the source), or the name of an object in the source',
    parse: parseText,
    defaultText: 'total.txt',
  },
  discover: {
    flag: '--discover',
    env: 'ZH_DISCOVER',
    help: 'instead of a list of ids: every <id>.dzi directly under the source, in the order it lists them',
    parse: parseSwitch,
    default: false,
  },
  top: {
    flag: '--top <n>',
    env: 'ZH_TOP',
    help: 'only the first so many ids (of those that pass --match and --exclude)',
    parse: parseInteger(1, Number.MAX_SAFE_INTEGER),
  },
  match: {
    flag: '--match <pattern>',
    env: 'ZH_MATCH',
    help: 'only ids that match: * any characters, ? one, [a-z] one of these, [!a-z] none of these; of several, one has to match (in the variable, spaces between them)',
    parse: parsePattern,
    repeatable: true,
  },
  exclude: {
    flag: '--exclude <pattern>',
    env: 'ZH_EXCLUDE',
    help: 'no ids that match this or another --exclude',
    parse: parsePattern,
    repeatable: true,
  },
  dryRun: {
    flag: '--dry-run',
    env: 'ZH_DRY_RUN',
    help: 'change nothing: read all descriptors and the sizes of a sample of tiles, and print what the migration would take',
    parse: parseSwitch,
    default: false,
  },
  source: {
    flag: '--source <location>',
    env: 'ZH_SOURCE',
    help: 'with --dry-run: the source, where there is no migration yet; then no Redis is needed',
    parse: parseText,
  },
  rate: {
    flag: '--rate <tiles/s>',
    env: 'ZH_RATE',
    help: 'with --dry-run: the speed to tell the time for; without it 100, 1,000 and 10,000 tiles/s',
    parse: parseNumber(0.001, 1e9),
  },
  output: {
    flag: '-o, --output <form>',
    env: 'ZH_OUTPUT',
    help: 'with --dry-run: text or json',
    parse: parseChoice(['text', 'json']),
    defaultText: 'text',
  },
  listen: LISTEN,
  logLevel: LOG_LEVEL,
} as const;

export type PopulateOptionValues = OptionValues<typeof POPULATE_OPTIONS>;

/** What the program was given, for its parts. */
export interface PopulateNeeds extends Patience {
  readonly options: PopulateOptionValues;
  readonly env: NodeJS.ProcessEnv;
  readonly shutdown: Shutdown;
}

/** The images meant by the options, as `openImageList` takes them. */
export function imagesMeant({ ids = 'total.txt', discover, match, exclude, top }: PopulateOptionValues) {
  return { ids: discover ? undefined : ids, stdin: process.stdin, match, exclude, top };
}

/** Throws a `UsageError` for options that do not go together. */
export function refuseClashes(options: PopulateOptionValues): void {
  if (options.discover && options.ids !== undefined)
    throw new UsageError(
      `--discover (ZH_DISCOVER) and --ids ${options.ids} (ZH_IDS) are two lists: give one of them`,
    );
  const stray = (['source', 'rate', 'output'] as const).find((name) => options[name] !== undefined);
  if (!options.dryRun && stray !== undefined)
    throw new UsageError(`--${stray} (ZH_${stray.toUpperCase()}) goes with --dry-run only`);
}
