import { expect, test } from 'vitest';
import { createKnownImages } from '../../../../cli/dashboard/known-images.js';
import { createOpenedLook, NO_CONVOYD } from '../../../../cli/dashboard/opened-look.js';
import type { FailedAttempt, FailureRecord, OperatorQueue } from '../../../../jobs/work-queue.js';
import { transient } from '../../../../runtime/errors.js';

const COUNTS = { total: 0, ready: 0, claimed: 0, delayed: 0, done: 0, skipped: 0, failed: 0 };
const never = new AbortController().signal;

function record(at: number, change: Partial<FailureRecord> = {}): FailureRecord {
  const tile = { lane: 'tiles', image: 'big', first: at, count: 1 } as const;
  return { ...tile, reason: 'http-404', status: 404, attempt: 1, ...change };
}

/** A queue with so many failed tiles of one image, that counts how many were read. */
function failing(count: number) {
  const read = { records: 0, images: 0 };
  const queue = {
    status: async () => ({
      tiles: { ...COUNTS, failed: count },
      ...{ descriptors: COUNTS, verification: null, failures: { 'http-404': count } },
      images: { refused: 0 },
    }),
    async *failures() {
      for (let at = 0; at < count; at++) {
        read.records++;
        yield record(at);
      }
    },
    async image(_migration: string, id: string) {
      read.images++;
      return { image: { id, tiles: 9 } };
    },
    newestFailures: async () => [],
    workers: async () => [],
  };
  return { read, queue: queue as unknown as OperatorQueue };
}

function lookOn(queue: OperatorQueue, api: Parameters<typeof createOpenedLook>[0]['api'] = null) {
  return createOpenedLook({ queue, images: createKnownImages(queue), api });
}

const ALL = { kind: 'failures', migration: 'm', filter: {} } as const;

test('of a million failures a thousand are read, and the counters say how many there are', async () => {
  const { read, queue } = failing(1_000_000);
  const look = lookOn(queue);
  const found = await look.look(ALL, null, never);
  expect(found).toMatchObject({ of: ALL, kind: 'failures', matching: 1_000_000, trouble: null });
  expect(found.kind === 'failures' && found.failures).toHaveLength(1_000);
  expect(read.records).toBeLessThanOrEqual(1_001);
  expect(found.kind === 'failures' && [...found.images.keys()]).toEqual(['big']);
  await look.look(ALL, found, never);
  expect(read.images).toBe(1);
});

test('those that no counter counts are counted as far as they are read', async () => {
  const few = { ...ALL, filter: { status: 404 } };
  expect(await lookOn(failing(1_000).queue).look(few, null, never)).toMatchObject({ matching: 1_000 });
  const many = await lookOn(failing(1_001).queue).look(few, null, never);
  expect(many).toMatchObject({ matching: null });
  expect(many.kind === 'failures' && many.failures).toHaveLength(1_000);
});

test('nothing is read where the counters say that none failed, and no more than they say', async () => {
  const none = failing(0);
  expect(await lookOn(none.queue).look(ALL, null, never)).toMatchObject({ failures: [], matching: 0 });
  const one = failing(5);
  one.queue.status = async () => ({ ...(await failing(2).queue.status('m')) }) as never;
  expect(await lookOn(one.queue).look(ALL, null, never)).toMatchObject({ matching: 2 });
  expect(one.read.records).toBe(2);
});

test('what cannot be read stays, with the reason; the rest is read', async () => {
  const { queue } = failing(3);
  const of = { kind: 'image', migration: 'm', image: 'big' } as const;
  const before = await lookOn(queue).look(of, null, never);
  queue.image = () => Promise.reject(transient('Redis is away'));
  queue.newestFailures = async () => [{ ...record(1), at: 5, final: true, worker: 'w' }];
  const after = await lookOn(queue).look(of, before, never);
  expect(before).toMatchObject({ image: { image: { id: 'big' } }, attempts: [], trouble: null });
  expect(after).toMatchObject({
    image: { image: { id: 'big' } },
    attempts: [{ at: 5 }],
    trouble: 'Redis is away',
  });
});

