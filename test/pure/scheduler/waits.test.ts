import { expect, test } from 'vitest';
import { Waits } from '../../../scheduler/waits.js';

const unit = 'a.service';

test('a unit waits from when the change of its record was heard of, however many looks it takes', () => {
  const waits = new Waits();
  waits.look(10, [], 0);
  waits.look(11, [{ unit, generation: 11 }], 1000);
  waits.look(14, [{ unit, generation: 11 }], 3000);
  expect(waits.waited(unit, 3500)).toBe(2500);
});

test('another change begins another wait', () => {
  const waits = new Waits();
  waits.look(10, [], 0);
  waits.look(11, [{ unit, generation: 11 }], 1000);
  waits.look(12, [{ unit, generation: 12 }], 2000);
  expect(waits.waited(unit, 2500)).toBe(500);
});

test('what was waiting before this leader looked, and what moves without a change, is not counted', () => {
  const waits = new Waits();
  waits.look(10, [{ unit, generation: 9 }], 0);
  expect(waits.waited(unit, 100)).toBeNull();
  waits.look(12, [{ unit: 'moved.service', generation: 5 }], 200);
  expect(waits.waited('moved.service', 300)).toBeNull();
});

test('a unit that waits no more is forgotten', () => {
  const waits = new Waits();
  waits.look(10, [], 0);
  waits.look(11, [{ unit, generation: 11 }], 1000);
  waits.look(12, [], 2000);
  waits.look(13, [{ unit, generation: 11 }], 3000);
  expect(waits.waited(unit, 3000)).toBeNull();
});
