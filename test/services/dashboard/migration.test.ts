import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openClient } from '../../../cli/client.js';
import type { MigrationStatus, StateCounts } from '../../../jobs/work-queue.js';
import { type CarryingFleet, carryingFleet } from '../../support/carrying-fleet.js';
import { freeze } from '../../support/freeze.js';
import { program } from '../../support/programs.js';
import { testEtcd, useGround } from '../../support/services.js';
import { startTerminal, type Terminal } from '../../support/tmux.js';
import { until } from '../../support/until.js';

/**
 * zh-stats on a terminal, over a migration that machines carry by the shipped units. What is on the screen is held against
 * what Redis and convoyd say.
 */
const ground = useGround('dashboard');
const MIGRATION = 'zoomit';
const IMAGES = ['Fj2', 'a9', '画像', 'x7R'];
/** The source does not have it until it is mended. */
const ABSENT = 'a9_files/11/2_3.jpg';
let isMended = false;
let fleet: CarryingFleet;
let screen: Terminal;

beforeAll(async () => {
  fleet = await carryingFleet(ground, {
    etcd: (await testEtcd(ground)).url,
    machines: 2,
    cargo: { migration: MIGRATION, images: IMAGES, tilesEach: 500, importers: 2, rps: 15 },
    fault: (key) => (key === ABSENT && !isMended ? { kind: 'status', status: 404 } : null),
  });
  screen = await open('zh-stats');
}, 60_000);
afterAll(() => fleet?.close());

function open(
  name: string,
  { env = {}, ...options }: Partial<Parameters<typeof startTerminal>[1]> = {},
): Promise<Terminal> {
  return startTerminal(ground, {
    command: [process.execPath, program('cli/stats-main.js')],
    ...options,
    name,
    env: { REDIS_URL: fleet.redisUrl, CONVOY_API: fleet.machines[0]!.endpoint, ...env },
  });
}

const status = async (): Promise<MigrationStatus> => (await fleet.queue.status(MIGRATION))!;
const has =
  (...words: (string | RegExp)[]) =>
  (lines: string[]): boolean =>
    words.every((word) =>
      lines.some((line) => (typeof word === 'string' ? line.includes(word) : word.test(line))),
    );

/** The six states and their sum, as they stand in the block of that name. */
function statesOn(lines: string[], lane: 'tiles' | 'descriptors'): StateCounts {
  const count = (state: string): number => {
    const row = lines.map((line) => new RegExp(`│${state} +([\\d,]+) +([\\d,]+)│`).exec(line)).find(Boolean);
    return Number((row?.[lane === 'tiles' ? 1 : 2] ?? 'none').replaceAll(',', ''));
  };
  return {
    ...{ total: count('total'), ready: count('ready'), claimed: count('claimed'), delayed: count('delayed') },
    ...{ done: count('done'), skipped: count('skipped'), failed: count('failed') },
  };
}

test('p pauses: the exact states of Redis are on the screen, and r goes on', async () => {
  await screen.untilScreen(
    'a migration that runs',
    has(`${MIGRATION}  running`, 'Workers', /zh-import-blobs@2/),
  );
  await screen.sendKeys('p');
  await until('the pause', async () => (await status()).state === 'paused');
  expect((await status()).reason).toMatch(/zh-stats/);
  await until('workers that have given back their work', async () => (await status()).tiles.claimed === 0);
  const { tiles, descriptors } = await status();
  expect(tiles.done).toBeGreaterThan(0);
  const lines = await screen.untilScreen(
    'those numbers',
    (rows) => statesOn(rows, 'tiles').done === tiles.done && statesOn(rows, 'tiles').claimed === 0,
  );
  expect(statesOn(lines, 'tiles')).toEqual(tiles);
  expect(statesOn(lines, 'descriptors')).toEqual(descriptors);
  expect(lines[0]).toMatch(/paused/);
  await screen.sendKeys('r');
  await until('the resumption', async () => (await status()).state === 'running');
  await screen.untilScreen('that it runs', has(`${MIGRATION}  running`));
});

test('f shows what failed, Enter what is known of it, t tries it again', async () => {
  await until('the failure', async () => (await status()).tiles.failed === 1, 60_000);
  await screen.sendKeys('f');
  await screen.untilScreen('the failure', has(/>?\s*a9 +11\/2_3 +http-404 +404/));
  await screen.sendKeys('/', 'nothing', 'Enter');
  await screen.untilScreen('none of that name', has(/nothing/));
  await screen.sendKeys('/', 'C-u', 'reason=http-404', 'Enter');
  await screen.untilScreen('the failure', has(/^failures .*reason=http-404/, />a9 +11\/2_3/));
  await screen.sendKeys('Enter');
  await screen.untilScreen('the failure from near', has(ABSENT, 'http-404'));
  isMended = true;
  await screen.sendKeys('t');
  await until('the tile', async () => (await status()).tiles.failed === 0);
  await screen.sendKeys('Escape', 'Escape');
  await screen.untilScreen('the page', has('Workers'));
});

