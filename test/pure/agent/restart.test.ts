import fc from 'fast-check';
import { expect, describe as group, test } from 'vitest';
import {
  afterExit,
  countStart,
  describe,
  type Ended,
  exitText,
  limitHit,
  type StartWindow,
} from '../../../agent/restart.js';
import { RESTART_VALUES, type RestartSettings } from '../../../agent/service-settings.js';

const settings = (change: Partial<RestartSettings> = {}): RestartSettings => ({
  type: 'simple',
  restart: 'no',
  restartMs: 100,
  successStatus: { codes: [], signals: [] },
  restartPreventStatus: { codes: [], signals: [] },
  ...change,
});
const ENDS: Record<string, Ended> = {
  'exit 0': { kind: 'exit', code: 0 },
  'exit 1': { kind: 'exit', code: 1 },
  SIGTERM: { kind: 'signal', signal: 'SIGTERM' },
  SIGKILL: { kind: 'signal', signal: 'SIGKILL' },
  timeout: { kind: 'timeout', what: 'too slow' },
  protocol: { kind: 'protocol', what: 'not ready' },
  resources: { kind: 'resources', status: 203, what: 'not there' },
  unknown: { kind: 'unknown' },
};

group('Restart=', () => {
  test.each([
    ['no', []],
    ['always', ['exit 0', 'exit 1', 'SIGTERM', 'SIGKILL', 'timeout', 'protocol', 'resources', 'unknown']],
    ['on-success', ['exit 0', 'SIGTERM']],
    ['on-failure', ['exit 1', 'SIGKILL', 'timeout', 'protocol', 'resources', 'unknown']],
    ['on-abnormal', ['SIGKILL', 'timeout', 'protocol', 'resources', 'unknown']],
    ['on-abort', ['SIGKILL']],
    ['on-watchdog', []],
  ] as const)('%s', (restart, restarted) => {
    const answers = Object.entries(ENDS).filter(
      ([, ended]) => afterExit(ended, settings({ restart })).kind === 'restart',
    );
    expect(answers.map(([name]) => name)).toEqual(restarted);
  });

  test('every value is in the table above', () => {
    expect(RESTART_VALUES).toHaveLength(7);
  });

  test('the wait is RestartSec=, and the reason says so', () => {
    expect(afterExit({ kind: 'exit', code: 3 }, settings({ restart: 'always', restartMs: 2500 }))).toEqual({
      kind: 'restart',
      afterMs: 2500,
      why: 'exited with code 3; restart after 2.5 s',
    });
  });

  test('a signal that asks a daemon to end is a failure of a oneshot', () => {
    const ended: Ended = { kind: 'signal', signal: 'SIGTERM' };
    expect(afterExit(ended, settings())).toMatchObject({ failed: false });
    expect(afterExit(ended, settings({ type: 'oneshot' }))).toMatchObject({ failed: true });
  });

  test('SuccessExitStatus= makes an end clean, RestartPreventExitStatus= the last', () => {
    const success = settings({
      restart: 'on-failure',
      successStatus: { codes: [143], signals: ['SIGKILL'] },
    });
    expect(afterExit({ kind: 'exit', code: 143 }, success)).toMatchObject({
      kind: 'stay-down',
      failed: false,
    });
    expect(afterExit({ kind: 'signal', signal: 'SIGKILL' }, success)).toMatchObject({ failed: false });
    const prevent = settings({ restart: 'always', restartPreventStatus: { codes: [7], signals: [] } });
    expect(afterExit({ kind: 'exit', code: 7 }, prevent)).toMatchObject({ kind: 'stay-down', failed: true });
  });

  test('exits as states have them, and in words', () => {
    expect(Object.values(ENDS).map(exitText)).toEqual([
      '0',
      '1',
      'SIGTERM',
      'SIGKILL',
      null,
      null,
      '203',
      'unknown',
    ]);
    expect(describe({ kind: 'exit', code: 1, by: 'ExecStop' })).toBe('ExecStop= exited with code 1');
    expect(describe({ kind: 'signal', signal: 'SIGKILL' })).toBe('killed by SIGKILL');
  });
});

group('StartLimitBurst=', () => {
  const limit = { intervalMs: 1000, burst: 3 };
  /** Which of the starts at these times may happen. */
  function allowed(times: readonly number[], startLimit = limit): boolean[] {
    let window: StartWindow | null = null;
    return times.map((now) => {
      const next = countStart(window, now, startLimit);
      window = next ?? window;
      return next !== null;
    });
  }

  test('so many starts within the interval, and again after it', () => {
    expect(allowed([0, 10, 20, 30, 1000, 1001, 1002])).toEqual([true, true, true, false, false, true, true]);
    expect(limitHit(limit)).toBe('start-limit-hit: 3 starts within 1 s');
  });

  test.each([
    { intervalMs: 0, burst: 3 },
    { intervalMs: 1000, burst: 0 },
  ])('%j is no limit', (none) => {
    expect(allowed([0, 0, 0, 0, 0, 0], none)).toEqual(Array(6).fill(true));
  });

  test('law: never more than the burst from an opening start to the end of its interval', () => {
    const seeded = { seed: Number(process.env.TEST_SEED ?? 42), verbose: true } as const;
    const gaps = fc.array(fc.integer({ min: 0, max: 900 }));
    fc.assert(
      fc.property(gaps, fc.integer({ min: 1, max: 4 }), (steps, burst) => {
        let now = 0;
        const times = steps.map((step) => (now += step));
        const started = allowed(times, { intervalMs: 1000, burst });
        let rest = times.filter((_, index) => started[index]);
        while (rest[0] !== undefined) {
          const open = rest[0];
          expect(rest.filter((time) => time <= open + 1000).length).toBeLessThanOrEqual(burst);
          rest = rest.filter((time) => time > open + 1000);
        }
        expect(times.length === 0 || started[0]).toBe(true);
      }),
      seeded,
    );
  });
});
