import { describe, expect, test } from 'vitest';
import type { UnitReport } from '../../../api/wire.js';
import {
  inactiveGoal,
  launchedGoal,
  loadedGoal,
  movedGoal,
  restartedEverywhereGoal,
  stoppedGoal,
} from '../../../cli/goals.js';
import type { UnitState } from '../../../registry/model.js';

const STATE: UnitState = {
  ...{ unit: 'a.service', machine: 'm1', hash: 'h1', load: 'loaded', active: 'active', sub: 'running' },
  ...{ reached: 'launched', since: 100, exit: null, autoRestarts: 0, reason: '', heard: 0 },
};
function unit(
  machine: string | null,
  states: readonly Partial<UnitState>[],
  pending: string | null = null,
): UnitReport {
  return {
    record: {
      ...{ name: 'a.service', hash: 'h1', target: 'launched', restarts: 0, move: null, generation: 1 },
      global: false,
      options: [],
    },
    ...{ machine, why: null, pending, reason: pending },
    states: states.map((state) => ({ ...STATE, ...state })),
  };
}
const fresh = launchedGoal(null, false);

describe('launched', () => {
  test.each<[string, UnitReport | null, ReturnType<typeof fresh>['kind']]>([
    ['destroyed', null, 'failed'],
    ['without a machine', unit(null, []), 'waiting'],
    ['placed, not loaded', unit('m1', []), 'waiting'],
    ['loaded, not started', unit('m1', [{ reached: 'loaded', active: 'inactive' }]), 'waiting'],
    ['starting', unit('m1', [{ active: 'activating' }]), 'waiting'],
    ['active', unit('m1', [{}]), 'done'],
    ['active with the former content', unit('m1', [{ hash: 'h0' }]), 'waiting'],
    ['active on another machine only', unit('m2', [{}]), 'waiting'],
    ['failed', unit('m1', [{ active: 'failed', exit: '1', reason: 'exited' }]), 'failed'],
    ['failed, its machine looks for the reason', unit('m1', [{ active: 'failed', exit: '1' }]), 'waiting'],
    ['ended well', unit('m1', [{ active: 'inactive', exit: '0' }]), 'done'],
    ['dead, nobody knows why', unit('m1', [{ active: 'inactive', exit: null }]), 'waiting'],
    [
      'failed, to be restarted by itself',
      unit('m1', [{ active: 'activating', sub: 'auto-restart', exit: '1' }]),
      'failed',
    ],
    [
      'ended well, to be restarted by itself',
      unit('m1', [{ active: 'activating', sub: 'auto-restart', exit: '0' }]),
      'waiting',
    ],
    ['refused at load', unit('m1', [{ load: 'error', reached: 'loaded', reason: 'Type=notify' }]), 'failed'],
  ])('%s', (_what, report, kind) => {
    expect(fresh(report).kind).toBe(kind);
  });

  test('an old failure is not the outcome of this start', () => {
    const before = unit('m1', [{ active: 'failed', exit: '1', reason: 'exited' }]);
    const goal = launchedGoal(before, true);
    expect(goal(before).kind).toBe('waiting');
    expect(goal(unit('m1', [{ active: 'failed', exit: '1', reason: 'exited', since: 200 }])).kind).toBe(
      'failed',
    );
    expect(goal(unit('m2', [{ machine: 'm2', active: 'failed', reason: 'exited' }])).kind).toBe('failed');
  });

  test('nor is an old refusal to load it', () => {
    const refused = { load: 'error', reached: 'loaded', active: 'inactive', reason: 'Type=notify' } as const;
    const before = unit('m1', [refused]);
    expect(launchedGoal(before, true)(before).kind).toBe('waiting');
    expect(launchedGoal(before, true)(unit('m1', [{ ...refused, since: 200 }]))).toEqual({
      kind: 'failed',
      why: 'Type=notify',
    });
    expect(loadedGoal(before)).toEqual({ kind: 'failed', why: 'Type=notify' });
  });

  test('a restart wants a newer active than the one before', () => {
    const before = unit('m1', [{}]);
    expect(launchedGoal(before, true)(before).kind).toBe('waiting');
    expect(launchedGoal(before, true)(unit('m1', [{ since: 101 }])).kind).toBe('done');
    expect(launchedGoal(before, false)(before).kind).toBe('done');
  });

  test("says the leader's reason while it waits", () => {
    expect(fresh(unit(null, [], 'pending: 0 of 3 machines'))).toEqual({
      kind: 'waiting',
      why: 'pending: 0 of 3 machines',
    });
  });
});

