import { expect, test } from 'vitest';
import { populate } from '../../../jobs/populate.js';
import type { PlanQueue } from '../../../jobs/work-queue.js';
import { systemClock } from '../../../runtime/clock.js';
import { conflict } from '../../../runtime/errors.js';
import { silentLog } from '../../../runtime/log.js';
import { NO_PROPERTIES } from '../../../stores/store.js';
import { MemoryQueue } from '../../fakes/memory-queue.js';
import { memoryStore } from '../../fakes/memory-store.js';
import { descriptorBody } from '../../support/tile-source.js';

const GEOMETRY = { width: 600, height: 400, tileSize: 254, overlap: 1, format: 'jpg' };
const clock = { ...systemClock(), sleep: () => Promise.resolve() };

test('a Redis that loses its last second after the plan was closed gets the lost part again', async () => {
  const memory = new MemoryQueue(clock);
  await memory.createMigration({
    ...{ name: 'm', source: 'http://127.0.0.1/x', destination: 'file:///x', rangeSize: 100 },
    ...{ maxAttempts: 3, stopAfterFailures: 0.01, stopAfterTiles: 10_000, serverSide: 'auto' as const },
  });
  const source = memoryStore();
  const bytes = Buffer.from(descriptorBody(GEOMETRY));
  for (const id of ['a', 'b'])
    source.objects.set(`${id}.dzi`, {
      ...NO_PROPERTIES,
      bytes,
      size: bytes.length,
      md5: null,
      modifiedMs: null,
    });

  // The first closing is answered and then forgotten, with the second image and the place in the list.
  let closings = 0;
  const queue: PlanQueue = {
    addImage: (name, id, geometry) =>
      id === 'b' && closings === 0 ? Promise.resolve('added') : memory.addImage(name, id, geometry),
    refuseImage: (...args) => memory.refuseImage(...args),
    planCursor: () => Promise.resolve(closings === 0 ? 0 : 1),
    movePlanCursor: (...args) => memory.movePlanCursor(...args),
    closePlan(name) {
      closings += 1;
      if (closings === 1) return Promise.resolve();
      if (closings === 2) return Promise.reject(conflict('Redis was started again', { code: 'restarted' }));
      return memory.closePlan(name);
    },
  };
  await populate(
    {
      ...{ migration: 'm', queue, source, clock, random: () => 0, log: silentLog },
      lines: async function* () {
        yield* ['a', 'b'];
      },
      outage: { open: async () => undefined, blames: async () => false, served: () => undefined },
      whileRunning: async () => undefined,
      pause: () => Promise.reject(new Error('nothing is hopeless here')),
    },
    new AbortController().signal,
  );
  expect(await memory.status('m')).toMatchObject({ planClosed: true, images: { total: 2, refused: 0 } });
  expect(closings).toBe(4);
});