test('workers are ordered by rate and by failures, and Enter shows one with the end of its log', async () => {
  const workers = await fleet.queue.workers();
  await screen.sendKeys('o', 'o');
  const lines = await screen.untilScreen('the order', has('by failures'));
  const listed = lines.flatMap((line) => /(zh-\w+-\w+@\d) +[ab]{8} /.exec(line)?.[1] ?? []);
  expect(listed.toSorted()).toEqual(workers.map(({ unit }) => unit.replace('.service', '')).toSorted());
  await screen.sendKeys('Enter');
  const near = await screen.untilScreen('a worker and its log', has(`Unit  ${listed[0]}.service`, 'copying'));
  const worker = workers.find(({ unit }) => unit === `${listed[0]}.service`)!;
  expect(near.join('\n')).toContain(worker.worker);
  await screen.sendKeys('Escape', 'o');
  await screen.untilScreen('the order', has('by name'));
});

test('+ starts an importer, - asks before it takes it away', async () => {
  const client = openClient(fleet.machines[0]!.endpoint);
  try {
    const third = () => client.unit('zh-import-blobs@3.service');
    await screen.sendKeys('+');
    await until('a third importer', async () => (await third())?.record.target === 'launched');
    await screen.untilScreen('it at work', has(/zh-import-blobs@3 +[ab]{8}/), 30_000);
    await screen.sendKeys('-');
    await screen.untilScreen('the question', has(/Unload zh-import-blobs@3/));
    await screen.sendKeys('n');
    await screen.untilScreen('no question', (lines) => !has(/Unload zh-import-blobs@3/)(lines));
    expect((await third())?.record.target).toBe('launched');
    await screen.sendKeys('-');
    await screen.untilScreen('the question', has(/Unload zh-import-blobs@3/));
    await screen.sendKeys('y');
    await until('two importers', async () => {
      const unit = await third();
      return unit === null || (unit.record.target === 'inactive' && unit.states.length === 0);
    });
  } finally {
    client.close();
  }
});

test('a Redis that hangs is told of in place; the other page and all keys go on, and the numbers come back', async () => {
  const client = new Redis(fleet.redisUrl);
  const pid = Number(/process_id:(\d+)/.exec(await client.info('server'))?.[1]);
  client.disconnect();
  const before = statesOn(await screen.capture(), 'tiles').total;
  await freeze(pid);
  try {
    const lines = await screen.untilScreen(
      'that Redis is silent',
      has(/^Redis away since .*, numbers of /),
      20_000,
    );
    expect(statesOn(lines, 'tiles').total).toBe(before);
    await screen.sendKeys('2');
    await screen.untilScreen('the fleet', has('Machines', 'zh-redis.service'));
    await screen.sendKeys('1', '?');
    await screen.untilScreen('help', has('pause, resume the migration'));
    await screen.sendKeys('Escape');
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await screen.untilScreen('no trouble', (lines) => !has('Redis away')(lines), 20_000);
});

test('no window is too small, and the numbers are there again in a large one', async () => {
  await screen.resize(60, 15);
  await screen.untilScreen(
    'a small page',
    (lines) =>
      lines.length === 15 && has(MIGRATION, 'Progress')(lines) && /\? help {2}q quit$/.test(lines[14] ?? ''),
  );
  await screen.resize(40, 9);
  await screen.untilScreen(
    'lines',
    (lines) => lines.length === 9 && has(/of [\d,]+ tiles/)(lines) && !has('Progress')(lines),
  );
  for (const [columns, rows] of [
    [5, 3],
    [1, 1],
    [300, 3],
    [2, 80],
  ] as const)
    await screen.resize(columns, rows);
  await screen.resize(140, 45);
  const { tiles } = await status();
  await screen.untilScreen(
    'all of it',
    (lines) => statesOn(lines, 'tiles').total === tiles.total && has('Newest failures')(lines),
  );
});

test('q gives the terminal back as it was', async () => {
  await screen.sendKeys('q');
  expect(await screen.exit()).toBe(0);
  const { line, ...modes } = await screen.modes();
  expect(modes).toEqual({ alternateScreen: false, cursor: true, keypad: false, mouse: false });
  expect(line.after).toBe(line.before);
});

test.each(['SIGTERM', 'SIGHUP'] as const)('%s ends it, and the terminal is as it was', async (signal) => {
  const terminal = await open(signal);
  await terminal.untilScreen('the page', has('Workers'));
  process.kill(terminal.pid(), signal);
  expect(await terminal.exit()).toBe(0);
  const { line, ...modes } = await terminal.modes();
  expect(modes).toEqual({ alternateScreen: false, cursor: true, keypad: false, mouse: false });
  expect(line.after).toBe(line.before);
});

/** Of letters or the ground behind them, but the terminal's own (39, 49). */
const COLOURS = /\u001b\[(?:[\d;]*;)?(?:[34][0-8]|9\d|10\d)[\d;]*m/;

test('colours, unless NO_COLOR says none', async () => {
  const coloured = await open('colours', { term: 'xterm-256color' });
  await coloured.untilScreen('the page', has('Workers'));
  expect((await coloured.captureStyled()).join('')).toMatch(COLOURS);
  await coloured.sendKeys('q');
  const plain = await open('no-colours', { env: { NO_COLOR: '1' } });
  await plain.untilScreen('the page', has('Workers'));
  expect((await plain.captureStyled()).join('')).not.toMatch(COLOURS);
  await plain.sendKeys('C-c');
  expect(await plain.exit()).toBe(0);
});

test('a dumb terminal has plain lines', async () => {
  const terminal = await open('dumb', { term: 'dumb' });
  await terminal.untilScreen('lines', has(/^zoomit: [\d,]+ of [\d,]+ tiles/));
  expect((await terminal.modes()).alternateScreen).toBe(false);
  process.kill(terminal.pid(), 'SIGTERM');
  expect(await terminal.exit()).toBe(0);
});
