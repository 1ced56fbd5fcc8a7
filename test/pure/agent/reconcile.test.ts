import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type DesiredUnit, desiredUnits } from '../../../agent/desired.js';
import { type Actual, reconcile, type Task } from '../../../agent/reconcile.js';

const wish = (name: string, change: Partial<DesiredUnit> = {}): DesiredUnit => ({
  name,
  hash: 'h1',
  text: '',
  target: 'launched',
  restarts: 0,
  leaseBound: false,
  fence: 1,
  ...change,
});
const is = (name: string, change: Partial<Actual> = {}): Actual => ({
  name,
  hash: 'h1',
  launched: true,
  restarts: 0,
  ...change,
});
const byName = <T extends { name: string }>(...rows: T[]) => new Map(rows.map((row) => [row.name, row]));
const short = (tasks: readonly Task[]): string[] =>
  tasks.map((task) =>
    task.kind === 'daemon-reload' ? 'daemon-reload' : `${task.kind} ${task.unit}: ${task.why}`,
  );

describe('reconcile', () => {
  test.each<[string, DesiredUnit | null, Actual | null, string[]]>([
    [
      'a new unit',
      wish('a'),
      null,
      ['load a: placed on this machine', 'daemon-reload', 'start a: target state launched'],
    ],
    [
      'a new unit to load',
      wish('a', { target: 'loaded' }),
      null,
      ['load a: placed on this machine', 'daemon-reload'],
    ],
    [
      'a unit that belongs elsewhere',
      null,
      is('a'),
      ['unload a: not placed on this machine', 'daemon-reload'],
    ],
    [
      'another version',
      wish('a', { hash: 'h2' }),
      is('a'),
      [
        'unload a: the unit file changed',
        'load a: the unit file changed',
        'daemon-reload',
        'start a: the unit file changed',
      ],
    ],
    ['a loaded unit to launch', wish('a'), is('a', { launched: false }), ['start a: target state launched']],
    ['a launched unit to stop', wish('a', { target: 'loaded' }), is('a'), ['stop a: target state loaded']],
    [
      'a restart',
      wish('a', { restarts: 2 }),
      is('a', { restarts: 1 }),
      ['stop a: a restart was requested', 'start a: a restart was requested'],
    ],
    ['all well', wish('a'), is('a'), []],
    ['a lower restart counter', wish('a'), is('a', { restarts: 9 }), []],
    ['loaded and nothing else', wish('a', { target: 'loaded' }), is('a', { launched: false }), []],
  ])('%s', (_, desired, actual, tasks) => {
    const wanted = desired === null ? byName<DesiredUnit>() : byName(desired);
    const there = actual === null ? byName<Actual>() : byName(actual);
    expect(short(reconcile(wanted, there))).toEqual(tasks);
  });

  const names = fc.constantFrom('a.service', 'b.service', 'c.service', 'd.service');
  const hashes = fc.constantFrom('h1', 'h2');
  const wishes = fc
    .uniqueArray(
      fc.record({
        name: names,
        hash: hashes,
        text: fc.constant(''),
        target: fc.constantFrom('loaded' as const, 'launched' as const),
        restarts: fc.nat(2),
        leaseBound: fc.constant(false),
        fence: fc.constant(1),
      }),
      { selector: ({ name }) => name },
    )
    .map((rows) => byName(...rows));
  const states = fc
    .uniqueArray(fc.record({ name: names, hash: hashes, launched: fc.boolean(), restarts: fc.nat(2) }), {
      selector: ({ name }) => name,
    })
    .map((rows) => byName(...rows));
  const seeded = { seed: Number(process.env.TEST_SEED ?? 42), verbose: true } as const;

  test('law: performing the tasks makes what is there what should be, and then there is nothing to do', () => {
    fc.assert(
      fc.property(wishes, states, (desired, actual) => {
        const after = perform(reconcile(desired, actual), actual);
        expect(reconcile(desired, after)).toEqual([]);
        expect([...after.keys()].sort()).toEqual([...desired.keys()].sort());
        for (const [name, { hash, target }] of desired)
          expect(after.get(name)).toMatchObject({ hash, launched: target === 'launched' });
      }),
      seeded,
    );
  });

  test('law: unload, load, reload, stop, start; a reload if and only if something is loaded or unloaded', () => {
    const order = ['unload', 'load', 'daemon-reload', 'stop', 'start'];
    fc.assert(
      fc.property(wishes, states, (desired, actual) => {
        const kinds = reconcile(desired, actual).map(({ kind }) => kind);
        const ranks = kinds.map((kind) => order.indexOf(kind));
        expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
        const changes = kinds.some((kind) => kind === 'load' || kind === 'unload');
        expect(kinds.filter((kind) => kind === 'daemon-reload')).toHaveLength(changes ? 1 : 0);
      }),
      seeded,
    );
  });

  test('law: what is to be done about one unit depends on that unit alone', () => {
    fc.assert(
      fc.property(wishes, states, names, (desired, actual, name) => {
        const only = <T>(map: ReadonlyMap<string, T>) => new Map([...map].filter(([key]) => key === name));
        const about = (tasks: readonly Task[]) =>
          tasks.filter((task) => task.kind !== 'daemon-reload' && task.unit === name);
        expect(about(reconcile(desired, actual))).toEqual(about(reconcile(only(desired), only(actual))));
      }),
      seeded,
    );
  });

  test('law: every task has a reason', () => {
    fc.assert(
      fc.property(wishes, states, (desired, actual) => {
        for (const { why } of reconcile(desired, actual)) expect(why).not.toBe('');
      }),
      seeded,
    );
  });
});

test('placements become units with their text', () => {
  const placement = {
    unit: 'a.service',
    machine: 'm',
    hash: 'h1',
    target: 'launched' as const,
    restarts: 3,
    why: 'fewest units',
    fence: 5,
    revision: 9,
    content: { options: [{ section: 'Service', name: 'ExecStart', value: '/bin/true' }] },
  };
  const snapshot = {
    kind: 'placements' as const,
    revision: 9,
    placements: new Map([['a.service', placement]]),
  };
  expect([...desiredUnits(snapshot).values()]).toEqual([
    {
      name: 'a.service',
      hash: 'h1',
      text: '[Service]\nExecStart=/bin/true\n',
      target: 'launched',
      restarts: 3,
      leaseBound: false,
      fence: 5,
    },
  ]);
});

/** What a unit manager makes of the tasks. */
function perform(tasks: readonly Task[], before: ReadonlyMap<string, Actual>): Map<string, Actual> {
  const units = new Map(before);
  for (const task of tasks) {
    if (task.kind === 'daemon-reload') continue;
    const unit = units.get(task.unit);
    if (task.kind === 'unload') units.delete(task.unit);
    else if (task.kind === 'load')
      units.set(task.unit, { name: task.unit, hash: task.desired.hash, launched: false, restarts: 0 });
    else if (unit === undefined) throw new Error(`${task.kind} of an unknown unit`);
    else if (task.kind === 'start')
      units.set(task.unit, { ...unit, launched: true, restarts: task.desired.restarts });
    else units.set(task.unit, { ...unit, launched: false });
  }
  return units;
}
