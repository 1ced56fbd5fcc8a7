import { defineConfig } from 'vitest/config';

/**
 * Two projects. `quick` needs nothing but Node: pure files, contracts on fakes, scenarios.
 * `services` talks to real etcd, Redis and processes; its files run one at a time per worker so that the
 * deadlines they await are not starved on a small machine.
 */
export default defineConfig({
  test: {
    reporters: ['default', './test/support/count-reporter.ts'],
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
          name: 'services',
          include: ['test/contracts/**/*.real.test.ts', 'test/services/**/*.test.ts'],
          globalSetup: ['test/support/services-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
