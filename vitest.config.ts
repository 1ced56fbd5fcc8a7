import { defineConfig } from 'vitest/config';
import LongFirst from './test/support/long-first.js';

/** Files that mostly wait: for leases, trust windows and time-outs of etcd. */
const WAITING = [
  'test/contracts/registry.real.test.ts',
  'test/services/registry/**/*.test.ts',
  'test/services/faults/etcd-*.test.ts',
];

const REAL = {
  globalSetup: ['test/support/services-setup.ts'],
  testTimeout: 120_000,
  hookTimeout: 60_000,
};

/**
 * Three projects. `quick` needs nothing but Node: pure files, contracts on fakes, scenarios.
 * The others talk to real etcd, Redis, systemd and processes, and await deadlines that shall not be starved on a small
 * machine: a file of `services` may keep a core busy, so two run at a time; those that wait take a third of a core at
 * most, so three of them are less than two of the others.
 */
export default defineConfig({
  test: {
    reporters: ['default', './test/support/count-reporter.ts'],
    sequence: { sequencer: LongFirst },
    projects: [
      {
        test: {
          name: 'quick',
          include: [
            'test/pure/**/*.test.ts',
            'test/contracts/**/*.fake.test.ts',
            'test/scenarios/**/*.test.ts',
          ],
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...REAL,
          name: 'services-waiting',
          include: WAITING,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...REAL,
          name: 'services',
          include: ['test/contracts/**/*.real.test.ts', 'test/services/**/*.test.ts'],
          exclude: WAITING,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
