import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../../agent/ground.js';
import type { UnitReport } from '../../../api/wire.js';
import { type ApiClient, openClient } from '../../../cli/client.js';
import { createHands, type Hands } from '../../../cli/dashboard/hands.js';
import type { Intent } from '../../../cli/dashboard/intent.js';
import { operatorWords } from '../../../cli/operator.js';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import type { FailureFilter } from '../../../jobs/work-queue.js';
import { claim, definition, failure, LARGE, point } from '../../contracts/queue-cases.js';
import { type TestMachine, testMachine, writeUnit } from '../../support/fleet.js';
import { untilMachines } from '../../support/fleet-view.js';
import { type TestServer, testEtcd, testRedis, useGround } from '../../support/services.js';
import { until } from '../../support/until.js';

/** What the hands of the dashboard do, read back from Redis and from convoyd. */
const ground = useGround('dashboard-hands');
const signal = new AbortController().signal;
const READER = 'r'.repeat(32);
const SLEEP = '[Service]\nExecStart=/bin/sleep infinity\n';
let redis: TestServer;
let queue: RedisQueue;
let machine: TestMachine;
let api: ApiClient;
let reader: ApiClient;
let hands: Hands;

beforeAll(async () => {
  redis = await testRedis(ground);
  queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 2_000 });
  const tokens = join(ground.dir, 'tokens');
  writeFileSync(tokens, `reader read ${READER}\n`, { mode: 0o600 });
  const listen = `127.0.0.1:${await freePort()}`;
  const { url } = await testEtcd(ground);
  machine = await testMachine(ground, 'a', url, ['--listen', listen, '--api-tokens', tokens]);
  await untilMachines(machine, 1);
  api = openClient(machine.endpoint);
  reader = openClient(`http://${listen}`, { token: READER });
  hands = createHands({ queue, api, cwd: machine.dir, by: operatorWords({ USER: 'ada' }, 'zh-stats') });
}, 60_000);
afterAll(async () => {
  api?.close();
  reader?.close();
  await queue?.close();
});

const act = (intent: Intent, by: Hands = hands): Promise<string> => by.perform(intent, signal);
const unit = async (name: string): Promise<UnitReport> => (await api.unit(name))!;
const status = async (name: string) => (await queue.status(name))!;

/** Of 25 tiles 4 failed, in two runs. */
async function migration(name: string): Promise<string> {
  await queue.createMigration(definition({ name, rangeSize: 100 }));
  await queue.beginPlan(name, 'list');
  await queue.addImages(name, [{ id: 'abc', geometry: LARGE }]);
  await queue.closePlan(name, 'list');
  const { token, end } = await claim(queue, { migration: name });
  const failed = [failure(2, 3), failure(20, 1, { reason: 'http-503', status: 503 })];
  await queue.checkpoint(token, name, point(1, end, { done: end - 4, failed }));
  return name;
}
const tiles = (first: number, count: number): FailureFilter => ({
  ...{ lane: 'tiles', image: 'abc' },
  range: { first, end: first + count },
});

