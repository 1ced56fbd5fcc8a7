import { size } from '../jobs/quantities.js';
import type { ImageStatus, OperatorQueue } from '../jobs/work-queue.js';
import { permanent } from '../runtime/errors.js';
import { command } from './command.js';
import { located } from './migration-failures.js';
import { shownImage } from './migration-json.js';
import type { ListedFailure, ShownImage } from './migration-output.js';
import { DESCRIPTOR_WORDS, labelled, section } from './migration-text.js';
import { withQueue } from './queue.js';
import { ROW_FORMAT, type RowForms, writeRows } from './rows.js';
import { printable } from './store-text.js';
import { counted } from './table.js';

export const IMAGE_FORMS: RowForms<ShownImage> = {
  fields: [
    ...(['image', 'number', 'width', 'height', 'tileSize', 'overlap', 'format', 'tiles'] as const),
    ...(['stored', 'failed', 'left', 'bytes', 'digest', 'descriptor'] as const),
  ],
  columns: [
    ['IMAGE', ({ image }) => image],
    ['TILES', ({ tiles }) => `${tiles}`],
    ['STORED', ({ stored }) => `${stored}`],
    ['FAILED', ({ failed }) => `${failed}`],
    ['LEFT', ({ left }) => `${left}`],
    ['DESCRIPTOR', ({ descriptor }) => descriptor],
    ['DIGEST', ({ digest }) => digest],
  ],
};

export const images = command({
  options: { output: ROW_FORMAT },
  examples: [
    'convoyctl migration images zoom',
    'convoyctl migration images zoom -o csv >images.csv',
    'convoyctl migration images zoom -o json | jq -r \'select(.descriptor == "withheld").image\'',
  ],
  run: async (context, [name = ''], options) => {
    await withQueue(context, (queue) =>
      writeRows(context, options.output, shown(queue.images(name)), IMAGE_FORMS),
    );
    return 0;
  },
});

async function* shown(images: AsyncIterable<ImageStatus>): AsyncIterable<ShownImage> {
  for await (const image of images) yield shownImage(image);
}

/** One image as JSON, or in words with its first failures. Rejects `permanent`/`not-found` for one never added. */
export async function imageLines(
  queue: OperatorQueue,
  migration: string,
  id: string,
  output: 'text' | 'json',
): Promise<string[]> {
  const status = await queue.image(migration, id);
  if (status === null) throw await absence(queue, migration, id);
  if (output === 'json') return [JSON.stringify(shownImage(status))];
  const failures: ListedFailure[] = [];
  for await (const failure of located(queue, migration, queue.failures(migration, { image: id }))) {
    failures.push(failure);
    if (failures.length > MOST_FAILURES) break;
  }
  return imageWords(migration, shownImage(status), failures);
}

/** Failures shown of an image; `migration failures` has them all. */
const MOST_FAILURES = 20;

async function absence(queue: OperatorQueue, migration: string, id: string): Promise<Error> {
  for await (const { reason, status } of queue.failures(migration, { image: id, lane: 'images' }))
    return permanent(
      `image ${id} of migration ${migration} could not be planned: ${reason}${status === 0 ? '' : `, status ${status}`}`,
      { code: 'not-found' },
    );
  return permanent(`migration ${migration} has no image ${id}`, { code: 'not-found' });
}

function imageWords(migration: string, image: ShownImage, failures: readonly ListedFailure[]): string[] {
  const { width, height, tileSize, overlap, format, tiles, stored, failed, left } = image;
  const shownFailures = failures.slice(0, MOST_FAILURES).map(failureWords);
  const more =
    failures.length > MOST_FAILURES
      ? [`... (convoyctl migration failures ${migration} --image ${image.image})`]
      : [];
  return [
    `${migration}: image ${image.image}`,
    ...labelled([
      ['Size', [`${width} x ${height} px`]],
      [
        'Tiles',
        [
          `${tiles} of ${tileSize} px with an overlap of ${overlap}, ${format}`,
          `${stored} stored, ${failed} failed, ${left} left`,
        ],
      ],
      ['Stored', [size(image.bytes)]],
      ['Digest', [image.digest]],
      ['Descriptor', [DESCRIPTOR_WORDS[image.descriptor]]],
    ]),
    ...section('Failures', [...shownFailures, ...more]),
  ].map(printable);
}

/** `tiles 3-7, img1_files/3/0_0.jpg and on: http-404, status 404, 5 attempts` */
function failureWords({ lane, first, count, reason, status, attempt, key }: ListedFailure): string {
  const numbers = count === 1 ? `${first}` : `${first}-${first + count - 1}`;
  const what = lane === 'descriptors' ? 'descriptor' : `${lane} ${numbers}`;
  const http = status === 0 ? '' : `, status ${status}`;
  return `${what}, ${key}${count === 1 ? '' : ' and on'}: ${reason}${http}, ${counted(attempt, 'attempt')}`;
}
