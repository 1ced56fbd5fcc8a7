import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import * as v from 'valibot';
import { expect, test } from 'vitest';
import { localCondition } from '../../../agent/condition.js';
import { MachineCondition } from '../../../api/schemas.js';

const kib = (name: string): number =>
  Number(new RegExp(`^${name}: *(\\d+) kB$`, 'm').exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]);

test('the condition of this machine is what its kernel says', () => {
  const condition = localCondition();
  expect(v.is(MachineCondition, { machine: 'm', ...condition, hold: null })).toBe(true);
  const [load = Number.NaN] = readFileSync('/proc/loadavg', 'utf8').split(' ').map(Number);
  expect(Math.abs(condition.load.oneMinute - load)).toBeLessThan(1);
  expect(condition.memory.total).toBe(kib('MemTotal') * 1024);
  // Free memory without the caches that can be given up is less by far, or the machine has just booted.
  expect(Math.abs(condition.memory.available - kib('MemAvailable') * 1024)).toBeLessThan(2 ** 28);
  expect(condition.up).toBeCloseTo(Number.parseFloat(readFileSync('/proc/uptime', 'utf8')), -1);
  expect(condition.cpus).toBeGreaterThanOrEqual(availableParallelism());
});
