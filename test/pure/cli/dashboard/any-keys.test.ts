import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Intent } from '../../../../cli/dashboard/intent.js';
import { KEYS } from '../../../../cli/dashboard/keys.js';
import { layOut } from '../../../../cli/dashboard/layout.js';
import type { About, BlockId, Row } from '../../../../cli/dashboard/page.js';
import { type Pressed, press } from '../../../../cli/dashboard/press.js';
import { FIRST_STATE, type State } from '../../../../cli/dashboard/state.js';
import {
  keyOf,
  machineReport,
  pageOfSight,
  rowOf,
  type Sight,
  snapshotOf,
  unitReport,
} from '../../../support/keyboard.js';
import { seeded } from '../../../support/seed.js';

const UNITS = [
  'a.service',
  'b.service',
  'web@.service',
  'zh-import-blobs@1.service',
  'zh-import-blobs@7.service',
];
const MACHINES = ['m', 'n', 'o'];
const MIGRATIONS = ['one', 'two', 'three'];

const about: fc.Arbitrary<About> = fc.record(
  {
    migration: fc.constantFrom(...MIGRATIONS, 'gone'),
    unit: fc.constantFrom(...UNITS, 'gone.service'),
    machine: fc.constantFrom(...MACHINES, 'gone'),
    failure: fc.oneof(
      fc.constant({ lane: 'descriptors' as const, image: 'x' }),
      fc.nat(9).map((first) => ({ lane: 'tiles' as const, image: 'x', range: { first, end: first + 2 } })),
    ),
  },
  { requiredKeys: [] },
);
const opens: fc.Arbitrary<Row['opens']> = fc.constantFrom(
  null,
  { kind: 'worker' as const, worker: 'w' },
  { kind: 'unit' as const, unit: 'a.service', machine: null },
  { kind: 'machine' as const, machine: 'm' },
  { kind: 'image' as const, migration: 'one', image: 'x' },
  { kind: 'failures' as const, migration: 'one', filter: {} },
  {
    kind: 'failure' as const,
    migration: 'one',
    failure: { lane: 'tiles' as const, image: 'x', first: 0, count: 1 },
  },
);
const rows = fc.uniqueArray(
  fc.tuple(fc.constantFrom('k1', 'k2', 'k3', 'k4'), about, opens).map((it) => rowOf(...it)),
  { selector: ({ key }) => key },
);
const status = fc.record({
  state: fc.constantFrom('running' as const, 'paused' as const, 'cancelled' as const),
  finished: fc.boolean(),
});
const target = fc.constantFrom('launched' as const, 'loaded' as const, 'inactive' as const);
const units = fc
  .subarray(UNITS, { minLength: 3 })
  .chain((names) => fc.tuple(...names.map((name) => target.map((it) => unitReport(name, { target: it })))));
const machines = fc.tuple(
  ...MACHINES.map((id) =>
    fc.record({ alive: fc.boolean(), draining: fc.boolean() }).map((it) => machineReport(id, it)),
  ),
);
const sight: fc.Arbitrary<Sight> = fc
  .record({
    migrations: fc.dictionary(
      fc.constantFrom(...MIGRATIONS),
      fc.oneof({ arbitrary: status, weight: 4 }, fc.constant({ trouble: 'lost' })),
    ),
    // null: the fleet was never read.
    fleet: fc.option(fc.record({ units, machines }), { freq: 9 }),
    tables: fc.dictionary(
      fc.constantFrom<BlockId>('migrations', 'workers', 'failures', 'units', 'machines'),
      rows,
    ) as fc.Arbitrary<NonNullable<Sight['tables']>>,
    about,
  })
  .map(({ fleet, ...all }) => ({ ...all, ...fleet }));
const size = fc.constantFrom({ columns: 80, rows: 24 }, { columns: 60, rows: 15 }, { columns: 20, rows: 4 });
const KNOWN = KEYS.flatMap(({ keys }) =>
  keys.map(([key]) => ({ Space: 'space', Esc: 'escape' })[key] ?? key.toLowerCase()),
);
const ACTS = ['p', 'r', 't', 's', 'd', '+', '-'];
const MOVES = [
  'up',
  'down',
  'pageup',
  'pagedown',
  'home',
  'end',
  'tab',
  'backtab',
  '1',
  '2',
  'enter',
  'space',
];
const name = fc.oneof(
  { arbitrary: fc.constantFrom(...ACTS), weight: 5 },
  { arbitrary: fc.constantFrom(...MOVES), weight: 5 },
  { arbitrary: fc.constantFrom(...KNOWN, 'y', 'backspace', 'ctrl-u', 'left', 'n'), weight: 3 },
  fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }),
);

/** What is on the screen changes from key to key, as it may while one looks. `yes`: the answer, if a question is open. */
const presses = fc.array(fc.record({ name, sight: fc.nat(), size, yes: fc.boolean() }), {
  minLength: 20,
  maxLength: 60,
});
const sights = fc.array(sight, { minLength: 1, maxLength: 3 });

function at(state: State, name: string, sight: Sight, size: { columns: number; rows: number }): Pressed {
  const page = pageOfSight(sight, state);
  const seen = { snapshot: snapshotOf(sight), page, frame: layOut(page, state, size) };
  return press(state, keyOf(name), seen);
}

function destroys(intent: Intent): boolean {
  if (intent.kind === 'scale') return intent.by === -1;
  if (intent.kind === 'retry')
    return intent.filters.length > 1 || intent.filters.some(({ range }) => range !== undefined);
  return intent.kind === 'stop' || intent.kind === 'drain';
}

test('any keys on any page: nothing throws, nothing is destroyed without a y to its question, Escape leads back', () => {
  let acts = 0;
  let answered = 0;
  fc.assert(
    fc.property(presses, sights, sight, (pressed, seen, last) => {
      let state = FIRST_STATE;
      for (const press of pressed) {
        const { dialog } = state;
        const name = dialog?.kind === 'confirm' && press.yes ? 'y' : press.name;
        const { intent, quit, ...next } = at(
          state,
          name,
          seen[press.sight % seen.length] ?? last,
          press.size,
        );
        if (intent !== null) {
          acts++;
          if (destroys(intent)) {
            answered++;
            expect([name, dialog]).toEqual(['y', { ...dialog, kind: 'confirm', intent }]);
          }
        }
        // What was asked is asked no more once it is answered.
        if (dialog?.kind === 'confirm') expect(next.state.dialog).toBeNull();
        expect(quit).toBe(name === 'ctrl-c' || (name === 'q' && dialog === null));
        state = next.state;
        expect(state.covered.length).toBe(state.details.length);
      }
      for (let left = state.details.length + 1; left > 0; left--)
        state = at(state, 'escape', last, { columns: 80, rows: 24 }).state;
      expect(state).toMatchObject({ dialog: null, details: [], covered: [] });
    }),
    seeded(100),
  );
  // It would be no proof of anything if nothing was ever done.
  expect(acts).toBeGreaterThan(answered);
  expect(answered).toBeGreaterThan(0);
});
