import type { preflight } from '../jobs/preflight.js';
import {
  INCOMPLETE,
  type Incomplete,
  type MigrationDefinition,
  SERVER_SIDE,
  type ServerSide,
} from '../jobs/work-queue.js';
import { type ConvoyError, messageOf, permanent, UsageError } from '../runtime/errors.js';
import { type OptionRow, parseChoice, parseInteger, parseSwitch, parseText } from '../runtime/options.js';
import { parseDestination, parseLocation } from '../stores/location.js';
import type { Store, StoreTraits, WritableStore } from '../stores/store.js';
import { type Context, command } from './command.js';
import { withQueue } from './queue.js';

/** Failures are judged once this many tiles are settled. */
const STOP_AFTER_TILES = 10_000;

/** `1` and `1%` are one per cent. The value is a share, from 0 to 1. */
function parsePercentage(text: string): number {
  const percent = Number(text.replace(/ ?%$/, ''));
  if (!/^\d/.test(text) || !(percent >= 0 && percent <= 100))
    throw new Error('expected a percentage such as 1%');
  return percent / 100;
}

const serverSideOption = {
  flag: '--server-side <when>',
  help: 'auto: the destination copies tiles by itself where it can, verified against the MD5 the source tells; never; always: or the tile fails',
  parse: parseChoice(SERVER_SIDE),
  default: 'auto',
} satisfies OptionRow<ServerSide>;

const incompleteOption = {
  flag: '--incomplete <how>',
  help: 'of an image of which tiles failed, withhold the descriptor, so that no viewer finds it, or publish it',
  parse: parseChoice(INCOMPLETE),
  default: 'withhold',
} satisfies OptionRow<Incomplete>;

export const migrationCreate = command({
  options: {
    source: {
      flag: '--source <location>',
      help: 'azure://account/container/prefix, swift://container/prefix, s3://bucket/prefix, webdav+http(s)://host/base, http(s)://host/base, file:///dir or pkgcloud+provider://container/prefix',
      parse: parseText,
    },
    destination: {
      flag: '--destination <location>',
      help: 'the same forms but http(s)',
      parse: parseText,
    },
    createContainer: {
      flag: '--create-container',
      help: "make the destination's container, bucket, collection or directory; one that is there is kept",
      parse: parseSwitch,
      default: false,
    },
    check: {
      flag: '--no-check',
      help: 'ask neither store: for a machine without their credentials',
      parse: parseSwitch,
    },
    serverSide: serverSideOption,
    incomplete: incompleteOption,
    rangeSize: {
      flag: '--range-size <tiles>',
      help: 'most tiles a worker claims at once',
      parse: parseInteger(1, 100_000),
      default: 1000,
    },
    maxAttempts: {
      flag: '--max-attempts <n>',
      help: 'attempts per tile before it counts as failed',
      parse: parseInteger(1, 100),
      default: 5,
    },
    stopAfterFailures: {
      flag: '--stop-after-failures <percent>',
      help: `pause when more than this share of tiles failed, judged from ${STOP_AFTER_TILES} tiles on`,
      parse: parsePercentage,
      default: 0.01,
      defaultText: '1%',
    },
  },
  examples: [
    'convoyctl migration create zoom --source azure://zoom/content --destination swift://zoom/dzis',
    'convoyctl migration create disk --source https://example.org/dzis --destination file:///srv/dzis',
  ],
  run: async (context, [name = ''], options) => {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name))
      throw new UsageError(`migration name "${name}": expected up to 63 letters, digits, ".", "_" or "-"`);
    const { source, destination, rangeSize, maxAttempts, stopAfterFailures, serverSide, incomplete } =
      options;
    if (source === undefined || destination === undefined)
      throw new UsageError(`migration create: --source and --destination are needed`);
    const check = options.check !== false;
    if (!check && options.createContainer)
      throw new UsageError(
        '--create-container asks the destination and --no-check asks none: give one of them',
      );
    parseLocation(source);
    parseDestination(destination);
    const definition: MigrationDefinition = {
      ...{ name, source, destination, rangeSize, maxAttempts, stopAfterFailures, serverSide },
      ...{ stopAfterTiles: STOP_AFTER_TILES, incomplete },
    };
    if (check) await checkStores(context, definition, options.createContainer);
    const answer = await withQueue(context, (queue) => queue.createMigration(definition));
    context.out(
      answer === 'created' ? `Created migration ${name}` : `Migration ${name} exists already, as given`,
    );
    return 0;
  },
});

interface Stores {
  readonly source: Store;
  readonly destination: Store & WritableStore;
}

/** Rejects `permanent` with what is wrong with either; else tells what the destination will not keep. */
async function checkStores(
  context: Context,
  definition: MigrationDefinition,
  createContainer: boolean,
): Promise<void> {
  // Only here: they take longer to load than all the rest of the program.
  const [opening, checks, { serverSideCopy, insistOnCopies }, { silentLog: log }] = await Promise.all([
    import('../stores/open.js'),
    import('../jobs/preflight.js'),
    import('../jobs/server-side.js'),
    import('../runtime/log.js'),
  ]);
  const { env } = context;
  const open: Store[] = [];
  const hold = <S extends Store>(store: S): S => {
    open.push(store);
    return store;
  };
  try {
    const [source, destination] = await both(
      checks.opened('source', definition.source, (at) => opening.openSource(at, { log, env }).then(hold)),
      checks.opened('destination', definition.destination, (at) =>
        opening.openDestination(at, { log, env }).then(hold),
      ),
    );
    serverSideCopy(definition.serverSide, { source, destination, log });
    await ask({ source, destination }, createContainer, checks.preflight);
    await insistOnCopies(definition.serverSide, { source, destination });
    const note = notKept(destination.traits);
    if (note !== '') context.err(`note: ${destination.name} ${note}`);
  } catch (error) {
    throw permanent(
      `${messageOf(error)}; nothing is stored (--no-check creates the migration without asking the stores)`,
      { code: (error as ConvoyError).code ?? 'bug' },
    );
  } finally {
    await Promise.all(open.map((store) => store.close()));
  }
}

async function ask({ source, destination }: Stores, create: boolean, check: typeof preflight): Promise<void> {
  await both(
    check('source', source),
    (async () => {
      if (create) await destination.createContainer();
      await check('destination', destination);
    })(),
  );
}

/** What both resolve with; if both are wrong, both are told. */
async function both<A, B>(one: Promise<A>, other: Promise<B>): Promise<readonly [A, B]> {
  const [a, b] = await Promise.allSettled([one, other]);
  if (a.status === 'fulfilled' && b.status === 'fulfilled') return [a.value, b.value];
  const reasons = [a, b].flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
  throw permanent(reasons.map(messageOf).join('; and '), { code: (reasons[0] as ConvoyError).code ?? 'bug' });
}

/** What a destination lacks, in words; '' if nothing. */
function notKept({ keeps, checksWrites }: StoreTraits): string {
  const lacks = {
    nothing: ['keeps neither content type nor headers and metadata'],
    'content-type': ['keeps the content type but no other headers and no metadata'],
    all: [],
  }[keeps];
  return [...lacks, ...(checksWrites ? [] : ['does not check the MD5 of what is written'])].join(', and ');
}
