import { levelsOf } from '../../jobs/pyramid.js';
import { grouped, size } from '../../jobs/quantities.js';
import type { FailureRecord, Image, ImageStatus } from '../../jobs/work-queue.js';
import { DESCRIPTOR_WORDS } from '../migration-text.js';
import { reasonWords } from '../reason-text.js';
import type { Detail } from './detail.js';
import { type Fact, factLines, textBlock } from './facts.js';
import { attemptRows, standingRows, withoutImage } from './failure-rows.js';
import { cargoAlarms } from './migration-alarms.js';
import { migrationKeys } from './migration-keys.js';
import { openedFor } from './opened-for.js';
import type { Line, Page, Tone } from './page.js';
import { tableOf } from './rows.js';
import type { Opened, Snapshot } from './snapshot.js';
import { bad, dim, span, strong } from './spans.js';
import type { State } from './state.js';
import { workerNames } from './worker-rows.js';

/** One image from near: its geometry, how much of it is stored, and what fails of it. */
export function imagePage(
  snapshot: Snapshot,
  state: State,
  detail: Extract<Detail, { kind: 'image' }>,
): Page {
  const { migration, image: id } = detail;
  const looked = openedFor(snapshot, detail);
  const image = looked?.image?.image ?? null;
  const facts = factsOf(looked);
  const [standing, attempts] = [looked?.failures ?? [], looked?.attempts ?? []];
  const { value: cargo } = snapshot.cargo;
  const known = { image: () => image, worker: workerNames(cargo?.workers ?? []), now: snapshot.now };
  const failures = {
    ...withoutImage(standingRows(migration, standing, known)),
    empty: 'no failure of it stands',
  };
  const history = {
    ...withoutImage(attemptRows(migration, attempts, known)),
    empty: 'nothing of it has failed lately',
  };
  return {
    title: [strong('image'), span(`  ${id}`), ...standOf(looked), dim(`  of ${migration}`)],
    alarms: cargoAlarms(snapshot.cargo, null),
    blocks: [
      textBlock(FACTS, facts),
      ...(image === null ? [] : [textBlock(LEVELS, levelLines(image))]),
      {
        ...{ id: 'failures', title: `Failures: ${grouped(standing.length)}`, band: 1 },
        ...{ grow: { width: 1, height: 2 }, least: { width: 36, height: 4 } },
        most: { height: Math.max(1, failures.rows.length) + 3 },
        ...{ spare: 1, body: tableOf(state, 'failures', failures) },
      },
      {
        ...{ id: 'history', title: 'Last attempts that failed', band: 2 },
        ...{ grow: { width: 1, height: 2 }, least: { width: 36, height: 4 } },
        ...{ spare: 2, body: tableOf(state, 'history', history) },
      },
    ],
    about: { migration },
    keys: migrationKeys('image', cargo, migration),
    brief: facts,
  };
}

const FACTS = {
  id: 'facts',
  title: 'Image',
  band: 0,
  grow: { width: 3, height: 8 },
  least: { width: 50, height: 5 },
  spare: 0,
} as const;

const LEVELS = {
  id: 'states',
  title: 'Levels',
  band: 0,
  grow: { width: 0, height: 1 },
  least: { width: 44, height: 6 },
  spare: 3,
} as const;

type Looked = Extract<Opened, { kind: 'image' }>;

const TONES: Readonly<Record<ImageStatus['descriptor'], Tone>> = {
  ...{ waiting: 'plain', withheld: 'bad', released: 'good' },
};

function standOf(looked: Looked | null): Line {
  if (looked === null || looked.image === null) return [];
  const { descriptor } = looked.image;
  return [span(`  ${descriptor}`, TONES[descriptor])];
}

function factsOf(looked: Looked | null): readonly Line[] {
  const trouble = looked?.trouble ?? null;
  const troubled: Line[] = trouble === null ? [] : [[bad(trouble)]];
  if (looked === null) return [[dim('asking for it')]];
  if (looked.image === null) return [...troubled, ...absence(looked.failures, trouble)];
  const { image, stored, failed, bytes, digest, descriptor } = looked.image;
  const { width, height, tileSize, overlap, format, tiles, number } = image;
  const facts: Fact[] = [
    ['Size', [span(`${grouped(width)} x ${grouped(height)} px`)]],
    [
      'Tiles',
      [span(`${grouped(tiles)} of ${grouped(tileSize)} px with an overlap of ${overlap}, ${format}`)],
    ],
    ['Stored', [span(`${grouped(stored)} tiles, ${grouped(size(bytes))}`)]],
    ['Failed', [span(grouped(failed), failed > 0 ? 'bad' : 'plain')]],
    ['To come', [span(grouped(tiles - stored - failed))]],
    ['Descriptor', [span(DESCRIPTOR_WORDS[descriptor], TONES[descriptor])]],
    ['Digest', [span(digest)]],
    ['Number', [dim(grouped(number))]],
  ];
  return [...troubled, ...factLines(facts)];
}

/** Why there is no such image. */
function absence(failures: readonly FailureRecord[], trouble: string | null): readonly Line[] {
  const refused = failures.find(({ lane }) => lane === 'images');
  if (refused !== undefined)
    return [[bad(`it could not be planned: ${refused.reason}`)], [span(reasonWords(refused))]];
  return trouble === null ? [[bad('the migration has no such image')]] : [];
}

/** The largest first: that is where the tiles are. */
function levelLines(image: Image): readonly Line[] {
  const rows = levelsOf(image)
    .toReversed()
    .map(({ level, width, height, columns, rows: down, first }) => [
      ...[grouped(level), `${grouped(width)} x ${grouped(height)}`],
      ...[`${grouped(columns)} x ${grouped(down)}`, grouped(first)],
    ]);
  const all = [['level', 'px', 'tiles', 'first'], ...rows];
  const widest = [0, 1, 2, 3].map((at) => Math.max(...all.map((row) => row[at]?.length ?? 0)));
  return all.map((row, at) => {
    const text = row.map((cell, column) => cell.padStart(widest[column] ?? 0)).join('  ');
    return [at === 0 ? dim(text) : span(text)];
  });
}