test('a failure: as it stands, all attempts at its tiles, and its image', async () => {
  const { queue } = failing(0);
  const attempt = (change: Partial<FailedAttempt>): FailedAttempt => ({
    ...record(7),
    ...{ at: 1, final: false, worker: 'w' },
    ...change,
  });
  const asked: unknown[] = [];
  queue.failures = async function* (_migration, filter) {
    asked.push(filter);
    yield record(7, { count: 3 });
  };
  queue.newestFailures = async () => [
    attempt({ first: 5, count: 3 }),
    attempt({ first: 10 }),
    attempt({ first: 9 }),
    attempt({ image: 'other' }),
    attempt({ lane: 'checks' }),
  ];
  const of = { lane: 'tiles', image: 'big', first: 7, count: 3 } as const;
  const found = await lookOn(queue).look({ kind: 'failure', migration: 'm', failure: of }, null, never);
  expect(asked).toEqual([{ lane: 'tiles', image: 'big', range: { first: 7, end: 10 } }]);
  expect(found).toMatchObject({ record: { first: 7, count: 3 }, image: { image: { id: 'big' } } });
  expect(found.kind === 'failure' && found.attempts.map(({ first }) => first)).toEqual([5, 9]);
});

const UNIT = { kind: 'unit', unit: 'a@1.service', machine: null } as const;

test('a unit: the log of the machine that has it, the last 200 lines; of a worker that of its unit', async () => {
  const { queue } = failing(0);
  const asked: unknown[] = [];
  const lines = Array.from({ length: 300 }, (_, at) => `line ${at} ü`);
  const api = {
    why: async () => ({
      machine: 'b',
      machines: [
        { machine: 'a', state: {} },
        { machine: 'b', state: {} },
        { machine: 'c', state: null },
      ],
    }),
    async log(name: string, { machine }: { machine?: string }) {
      asked.push([name, machine]);
      return (async function* () {
        const bytes = Buffer.from(`${lines.join('\n')}\n`);
        for (let from = 0; from < bytes.length; from += 7) yield bytes.subarray(from, from + 7);
      })();
    },
  };
  const look = lookOn(queue, api as never);
  expect(await look.look(UNIT, null, never)).toMatchObject({ log: lines.slice(-200), trouble: null });
  await look.look({ ...UNIT, machine: 'a' }, null, never);
  expect(await look.look({ ...UNIT, machine: 'c' }, null, never)).toMatchObject({ log: [] });
  queue.workers = async () => [{ worker: 'w', unit: 'x.service', machine: 'c' }] as never;
  const worker = await look.look({ kind: 'worker', worker: 'w' }, null, never);
  expect(worker).toMatchObject({ report: { unit: 'x.service' }, log: lines.slice(-200) });
  expect(asked).toEqual([
    ['a@1.service', 'b'],
    ['a@1.service', 'a'],
    ['x.service', 'c'],
  ]);
  // One that has ended is told as it was last.
  queue.workers = async () => [];
  expect(await look.look({ kind: 'worker', worker: 'w' }, worker, never)).toMatchObject({
    report: { worker: 'w' },
  });
});

test('without a convoyd what is of the fleet says how to get one', async () => {
  const { queue } = failing(0);
  expect(await lookOn(queue).look(UNIT, null, never)).toMatchObject({ trouble: NO_CONVOYD });
  queue.workers = async () => [{ worker: 'w', unit: '', machine: '' }] as never;
  expect(await lookOn(queue).look({ kind: 'worker', worker: 'w' }, null, never)).toMatchObject({
    ...{ report: { worker: 'w' }, trouble: null },
  });
});

test('it ends as soon as it is given up, whatever hangs', async () => {
  const { queue } = failing(0);
  queue.image = () => new Promise(() => undefined);
  const closing = new AbortController();
  const look = lookOn(queue).look({ kind: 'image', migration: 'm', image: 'i' }, null, closing.signal);
  closing.abort();
  await expect(look).rejects.toMatchObject({ kind: 'aborted' });
});
