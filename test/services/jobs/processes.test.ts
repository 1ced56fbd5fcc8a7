import { availableParallelism } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import type { WorkerReport } from '../../../jobs/work-queue.js';
import { freeze } from '../../support/freeze.js';
import { exitOf, useMigrations } from '../../support/migration-ground.js';
import type { Running } from '../../support/migration-processes.js';
import { until } from '../../support/until.js';

const IMAGE = { width: 1000, height: 700, tileSize: 50, overlap: 1, format: 'jpg' };
const ground = useMigrations('processes');
afterEach(() => {
  ground.source.fault = () => null;
});

const start = (name: string, ...args: string[]): Running =>
  ground.start('import-blobs', ['--migration', name, ...args], { CONVOY_UNIT: `${name}.service` });
/** Of all processes it has started, in order. */
const pidsOf = (running: Running): number[] =>
  [...ground.logOf(running).matchAll(/"pid":(\d+),"msg":"process started"/g)].map(([, pid]) => Number(pid));
const isGone = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
};
const workersOf = async (name: string): Promise<WorkerReport[]> =>
  (await ground.queue.workers()).filter(({ unit }) => unit === `${name}.service`);
const slowly = (ms: number): void => {
  ground.source.fault = () => ({ kind: 'slow', ms });
};
const asked = (image: string): number =>
  ground.source.requests.filter((key) => key.startsWith(`${image}_files/`)).length;

test('each process is a worker of its own; told to stop (SIGTERM) all finish, give back and end', async () => {
  const name = await ground.plan({ stop: { ...IMAGE, width: 4000 } });
  slowly(200);
  const running = start(name, '--processes', '2');
  const workers = await until('both to report', async () => {
    const found = await workersOf(name);
    return found.length === 2 && found.every(({ state }) => state === 'copying') && found;
  });
  expect(new Set(workers.map(({ worker }) => worker)).size).toBe(2);
  running.child.kill('SIGTERM');
  expect(await exitOf(running, 10_000)).toEqual({ code: 0 });
  expect(pidsOf(running)).toHaveLength(2);
  expect(pidsOf(running).every(isGone)).toBe(true);
  const { tiles, reclaimed } = await ground.status(name);
  expect(tiles).toMatchObject({ claimed: 0, failed: 0, delayed: 0, done: asked('stop') });
  expect(reclaimed).toBe(0);
});

test('a supervisor that tells every process to stop, the parent too, ends them just as well', async () => {
  const name = await ground.plan({ all: { ...IMAGE, width: 4000 } });
  slowly(200);
  const running = start(name, '--processes', '2');
  await until('tiles in flight', () => asked('all') > 5);
  for (const pid of [...pidsOf(running), running.child.pid!]) process.kill(pid, 'SIGTERM');
  expect(await exitOf(running, 10_000)).toEqual({ code: 0 });
  expect((await ground.status(name)).tiles).toMatchObject({ claimed: 0, failed: 0, done: asked('all') });
});

test('a process that dies is followed by another, said with its signal, and the migration is finished', async () => {
  const name = await ground.plan({ dies: IMAGE });
  slowly(30);
  const running = start(name, '--processes', '2', '--until-empty');
  const [first] = await until('both', () => pidsOf(running).length === 2 && pidsOf(running));
  await until('tiles to be copied', async () => (await ground.status(name)).tiles.done > 0);
  process.kill(first!, 'SIGKILL');
  await until('another', () => pidsOf(running).length === 3);
  expect(ground.logOf(running)).toMatch(
    /"ended":"SIGKILL","msg":"process ended unexpectedly \(SIGKILL\): another is started in 0\.\d s"/,
  );
  expect(await exitOf(running, 60_000)).toEqual({ code: 0 });
  const { tiles } = await ground.status(name);
  expect(tiles).toMatchObject({ done: tiles.total, failed: 0 });
  expect(pidsOf(running).every(isGone)).toBe(true);
});

test('a parent that dies (SIGKILL) while its processes start takes them along', async () => {
  const name = await ground.plan({ early: IMAGE });
  const running = start(name, '--processes', '2');
  await until('both to be started', () => pidsOf(running).length === 2);
  await running.kill();
  const pids = pidsOf(running);
  await until('its processes to end', () => pids.every(isGone));
  expect(pids).toHaveLength(2);
  const { tiles } = await ground.status(name);
  expect(tiles).toMatchObject({ claimed: 0, failed: 0, done: asked('early') });
});

