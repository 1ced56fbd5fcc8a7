import fc from 'fast-check';
import { afterAll, beforeAll, it } from 'vitest';
import { definition, LARGE } from '../../contracts/queue-cases.js';
import { type Inspector, inspect } from '../../support/queue-inspector.js';
import { seeded } from '../../support/seed.js';
import { type TestServer, testRedis, useGround } from '../../support/services.js';
import { BothQueues, MIGRATIONS } from './both-queues.js';
import { filter, step } from './steps.js';

/**
 * Random sequences of every transition by several workers, on Redis and on the model. After each step: every item is in
 * exactly one state, the counters agree with the structures, and both with the model.
 */
const ground = useGround('queue-property');
let redis: TestServer;
let inspector: Inspector;
beforeAll(async () => {
  redis = await testRedis(ground);
  inspector = inspect(redis.url);
});
afterAll(() => inspector.close());

it('keeps every tile in exactly one state, as the model does', { timeout: 180_000 }, async () => {
  const named = step.map(([name, perform]) => Object.assign(perform, { [fc.toStringMethod]: () => name }));
  const steps = fc.array(named, { minLength: 10, maxLength: 40, size: 'max' });
  const incomplete = fc.constantFrom('withhold' as const, 'publish' as const);
  await fc.assert(
    fc.asyncProperty(steps, incomplete, filter, async (list, policy, which) => {
      await inspector.command('FLUSHALL');
      const run = new BothQueues(redis.url, inspector);
      try {
        for (const name of MIGRATIONS)
          await run.both((queue) =>
            queue.createMigration(
              definition({ name, stopAfterFailures: 0.4, stopAfterTiles: 25, incomplete: policy }),
            ),
          );
        await run.both((queue) => queue.addImages('m', [{ id: 'i1', geometry: LARGE }]));
        for (const perform of list) {
          await perform(run);
          await run.agree(which);
        }
      } finally {
        await run.queue.close();
      }
    }),
    { ...seeded(60), interruptAfterTimeLimit: 60_000 },
  );
});
