import fc from 'fast-check';
import {
  type FailureFilter,
  type ImageGeometry,
  LANES,
  type PlannedImage,
} from '../../../jobs/work-queue.js';
import { LARGE, SMALL } from '../../contracts/queue-cases.js';
import { type BothQueues, type Held, LONG, MIGRATIONS, type Settling, SHORT } from './both-queues.js';

/** Something that one or several workers, a populate job or an operator does, with its name for the counter-example. */
export type Step = [name: string, perform: (run: BothQueues) => Promise<void>];

/** Levels of 1, 1 and 1 tile. */
const TINY: ImageGeometry = { width: 4, height: 4, tileSize: 4, overlap: 0, format: 'png' };

const migration = fc.constantFrom(...MIGRATIONS);
const lease = fc.constantFrom(SHORT, LONG, LONG);
const lane = fc.constantFrom(...LANES, 'tiles' as const);
const rarely = (most: number): fc.Arbitrary<boolean> =>
  fc.integer({ min: 0, max: most }).map((chance) => chance === 0);

const settling: fc.Arbitrary<Settling> = fc.record({
  count: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 12 })),
  bad: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 3 })),
  place: fc.integer({ min: 0, max: 5 }),
  skipped: fc.integer({ min: 0, max: 2 }),
  reason: fc.constantFrom('http-404', 'http-404', 'truncated'),
  status: fc.constantFrom(404, 404, 0),
  delayMs: fc.constantFrom(null, null, null, null, SHORT, SHORT, SHORT, LONG),
  digest: fc.constantFrom('0123456789abcdef'.repeat(2), 'fedcba98'.repeat(4), '0f1e2d3c4b5a6978'.repeat(2)),
  release: rarely(5),
  forget: rarely(19),
  agrees: fc.boolean(),
  blind: rarely(4),
  restart: rarely(4),
});
/** Mostly good: so that migrations are finished and images match. */
const smooth: fc.Arbitrary<Settling> = fc
  .tuple(settling, rarely(3))
  .map(([pick, rough]) =>
    rough ? pick : { ...pick, bad: 0, release: false, agrees: true, blind: false, restart: false },
  );

/** One of the claims ever given, the newest first. */
const some = fc.integer({ min: 0, max: 5 });
const at = (run: BothQueues, back: number): Held | undefined =>
  run.held.at(-1 - (back % Math.max(1, run.held.length)));

const id = fc.integer({ min: 0, max: 6 }).map((number) => `i${number}`);
const planned: fc.Arbitrary<PlannedImage> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ id, geometry: fc.constantFrom(TINY, TINY, SMALL, LARGE) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      id,
      reason: fc.constantFrom('not-xml', 'http-404'),
      status: fc.constantFrom(0, 404),
    }),
  },
);
const list = fc.constantFrom('a.txt', 'b.txt');

const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined, freq: 1 });
export const filter: fc.Arbitrary<FailureFilter> = fc
  .record({
    lane: optional(fc.constantFrom(...LANES, 'images' as const)),
    reason: optional(fc.constantFrom('http-404', 'truncated')),
    image: optional(id),
    status: optional(fc.constantFrom(404, 0)),
    range: optional(
      fc.record({ first: fc.integer({ min: 0, max: 9 }), end: fc.integer({ min: 1, max: 26 }) }),
    ),
  })
  .map((given) => Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));

const cap = fc.option(fc.integer({ min: 1, max: 1000 }));
const options = fc.record({ sample: fc.constantFrom(1, 0.1), read: fc.boolean(), unpublish: fc.boolean() });

const named = (weight: number, arbitrary: fc.Arbitrary<Step>): fc.WeightedArbitrary<Step> => ({
  weight,
  arbitrary,
});