test('a parent that dies (SIGKILL) takes its processes along, and their claims come back', async () => {
  const name = await ground.plan({ orphans: { ...IMAGE, width: 4000 } });
  slowly(100);
  const running = start(name, '--processes', '2');
  await until('tiles in flight', () => asked('orphans') > 5);
  const pids = pidsOf(running);
  await running.kill();
  await until('its processes to end', () => pids.every(isGone));
  expect(pids).toHaveLength(2);
  const { tiles, reclaimed } = await ground.status(name);
  expect(tiles).toMatchObject({ claimed: 0, failed: 0, done: asked('orphans') });
  expect(reclaimed).toBe(0);
});

test('a process that does not end when told to is killed in the time that the shipped units allow', async () => {
  const name = await ground.plan({ frozen: { ...IMAGE, width: 4000 } });
  slowly(100);
  const running = start(name, '--processes', '2');
  await until('tiles in flight', () => asked('frozen') > 5);
  const [first] = pidsOf(running);
  await freeze(first!);
  running.child.kill('SIGTERM');
  // TimeoutStopSec=15s
  expect(await exitOf(running, 15_000)).toEqual({ code: 1 });
  expect(pidsOf(running).every(isGone)).toBe(true);
  expect(ground.logOf(running)).toContain('process has not ended 12 s after being told to: killed');
  await ground.queue.cancel(name, 'the test');
});

test.each([
  [false, 0],
  [true, 1],
])('--until-empty with failures: %s ends all and exits %i', async (withFailures, code) => {
  const image = `empty${code}`;
  const name = await ground.plan({ [image]: IMAGE });
  const bad = `${image}_files/10/0_0.jpg`;
  if (withFailures) ground.source.fault = (key) => (key === bad ? { kind: 'status', status: 404 } : null);
  const running = start(name, '--processes', '2', '--until-empty');
  expect(await exitOf(running, 60_000)).toEqual({ code });
  const { tiles } = await ground.status(name);
  expect(tiles).toMatchObject({ done: tiles.total - code, failed: code, claimed: 0 });
});

test('--max-rps is of all processes together', async () => {
  const name = await ground.plan({ limited: { ...IMAGE, width: 400, height: 400 } });
  const times: number[] = [];
  ground.source.fault = (key) => {
    if (key.startsWith('limited_files/')) times.push(performance.now());
    return null;
  };
  const running = start(name, '--processes', '4', '--max-rps', '20', '--until-empty');
  expect(await exitOf(running, 60_000)).toEqual({ code: 0 });
  const seconds = (times.at(-1)! - times[0]!) / 1000;
  // Each of the four may begin at once; from then on 20 a second.
  expect(times.length).toBeGreaterThan(50);
  expect(times.length).toBeLessThanOrEqual(20 * seconds + 4);
});

test('auto = as many as this machine runs at once; from the environment as well', async () => {
  const running = ground.start('import-blobs', [], {
    ZH_PROCESSES: 'auto',
    REDIS_URL: 'redis://127.0.0.1:1',
  });
  const wanted = availableParallelism();
  if (wanted === 1) await until('the one', () => ground.logOf(running).includes('"started"'));
  else await until('all', () => pidsOf(running).length === wanted);
  running.child.kill('SIGTERM');
  expect(await exitOf(running)).toEqual({ code: 0 });
  expect(pidsOf(running)).toHaveLength(wanted === 1 ? 0 : wanted);
});

test.each([
  [
    ['--processes', '0'],
    {},
    'zh-import-blobs: --processes: expected auto, or a whole number from 1 to 256, got "0"',
  ],
  [['--processes', '3'], { REDIS_URL: 'localhost' }, 'write it as redis://host:port'],
  [['--processes', '3'], { REDIS_URL: '' }, 'no way to find Redis'],
])('with %j and %j exits 2 with one sentence', async (args, env, words) => {
  const running = ground.start('import-blobs', [...args, '--log-level', 'error'], env);
  expect(await exitOf(running)).toEqual({ code: 2 });
  const lines = ground.logOf(running).trim().split('\n');
  expect(lines).toEqual([expect.stringContaining(words)]);
});
