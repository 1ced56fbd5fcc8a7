import { type FailureFilter, type FailureRecord, LANES, type OperatorQueue } from '../jobs/work-queue.js';
import { UsageError } from '../runtime/errors.js';
import {
  type OptionTable,
  type OptionValues,
  parseChoice,
  parseInteger,
  parseText,
} from '../runtime/options.js';
import { command } from './command.js';
import { listedFailure } from './migration-json.js';
import type { ListedFailure } from './migration-output.js';
import { statusOf, withQueue } from './queue.js';
import { pagesOf, ROW_FORMAT, type RowForms, writeRows } from './rows.js';
import { counted } from './table.js';

/** `0-999`, `17`: both ends count. */
function parseTiles(text: string): { first: number; end: number } {
  const [, from = '', to = from] = /^(\d{1,15})(?:-(\d{1,15}))?$/.exec(text) ?? [];
  const [first, last] = [Number(from), Number(to)];
  if (from === '' || last < first) throw new Error('expected numbers of tiles, such as 0-999 or 17');
  return { first, end: last + 1 };
}

const FILTERS = {
  reason: {
    flag: '--reason <word>',
    help: 'only failures with this reason, such as http-404',
    parse: parseText,
  },
  image: { flag: '--image <id>', help: 'only failures of this image', parse: parseText },
  status: {
    flag: '--status <code>',
    help: 'only failures with this HTTP status; 0: those with none',
    parse: parseInteger(0, 999),
  },
  lane: {
    flag: '--lane <lane>',
    help: `only what failed as one of ${LANES.join(', ')} (of zh-verify), images (ids that could not be planned)`,
    parse: parseChoice([...LANES, 'images']),
  },
  tiles: {
    flag: '--tiles <first-last>',
    help: "only these numbers of an image's tiles, counted from 0 and from the smallest level",
    parse: parseTiles,
  },
} satisfies OptionTable;

/** Numbers are those of tiles, so `--tiles` alone means lane `tiles`. */
function filterOf({ lane, tiles, reason, image, status }: OptionValues<typeof FILTERS>): FailureFilter {
  if (tiles !== undefined && (lane === 'descriptors' || lane === 'images'))
    throw new UsageError(`--tiles numbers tiles, and --lane ${lane} has none: leave one of them out`);
  const among = lane ?? (tiles === undefined ? undefined : 'tiles');
  return {
    ...(among === undefined ? {} : { lane: among }),
    ...(reason === undefined ? {} : { reason }),
    ...(image === undefined ? {} : { image }),
    ...(status === undefined ? {} : { status }),
    ...(tiles === undefined ? {} : { range: tiles }),
  };
}

export const FAILURE_FORMS: RowForms<ListedFailure> = {
  fields: ['lane', 'image', 'first', 'count', 'reason', 'status', 'attempt', 'key', 'lastKey'],
  columns: [
    ['LANE', ({ lane }) => lane],
    ['IMAGE', ({ image }) => image],
    ['FIRST', ({ first }) => `${first}`],
    ['COUNT', ({ count }) => `${count}`],
    ['REASON', ({ reason }) => reason],
    ['STATUS', ({ status }) => `${status || '-'}`],
    ['ATTEMPTS', ({ attempt }) => `${attempt}`],
    ['KEY', ({ key }) => key ?? '-'],
  ],
};

export const failures = command({
  options: { ...FILTERS, output: ROW_FORMAT },
  examples: [
    'convoyctl migration failures zoom',
    'convoyctl migration failures zoom --reason http-404 --lane tiles -o csv >missing.csv',
    'convoyctl migration failures zoom --image abc --tiles 0-999',
    "convoyctl migration failures zoom -o ndjson | jq -r '.key'",
  ],
  run: async (context, [name = ''], options) => {
    const filter = filterOf(options);
    await withQueue(context, (queue) =>
      writeRows(context, options.output, located(queue, name, queue.failures(name, filter)), FAILURE_FORMS),
    );
    return 0;
  },
});

/** So many failures wait for their images' geometry together. */
const LOOKED_UP = 500;

/** With the keys of their objects. Most pages speak of few images, each of which is asked for once. */
export async function* located(
  queue: OperatorQueue,
  migration: string,
  records: AsyncIterable<FailureRecord>,
): AsyncIterable<ListedFailure> {
  for await (const page of pagesOf(records, LOOKED_UP)) {
    const ofTiles = page.filter(({ lane }) => lane === 'tiles' || lane === 'checks');
    const ids = [...new Set(ofTiles.map(({ image }) => image))];
    const found = await Promise.all(ids.map((id) => queue.image(migration, id)));
    const images = new Map(ids.map((id, at) => [id, found[at]?.image ?? null]));
    yield* page.map((record) => listedFailure(record, images.get(record.image) ?? null));
  }
}

export const retry = command({
  options: FILTERS,
  examples: [
    'convoyctl migration retry zoom',
    'convoyctl migration retry zoom --reason http-503',
    'convoyctl migration retry zoom --image abc --tiles 0-999',
  ],
  run: async (context, [name = ''], options) => {
    const filter = filterOf(options);
    await withQueue(context, async (queue) => {
      const { state, reason } = await statusOf(queue, name);
      const moved = await queue.requeueFailures(name, filter);
      context.out(`Put ${moved} failed tiles and descriptors of migration ${name} back to work`);
      if (moved > 0 && state === 'paused')
        context.err(`note: it is paused (${reason}): convoyctl migration resume ${name}`);
      const refused = await matching(queue, name, filter, 'images');
      if (refused > 0)
        context.err(
          `note: ${counted(refused, 'id')} could not be planned at all: to try ${refused === 1 ? 'it' : 'them'} again, run zh-populate again`,
        );
      const checks = await matching(queue, name, filter, 'checks');
      if (checks > 0)
        context.err(`note: ${counted(checks, 'check')} failed: to check again, run zh-verify again`);
    });
    return 0;
  },
});

async function matching(
  queue: OperatorQueue,
  migration: string,
  filter: FailureFilter,
  lane: 'images' | 'checks',
): Promise<number> {
  if (filter.lane !== undefined && filter.lane !== lane) return 0;
  let count = 0;
  for await (const record of queue.failures(migration, { ...filter, lane })) count += record.count;
  return count;
}
