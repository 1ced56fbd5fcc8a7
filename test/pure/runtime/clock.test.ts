import { beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../runtime/clock.js';

/** The three clocks of a machine, in ms: suspended, the monotonic one stands still. */
const machine = { uptime: 0, wall: 0, monotonic: 0, reads: 0 };

const clocks = {
  wall: () => Math.floor(machine.wall),
  monotonic: () => machine.monotonic,
  // as coarse as /proc/uptime tells it
  uptime: () => {
    machine.reads++;
    return Math.floor(machine.uptime / 10) * 10;
  },
};

beforeEach(() => {
  Object.assign(machine, { uptime: 5_000, wall: 1_000_000, monotonic: 700 });
});

function pass(ms: number): void {
  machine.uptime += ms;
  machine.wall += ms;
  machine.monotonic += ms;
}
function suspend(ms: number): void {
  machine.uptime += ms;
  machine.wall += ms;
}

test('counts the time that the machine was suspended, the moment it is awake', () => {
  const clock = systemClock(clocks);
  pass(100);
  expect(clock.steady()).toBeCloseTo(100, 6);
  suspend(60_000);
  expect(clock.steady()).toBeCloseTo(60_100, 6);
  pass(0.5);
  expect(clock.steady()).toBeCloseTo(60_100.5, 6);
});

test('counts it within a tenth of a second of running time, if the wall clock hides it', () => {
  const clock = systemClock(clocks);
  suspend(60_000);
  machine.wall -= 60_000;
  expect(clock.steady()).toBeCloseTo(0, 6);
  pass(100);
  expect(clock.steady()).toBeCloseTo(60_100, 6);
});

test('goes on as before when the wall clock is set, there or back', () => {
  const clock = systemClock(clocks);
  for (const ms of [3_600_000, -7_200_000, 40]) {
    const before = clock.steady();
    machine.wall += ms;
    pass(10);
    expect(clock.steady()).toBeCloseTo(before + 10, 6);
  }
});

test('asks the system ten times a second at most, as long as nothing jumps', () => {
  const clock = systemClock(clocks);
  machine.reads = 0;
  for (let i = 0; i < 10_000; i++) {
    pass(0.37);
    clock.steady();
  }
  expect(machine.reads).toBe(36);
});

test('is the monotonic clock where nobody tells the uptime', () => {
  const clock = systemClock({ ...clocks, uptime: undefined });
  suspend(60_000);
  pass(100);
  expect(clock.steady()).toBeCloseTo(100, 6);
});
