import fc from 'fast-check';
import type { Memory } from '../../../scheduler/place.js';
import type { ClusterSketch, MachineSketch, UnitSketch } from './cluster.js';

const MACHINES = ['aaaaaaaa1111', 'bbbbbbbb2222', 'cccccccc3333', 'dddddddd4444'];
const UNITS = [
  'a.service',
  'b.service',
  'c.service',
  'd.service',
  'e.timer',
  't@.service',
  't@1.service',
  't@2.service',
];
const PATTERNS = [
  'a.service',
  'b.service',
  'c.service',
  '*',
  't@*.service',
  '[ab].service',
  '[^a]*',
  'd*',
  '[',
];

const machineIds = fc.oneof(
  { weight: 1, arbitrary: fc.constant([]) },
  { weight: 3, arbitrary: fc.constantFrom(...MACHINES.slice(0, 2)).map((id) => [id]) },
  { weight: 2, arbitrary: fc.subarray(MACHINES, { minLength: 1, maxLength: 3 }) },
);
const someUnit = fc.constantFrom('a.service', 'b.service', 'c.service', 'd.service', 't@1.service');
const somePattern = fc.constantFrom(...PATTERNS);
const lines = (key: string, value: fc.Arbitrary<string>): fc.Arbitrary<string[]> =>
  fc.array(
    value.map((text) => `${key}=${text}`),
    { minLength: 1, maxLength: 2 },
  );
const metadata = fc.constantFrom('az=a', 'az=b', 'role=db', 'role=web', 'az=');

const fleet: fc.Arbitrary<readonly string[]> = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  { weight: 2, arbitrary: lines('MachineMetadata', metadata) },
  { weight: 3, arbitrary: lines('Conflicts', somePattern) },
  { weight: 3, arbitrary: lines('Replaces', somePattern) },
  { weight: 2, arbitrary: lines('MachineOf', someUnit) },
  {
    weight: 1,
    arbitrary: fc.tuple(lines('MachineOf', someUnit), lines('Conflicts', somePattern)).map((l) => l.flat()),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(lines('MachineOf', someUnit), lines('Replaces', somePattern)).map((l) => l.flat()),
  },
  { weight: 1, arbitrary: lines('MachineID', fc.constantFrom('aaaaaaaa1111', 'bbbbbbbb', 'nowhere')) },
  { weight: 2, arbitrary: fc.constant(['Global=true']) },
  { weight: 2, arbitrary: lines('Conflicts', somePattern).map((l) => ['Global=yes', ...l]) },
);

const convoy: fc.Arbitrary<readonly string[]> = fc.constantFrom(
  ...[[], [], [], ['Sticky=yes'], ['Prefer=role=db'], ['Spread=az'], ['Spread=az', 'Prefer=role=db']],
  ...[['MoveAfterFailures=2'], ['MoveAfterFailures=2', 'Prefer=az=a', 'Prefer=role=web']],
);

const unit: fc.Arbitrary<UnitSketch> = fc
  .record({
    fleet,
    convoy,
    requires: fc.oneof(
      { weight: 5, arbitrary: fc.constant([]) },
      {
        weight: 1,
        arbitrary: lines('Require', fc.constantFrom('az=a', 'az!=a', 'role in (db, x)', '!gpu', 'az')),
      },
    ),
    target: fc.constantFrom('launched', 'launched', 'launched', 'launched', 'loaded', 'inactive'),
    restarts: fc.constantFrom(0, 0, 1),
    on: machineIds,
    changedOver: fc.constantFrom(false, false, false, false, true),
    reported: fc.oneof(
      { weight: 6, arbitrary: fc.constant(undefined) },
      { weight: 2, arbitrary: machineIds },
    ),
    stale: fc.constantFrom(false, false, false, false, false, true),
    move: fc.constantFrom(...[...Array(8).keys()].map(() => undefined), null, null, ...MACHINES),
    failures: fc.constantFrom(0, 0, 2),
    failedOn: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.subarray(MACHINES) },
    ),
    destroyed: fc.constantFrom(false, false, false, false, false, true),
  })
  .map(({ changedOver, reported, move, requires, ...rest }) => {
    const sketch = {
      ...rest,
      ...(reported === undefined ? {} : { reported }),
      ...(move === undefined ? {} : { move }),
    };
    const global = sketch.fleet.some((line) => line.startsWith('Global'));
    const settled = sketch.fleet.some((line) => /^(Global|MachineID|MachineOf)=/.test(line));
    // What nobody can have meant is refused at submit: it would only make all else rarer here.
    const chosen: readonly string[] =
      settled && global
        ? []
        : settled
          ? sketch.convoy.filter((line) => line === 'Sticky=yes')
          : sketch.convoy;
    return { ...sketch, convoy: [...chosen, ...requires], global: global !== changedOver };
  });

const machine: fc.Arbitrary<MachineSketch> = fc.record({
  metadata: fc.record(
    { az: fc.constantFrom('a', 'b'), role: fc.constantFrom('db', 'web') },
    { requiredKeys: ['role'] },
  ),
  cordoned: fc.constantFrom(false, false, false, false, true),
  draining: fc.constantFrom(false, false, false, false, false, true),
  gone: fc.constantFrom(false, false, false, false, true),
});

/** Small clusters in every state a leader may find them in, legal or not; and what the leader remembers. */
export const randomCluster: fc.Arbitrary<{ cluster: ClusterSketch; memory: Memory }> = fc
  .record({
    machines: fc.tuple(machine, machine, machine, machine),
    count: fc.constantFrom(0, 1, 1, 2, 2, 2, 3, 4),
    names: fc.subarray(UNITS, { minLength: 2 }),
    units: fc.array(unit, { minLength: UNITS.length, maxLength: UNITS.length }),
    held: fc.subarray(MACHINES),
    stopping: fc.oneof(
      { weight: 3, arbitrary: fc.constant<string[]>([]) },
      { weight: 1, arbitrary: fc.subarray(UNITS) },
    ),
    transfers: fc.dictionary(
      fc.constantFrom(...UNITS),
      fc.record({
        to: fc.constantFrom(null, ...MACHINES),
        avoid: fc.subarray(MACHINES),
        failedOn: fc.subarray(MACHINES),
        why: fc.constant(null),
        hash: fc.constant('other'),
        restarts: fc.constant(0),
      }),
      { maxKeys: 2 },
    ),
  })
  .map(({ machines, count, names, units, held, stopping, transfers }) => ({
    cluster: {
      machines: Object.fromEntries(MACHINES.slice(0, count).map((id, at) => [id, machines[at] ?? {}])),
      units: Object.fromEntries(
        names.map((name, at) => {
          const { convoy = [], ...rest }: UnitSketch = units[at] ?? {};
          // `Spread=` is for instances.
          return [
            name,
            { ...rest, convoy: convoy.filter((l) => !l.startsWith('Spread') || name.includes('@')) },
          ];
        }),
      ),
    },
    memory: {
      holds: {
        machines: new Map(held.map((id) => [id, 'in its grace'])),
        units: new Map(stopping.map((name) => [name, 'it may still be stopping'])),
      },
      transfers: new Map(Object.entries(transfers)),
    },
  }));
