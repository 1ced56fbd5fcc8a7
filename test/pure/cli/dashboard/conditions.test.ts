import { beforeEach, expect, test } from 'vitest';
import type { MachineCondition } from '../../../../api/schemas.js';
import { askConditions, type Conditions } from '../../../../cli/dashboard/conditions.js';
import { transient } from '../../../../runtime/errors.js';
import { type ManualClock, manualClock } from '../../../support/clock.js';

let clock: ManualClock;
let closing: AbortController;
let conditions: Conditions;
/** Asked and not answered yet. */
let open: Map<string, { answer(load: number): Promise<void>; fail(): Promise<void> }>;
/** All that were asked, in order. */
let asked: string[];
let known: ReadonlyMap<string, MachineCondition>;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const names = (): string[] => [...known.keys()].sort();

beforeEach(() => {
  clock = manualClock();
  closing = new AbortController();
  open = new Map();
  asked = [];
  known = new Map();
  const machineCondition = (id: string): Promise<MachineCondition> =>
    new Promise((resolve, reject) => {
      asked.push(id);
      open.set(id, {
        async answer(oneMinute) {
          open.delete(id);
          resolve({ machine: id, load: { oneMinute } } as MachineCondition);
          await turn();
        },
        async fail() {
          open.delete(id);
          reject(transient('it does not answer', { code: 'machine-unreachable' }));
          await turn();
        },
      });
    });
  conditions = askConditions({ machineCondition }, clock, closing.signal, (now) => {
    known = now;
  });
});

test('a machine is asked once, and again five seconds after it was asked', async () => {
  conditions.want(['a']);
  conditions.want(['a']);
  await open.get('a')?.answer(1);
  expect(known.get('a')).toMatchObject({ load: { oneMinute: 1 } });
  await clock.advance(4_999);
  conditions.want(['a']);
  expect(asked).toEqual(['a']);
  await clock.advance(1);
  conditions.want(['a']);
  expect(asked).toEqual(['a', 'a']);
  await open.get('a')?.answer(2);
  expect(known.get('a')).toMatchObject({ load: { oneMinute: 2 } });
});

test('four are asked at once, those first that were not asked for longest', async () => {
  conditions.want(['a', 'b', 'c', 'd', 'e', 'f']);
  expect(asked).toEqual(['a', 'b', 'c', 'd']);
  await open.get('b')?.answer(1);
  expect(asked).toEqual(['a', 'b', 'c', 'd', 'e']);
  // Three that do not answer leave the rest a place.
  await open.get('e')?.answer(1);
  await open.get('f')?.answer(1);
  await clock.advance(5_000);
  conditions.want(['b', 'e', 'f', 'a', 'c', 'd', 'g']);
  expect(asked.slice(6)).toEqual(['g']);
  await open.get('g')?.answer(1);
  expect(asked.slice(7)).toEqual(['b']);
  expect(open.size).toBe(4);
});

test('one that cannot tell is not known, whatever it told before, and hinders no other', async () => {
  conditions.want(['a', 'b']);
  await open.get('a')?.answer(1);
  await open.get('b')?.answer(1);
  await clock.advance(5_000);
  conditions.want(['a', 'b']);
  await open.get('a')?.fail();
  expect(names()).toEqual(['b']);
  await open.get('b')?.answer(2);
  await clock.advance(5_000);
  conditions.want(['a', 'b']);
  await open.get('a')?.answer(3);
  expect(names()).toEqual(['a', 'b']);
});

test('what was told long ago, or is not wanted any more, is forgotten', async () => {
  conditions.want(['a', 'b']);
  await open.get('a')?.answer(1);
  await clock.advance(6_000);
  conditions.want(['b']);
  await open.get('b')?.answer(1);
  await clock.advance(8_999);
  conditions.want(['b']);
  expect(names()).toEqual(['a', 'b']);
  await clock.advance(1);
  conditions.want(['b']);
  expect(names()).toEqual(['b']);
});

test('nothing is asked or told after the end', async () => {
  conditions.want(['a', 'b', 'c', 'd', 'e']);
  closing.abort();
  await open.get('a')?.answer(1);
  conditions.want(['f']);
  expect(asked).toEqual(['a', 'b', 'c', 'd']);
  expect(names()).toEqual([]);
});
