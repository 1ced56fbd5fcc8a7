import { describe, expect, test } from 'vitest';
import { createExecutor, type Outcome } from '../../../agent/execute.js';
import type { Task } from '../../../agent/reconcile.js';
import { permanent } from '../../../runtime/errors.js';
import { until } from '../../support/until.js';

const wish = (name: string) => ({
  ...{ name, hash: 'h', text: '', target: 'launched' as const, restarts: 1, leaseBound: false, fence: 1 },
});
const load = (unit: string): Task => ({ kind: 'load', unit, desired: wish(unit), why: '' });
const start = (unit: string): Task => ({ kind: 'start', unit, desired: wish(unit), why: '' });
const stop = (unit: string): Task => ({ kind: 'stop', unit, why: '' });
const unload = (unit: string): Task => ({ kind: 'unload', unit, why: '' });
const reload: Task = { kind: 'daemon-reload', why: '' };

/** An executor whose calls are noted and end only when told to. */
function kit() {
  const calls: string[] = [];
  const outcomes: Outcome[] = [];
  const pending = new Map<string, { resolve: () => void; reject: (error: Error) => void }>();
  const call = (name: string): Promise<void> => {
    calls.push(name);
    return new Promise((resolve, reject) => pending.set(name, { resolve, reject }));
  };
  const executor = createExecutor({
    manager: {
      load: ({ name }) => call(`load ${name}`),
      daemonReload: () => call('daemon-reload'),
      start: (name) => call(`start ${name}`),
      stop: (name) => call(`stop ${name}`),
      unload: (name) => call(`unload ${name}`),
    },
    environment: async () => ({}),
    withdraw: (units) => call(`withdraw ${units.join(' ')}`),
    onOutcome: (outcome) => outcomes.push(outcome),
    clock: { steady: () => 0 },
  });
  return {
    executor,
    calls,
    outcomes,
    async called(name: string) {
      await until(name, () => pending.has(name));
    },
    async end(name: string, error?: Error) {
      await until(name, () => pending.has(name));
      if (error === undefined) pending.get(name)?.resolve();
      else pending.get(name)?.reject(error);
      pending.delete(name);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe('the executor', () => {
  test('starts follow all loads of the pass and one reload, together', async () => {
    const { executor, calls, end } = kit();
    executor.begin([load('a'), load('b'), reload, start('a'), start('b'), start('c')]);
    expect(calls).toEqual(['load a', 'load b']);
    await end('load a');
    expect(calls).not.toContain('daemon-reload');
    await end('load b');
    expect(calls.slice(2)).toEqual(['daemon-reload']);
    await end('daemon-reload');
    expect(calls.slice(3).sort()).toEqual(['start a', 'start b', 'start c']);
    expect([...executor.busy].sort()).toEqual(['a', 'b', 'c']);
  });

  test('nothing is stopped before its service is withdrawn', async () => {
    const { executor, calls, end } = kit();
    executor.begin([unload('a'), stop('b'), start('b')]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls).toEqual(['withdraw a b']);
    await end('withdraw a b');
    expect(calls.slice(1)).toEqual(['unload a', 'stop b']);
    await end('stop b');
    expect(calls.slice(3)).toEqual(['start b']);
  });

  test("a failed load ends its unit's tasks and nobody else's", async () => {
    const { executor, calls, outcomes, end } = kit();
    executor.begin([load('a'), load('b'), reload, start('a'), start('b')]);
    const error = permanent('refused');
    await end('load a', error);
    await end('load b');
    await end('daemon-reload');
    expect(calls.slice(3)).toEqual(['start b']);
    expect(outcomes).toMatchObject([{ task: { kind: 'load', unit: 'a' }, error }]);
    expect([...executor.busy]).toEqual(['b']);
    await end('start b');
    expect(outcomes.slice(1)).toMatchObject([
      { task: { kind: 'load', unit: 'b' } },
      { task: { kind: 'start', unit: 'b' } },
    ]);
    expect(executor.busy.size).toBe(0);
  });

  test('a stop overtakes a start that takes long, and nothing else does', async () => {
    const { executor, calls, outcomes, called, end } = kit();
    executor.begin([start('a')]);
    await called('start a');
    expect([...executor.starting]).toEqual(['a']);
    executor.begin([start('a')]);
    executor.begin([stop('a'), start('a')]);
    await end('withdraw a');
    const overtaken = permanent('overtaken');
    await end('start a', overtaken);
    expect(outcomes).toMatchObject([{ task: { kind: 'start' }, error: overtaken }]);
    expect([...executor.busy]).toEqual(['a']);
    executor.begin([stop('a')]);
    await end('stop a');
    await end('start a');
    await executor.settled();
    expect(calls).toEqual(['start a', 'withdraw a', 'stop a', 'start a']);
    expect([executor.busy.size, executor.starting.size]).toEqual([0, 0]);
  });

  test('another version: unload, load, reload, start; a slow one holds up nobody', async () => {
    const { executor, calls, end } = kit();
    executor.begin([unload('a'), load('a'), load('b'), reload, start('a'), start('b')]);
    await end('withdraw a');
    await end('load b');
    await end('daemon-reload');
    expect(calls).toEqual(['withdraw a', 'load b', 'unload a', 'daemon-reload', 'start b']);
    await end('unload a');
    await end('load a');
    await end('daemon-reload');
    expect(calls.slice(5)).toEqual(['load a', 'daemon-reload', 'start a']);
  });
});