describe('migrations', () => {
  test('are paused with who did it, and resumed', async () => {
    const name = await migration('rests');
    expect(await act({ kind: 'pause', migration: name })).toBe('paused rests');
    expect(await status(name)).toMatchObject({ state: 'paused', reason: 'by ada with zh-stats' });
    expect(await act({ kind: 'resume', migration: name })).toBe('resumed rests');
    expect(await status(name)).toMatchObject({ state: 'running', reason: '' });
  });

  test('failures that match one of the filters go back to work, and no others', async () => {
    const name = await migration('fails');
    const retry = (...filters: FailureFilter[]) => act({ kind: 'retry', migration: name, filters });
    expect(await retry(tiles(2, 1), tiles(20, 1))).toBe('put 2 failed items of fails back to work');
    expect((await status(name)).tiles).toMatchObject({ ready: 2, failed: 2 });
    await queue.pause(name, 'x');
    expect(await retry({ reason: 'http-404' })).toBe(
      'put 2 failed items of fails back to work: it is paused, r resumes it',
    );
    expect((await status(name)).tiles).toMatchObject({ ready: 4, failed: 0 });
    expect(await retry(tiles(2, 3))).toBe('nothing of that in fails has failed any more');
  });

  test('one that was cancelled, or never was, is told as Redis tells it', async () => {
    const name = await migration('over');
    await queue.cancel(name, 'enough');
    await expect(act({ kind: 'resume', migration: name })).rejects.toMatchObject({ code: 'cancelled' });
    await expect(act({ kind: 'pause', migration: 'none' })).rejects.toMatchObject({ code: 'not-found' });
  });

  test('what is asked is done in turn, and a failure holds up nothing', async () => {
    const name = await migration('turns');
    const acts = [
      act({ kind: 'pause', migration: name }),
      act({ kind: 'pause', migration: 'none' }).catch((error: Error) => error.message),
      act({ kind: 'resume', migration: name }),
    ];
    await Promise.all(acts);
    expect((await status(name)).state).toBe('running');
  });

  test('who gives up hears so at once, and what had not begun is not done', async () => {
    const name = await migration('given-up');
    const gone = new AbortController();
    const first = hands.perform({ kind: 'pause', migration: 'none' }, signal).catch(() => '');
    const second = hands.perform({ kind: 'pause', migration: name }, gone.signal);
    gone.abort();
    await expect(second).rejects.toMatchObject({ kind: 'aborted' });
    await first;
    await act({ kind: 'retry', migration: name, filters: [] });
    expect((await status(name)).state).toBe('running');
  });
});

describe('units', () => {
  beforeAll(async () => {
    writeUnit(machine, 'web.service', SLEEP);
    await machine.ctl('submit', 'web.service');
  });

  test('are started and stopped by their target', async () => {
    expect(await act({ kind: 'start', unit: 'web.service' })).toBe('starting web.service');
    expect((await unit('web.service')).record.target).toBe('launched');
    await until('it runs', async () => (await unit('web.service')).states[0]?.active === 'active');
    expect(await act({ kind: 'start', unit: 'web.service' })).toBe('web.service is told to run already');
    expect(await act({ kind: 'stop', unit: 'web.service' })).toBe('stopping web.service');
    expect((await unit('web.service')).record.target).toBe('loaded');
    await until('it has stopped', async () => (await unit('web.service')).states[0]?.active === 'inactive');
  });

  test('one that was unloaded meanwhile is not loaded by a stop', async () => {
    await machine.ctl('unload', 'web.service');
    expect(await act({ kind: 'stop', unit: 'web.service' })).toBe('web.service is told to stop already');
    expect((await unit('web.service')).record.target).toBe('inactive');
  });

  test('one that was destroyed meanwhile is told', async () => {
    await expect(act({ kind: 'start', unit: 'gone.service' })).rejects.toThrow(
      'gone.service is not in the registry',
    );
  });
});