describe('stopped', () => {
  test('not while anything runs, wherever', () => {
    expect(stoppedGoal(unit(null, [{ active: 'deactivating' }])).kind).toBe('waiting');
    expect(stoppedGoal(unit('m1', [{ active: 'deactivating', reached: 'loaded' }])).kind).toBe('waiting');
    expect(stoppedGoal(unit('m1', [{ active: 'inactive', reached: 'launched' }])).kind).toBe('waiting');
  });
  test('loaded and settled, or nowhere at all', () => {
    const done = { kind: 'done', state: 'loaded', machine: 'm1' };
    expect(stoppedGoal(unit('m1', [{ active: 'inactive', reached: 'loaded' }]))).toEqual(done);
    expect(stoppedGoal(unit('m1', [{ active: 'failed', reached: 'loaded' }]))).toEqual(done);
    expect(stoppedGoal(unit(null, []))).toEqual({ kind: 'done', state: 'inactive', machine: null });
    expect(loadedGoal(unit(null, [])).kind).toBe('waiting');
    const refused = { load: 'error', reached: 'loaded', active: 'inactive', reason: 'Type=notify' } as const;
    expect(stoppedGoal(unit('m1', [refused])).kind).toBe('done');
  });
});

test('inactive: on no machine, without a state', () => {
  expect(inactiveGoal(unit(null, [])).kind).toBe('done');
  expect(inactiveGoal(unit('m1', [])).kind).toBe('waiting');
  expect(inactiveGoal(unit(null, [{ active: 'inactive' }])).kind).toBe('waiting');
  expect(inactiveGoal(null).kind).toBe('failed');
});

describe('moved', () => {
  const m2 = { machine: 'm2', since: 200 } as const;
  const before = unit('m1', [{}]);
  test.each<[string, UnitReport | null, string]>([
    ['destroyed', null, 'failed'],
    ['still where it was', unit('m1', [{}], 'move to m2: machine is cordoned'), 'waiting'],
    ['still stopping', unit(null, [{ active: 'deactivating' }], 'pending: still stopping on m1'), 'waiting'],
    ['placed, not loaded there', unit('m2', []), 'waiting'],
    ['starting there', unit('m2', [{ ...m2, active: 'activating' }]), 'waiting'],
    ['active there', unit('m2', [m2]), 'done'],
    ['failed there', unit('m2', [{ ...m2, active: 'failed', exit: '1', reason: 'exited' }]), 'failed'],
    ['somewhere else', unit('m3', [{ ...m2, machine: 'm3' }]), 'failed'],
  ])('%s', (_what, report, kind) => {
    expect(movedGoal(before, 'm2')(report).kind).toBe(kind);
  });
  test('says why it is still there', () => {
    expect(movedGoal(before, 'm2')(unit('m1', [{}], 'move to m2: machine is cordoned'))).toEqual({
      kind: 'waiting',
      why: 'move to m2: machine is cordoned',
    });
  });
  test('anywhere else will do when no machine was named', () => {
    expect(movedGoal(before, null)(unit('m3', [{ ...m2, machine: 'm3' }])).kind).toBe('done');
  });
  test('what did not run need not run there', () => {
    const goal = movedGoal(unit('m1', [{ active: 'failed', exit: '7' }]), 'm2');
    expect(goal(unit('m2', [{ ...m2, reached: 'loaded', active: 'inactive' }])).kind).toBe('waiting');
    expect(goal(unit('m2', [{ ...m2, active: 'failed', exit: '7' }])).kind).toBe('done');
  });
});

test('a failure is told with the lines of its log, a wait in one line', () => {
  const reason = 'exited with code 7\nfirst words\nlast words';
  expect(fresh(unit('m1', [{ active: 'failed', sub: 'failed', exit: '7', reason }]))).toEqual({
    kind: 'failed',
    why: 'failed (failed), exit 7: exited with code 7\n    first words\n    last words',
  });
  expect(fresh(unit('m1', [{ active: 'activating', sub: 'start', reason }]))).toEqual({
    kind: 'waiting',
    why: 'activating (start): exited with code 7',
  });
});

test('loaded with the former text is not loaded yet, nor is a refusal of that an answer', () => {
  const settled = { active: 'inactive', reached: 'loaded' } as const;
  expect(loadedGoal(unit('m1', [settled])).kind).toBe('done');
  expect(loadedGoal(unit('m1', [{ ...settled, hash: 'h0' }])).kind).toBe('waiting');
  expect(loadedGoal(unit('m1', [{ ...settled, hash: 'h0', load: 'error' }])).kind).toBe('waiting');
});

describe('a global is restarted', () => {
  const global = (...states: Partial<UnitState>[]) => unit(null, states);
  const before = global({ machine: 'm1' }, { machine: 'm2' });
  test.each<[string, UnitReport | null, string]>([
    ['nowhere yet', before, 'waiting'],
    ['on one of two', global({ machine: 'm1', since: 200 }, { machine: 'm2' }), 'waiting'],
    ['on both', global({ machine: 'm1', since: 200 }, { machine: 'm2', since: 200 }), 'done'],
    ['on the one that is left', global({ machine: 'm1', since: 200 }), 'done'],
    [
      'and fails on one',
      global({ machine: 'm1' }, { machine: 'm2', since: 200, active: 'failed', reason: 'exited' }),
      'failed',
    ],
    ['but destroyed', null, 'failed'],
  ])('%s', (_what, report, kind) => {
    expect(restartedEverywhereGoal(before)(report).kind).toBe(kind);
  });
});
