import { defineConfig } from 'vitest/config';
import LongFirst from './test/support/long-first.js';

/**
 * Two projects. `quick` needs nothing but Node: pure files, contracts on fakes, scenarios.
 * `services` talks to real etcd, Redis, systemd and processes. Three of its files run at a time: they wait for leases and
 * time-outs more than half of their time, so two would leave a machine of two cores idle. Nothing of a file stays behind in
 * its process, so that modules need not be loaded anew for each.
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
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'services',
          include: ['test/contracts/**/*.real.test.ts', 'test/services/**/*.test.ts'],
          globalSetup: ['test/support/services-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          maxWorkers: 3,
          isolate: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