describe('importers', () => {
  const wanted = async (): Promise<string[]> =>
    (await api.unitReports())
      .filter(({ record }) => /^zh-import/.test(record.name) && record.target === 'launched')
      .map(({ record }) => record.name);

  const fewer = (number: number) => act({ kind: 'scale', by: -1, unit: `zh-import-blobs@${number}.service` });

  test('without a template or a file it is said what to submit', async () => {
    const elsewhere = createHands({ queue, api, cwd: ground.dir, by: '' });
    await expect(act({ kind: 'scale', by: 1 }, elsewhere)).rejects.toThrow(
      `there is no zh-import-blobs@.service in the registry, nor in ${ground.dir}: submit the one of units/shipped with convoyctl submit`,
    );
    await expect(fewer(1)).rejects.toThrow('none is: nothing was changed');
  });

  test('one more is the lowest number that is free, one fewer the highest, and others stay as they are', async () => {
    writeUnit(machine, 'zh-import-blobs@.service', SLEEP);
    expect(await act({ kind: 'scale', by: 1 })).toBe(
      'starting zh-import-blobs@1.service: 1 importer wanted now',
    );
    await machine.ctl('start', 'zh-import-blobs@3.service');
    expect(await act({ kind: 'scale', by: 1 })).toBe(
      'starting zh-import-blobs@2.service: 3 importers wanted now',
    );
    expect(await wanted()).toEqual([1, 2, 3].map((at) => `zh-import-blobs@${at}.service`));
    const before = await unit('zh-import-blobs@1.service');
    expect(await fewer(3)).toBe('unloading zh-import-blobs@3.service: 2 importers wanted now');
    expect((await unit('zh-import-blobs@3.service')).record.target).toBe('inactive');
    expect(await wanted()).toEqual([1, 2].map((at) => `zh-import-blobs@${at}.service`));
    expect((await unit('zh-import-blobs@1.service')).record).toEqual(before.record);
  });

  test('the one that was asked about is not unloaded once it is not the last, nor is any other', async () => {
    const before = await wanted();
    await expect(fewer(1)).rejects.toMatchObject({
      kind: 'conflict',
      message:
        'zh-import-blobs@1.service is not the last importer wanted any more, zh-import-blobs@2.service is: nothing was changed',
    });
    expect(await wanted()).toEqual(before);
  });

  test('asked for twice at once, there are two more', async () => {
    const count = (await wanted()).length;
    await Promise.all([act({ kind: 'scale', by: 1 }), act({ kind: 'scale', by: 1 })]);
    expect(await wanted()).toHaveLength(count + 2);
  });

  test('the text is that of the template in the registry, else that of the last importer', async () => {
    const optionsOf = async (name: string) => (await unit(name)).record.options;
    const like = `${SLEEP}[Unit]\nDescription=the importer that runs\n`;
    writeUnit(machine, 'zh-import-blobs@5.service', like);
    await machine.ctl('start', 'zh-import-blobs@5.service');
    await act({ kind: 'scale', by: 1 });
    expect(await optionsOf('zh-import-blobs@6.service')).toEqual(
      await optionsOf('zh-import-blobs@5.service'),
    );
    writeUnit(machine, 'zh-import-blobs@.service', `${SLEEP}[Unit]\nDescription=the template\n`);
    await machine.ctl('submit', 'zh-import-blobs@.service');
    await act({ kind: 'scale', by: 1 });
    expect(await optionsOf('zh-import-blobs@7.service')).toEqual(await optionsOf('zh-import-blobs@.service'));
  });
});

describe('machines', () => {
  const report = async () => (await api.machineReports())[0]!;

  test('are drained and take units again', async () => {
    expect(await act({ kind: 'drain', machine: machine.id })).toBe(
      'machine aaaaaaaa... takes no new units, and its units leave it',
    );
    expect(await report()).toMatchObject({ draining: true });
    expect(await act({ kind: 'uncordon', machine: machine.id })).toBe(
      'machine aaaaaaaa... takes units again',
    );
    expect(await report()).toMatchObject({ draining: false, cordoned: false });
  });
});

describe('whoever may only read', () => {
  const machine = 'a'.repeat(32);
  const intents: readonly (readonly [Intent, string])[] = [
    [{ kind: 'start', unit: 'web.service' }, 'operate'],
    [{ kind: 'stop', unit: 'zh-import-blobs@1.service' }, 'operate'],
    [{ kind: 'scale', by: 1 }, 'operate'],
    [{ kind: 'scale', by: -1, unit: 'zh-import-blobs@7.service' }, 'operate'],
    [{ kind: 'drain', machine }, 'admin'],
    [{ kind: 'uncordon', machine }, 'admin'],
  ];

  test.each(intents)('is refused %j in the words of the API, and nothing changes', async (intent, role) => {
    const before = [await api.unitReports(), await api.machineReports()];
    const only = createHands({ queue, api: reader, cwd: ground.dir, by: '' });
    await expect(act(intent, only)).rejects.toThrow(`reader has the role read: this needs the role ${role}`);
    const records = (reports: readonly UnitReport[]) => reports.map(({ record }) => record);
    const [units, machines] = before as [UnitReport[], unknown];
    expect(records(await api.unitReports())).toEqual(records(units));
    expect(await api.machineReports()).toEqual(machines);
  });
});

test('where no convoyd is known, that is said; while Redis is away, that is', async () => {
  const alone = createHands({ queue, api: null, cwd: machine.dir, by: '' });
  await expect(act({ kind: 'scale', by: 1 }, alone)).rejects.toThrow('no convoyd is known here');
  const name = await migration('away');
  await redis.kill();
  await expect(act({ kind: 'pause', migration: name })).rejects.toMatchObject({ kind: 'transient' });
});