export const step: fc.Arbitrary<Step> = fc.oneof(
  named(
    4,
    fc
      .tuple(migration, fc.array(planned, { minLength: 1, maxLength: 4 }))
      .map(
        ([name, images]): Step => [
          `add ${name} ${JSON.stringify(images)}`,
          (run) => run.both((queue) => queue.addImages(name, images)),
        ],
      ),
  ),
  named(
    1,
    fc
      .tuple(migration, fc.array(id, { maxLength: 4 }))
      .map(
        ([name, ids]): Step => [
          `known ${name} ${ids.join(' ')}`,
          (run) => run.both((queue) => queue.knownImages(name, ids)),
        ],
      ),
  ),
  named(
    1,
    fc
      .tuple(migration, list)
      .map(
        ([name, which]): Step => [
          `begin ${name} ${which}`,
          (run) => run.both((queue) => queue.beginPlan(name, which)),
        ],
      ),
  ),
  named(
    2,
    fc
      .tuple(migration, fc.option(list, { freq: 2 }))
      .map(
        ([name, which]): Step => [
          `close ${name} ${which}`,
          (run) => run.both((queue) => queue.closePlan(name, which)),
        ],
      ),
  ),
  named(
    10,
    fc.tuple(lane, lease, fc.option(migration, { freq: 2, nil: undefined })).map(
      ([on, ms, name]): Step => [
        `claim ${on} ${ms} ${name ?? 'any'}`,
        async (run) => {
          await run.claim(on, ms, name);
        },
      ],
    ),
  ),
  named(
    16,
    fc.tuple(some, settling).map(
      ([back, pick]): Step => [
        `checkpoint -${back} ${JSON.stringify(pick)}`,
        async (run) => {
          const held = at(run, back);
          if (held !== undefined) await run.checkpoint(held, pick);
        },
      ],
    ),
  ),
  named(
    3,
    fc.tuple(some, some).map(
      ([back, old]): Step => [
        `checkpoint again -${back} -${old}`,
        async (run) => {
          const held = at(run, back);
          if (held !== undefined) await run.checkpointAgain(held, old);
        },
      ],
    ),
  ),
  named(
    2,
    some.map(
      (back): Step => [
        `claim again -${back}`,
        async (run) => {
          const held = at(run, back);
          if (held !== undefined) await run.claimAgain(held);
        },
      ],
    ),
  ),
  named(3, fc.constant<Step>(['reclaim', (run) => run.reclaim()])),
  named(
    3,
    fc.tuple(lane, migration, fc.array(fc.option(settling, { freq: 2 }), { maxLength: 9, size: 'max' })).map(
      ([on, name, picks]): Step => [
        `lose ${on} ${name} ${JSON.stringify(picks)}`,
        async (run) => {
          for (const pick of picks) {
            const held = await run.claim(on, SHORT, name);
            if (pick !== null && held !== null)
              await run.checkpoint(held, { ...pick, count: Math.min(1, pick.count) });
            await run.reclaim();
          }
        },
      ],
    ),
  ),
  named(
    5,
    fc
      .tuple(migration, lane, fc.array(smooth, { minLength: 1, maxLength: 3 }))
      .map(
        ([name, on, picks]): Step => [
          `work ${name} ${on} ${JSON.stringify(picks)}`,
          (run) => run.work(on, name, picks),
        ],
      ),
  ),
  named(
    5,
    fc.tuple(migration, fc.array(smooth, { minLength: 1, maxLength: 3 }), options, fc.boolean()).map(
      ([name, picks, how, through]): Step => [
        `finish and verify ${name} ${JSON.stringify([picks, how, through])}`,
        async (run) => {
          await run.finish(name, picks);
          await run.verify(name, how);
          if (through) await run.work('checks', name, picks);
        },
      ],
    ),
  ),
  named(
    2,
    fc
      .tuple(migration, options)
      .map(([name, how]): Step => [`verify ${name} ${JSON.stringify(how)}`, (run) => run.verify(name, how)]),
  ),
  named(
    2,
    fc
      .tuple(migration, id)
      .map(
        ([name, image]): Step => [
          `accept ${name} ${image}`,
          (run) => run.both((queue) => queue.accept(name, image)),
        ],
      ),
  ),
  named(
    1,
    fc
      .tuple(migration, cap, cap)
      .map(
        ([name, requestsPerSecond, bytesPerSecond]): Step => [
          `limit ${name} ${requestsPerSecond} ${bytesPerSecond}`,
          (run) => run.both((queue) => queue.limit(name, { requestsPerSecond, bytesPerSecond })),
        ],
      ),
  ),
  named(
    3,
    fc
      .tuple(migration, filter)
      .map(
        ([name, which]): Step => [
          `requeue ${name} ${JSON.stringify(which)}`,
          (run) => run.both((queue) => queue.requeueFailures(name, which)),
        ],
      ),
  ),
  named(
    1,
    migration.map((name): Step => [`pause ${name}`, (run) => run.both((queue) => queue.pause(name, 'x'))]),
  ),
  named(
    3,
    migration.map((name): Step => [`resume ${name}`, (run) => run.both((queue) => queue.resume(name))]),
  ),
  named(
    1,
    rarely(3).map(
      (now): Step => [
        `cancel? ${now}`,
        async (run) => {
          if (now) await run.both((queue) => queue.cancel('n', 'x'));
        },
      ],
    ),
  ),
);
