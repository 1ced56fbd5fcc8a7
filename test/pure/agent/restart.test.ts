import { expect, describe as group, test } from 'vitest';
import { afterExit, describe, type Ended, exitText } from '../../../agent/restart.js';
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
  resources: { kind: 'resources', status: 203, what: 'not there' },
  unknown: { kind: 'unknown' },
};

group('Restart=', () => {
  test.each([
    ['no', []],
    ['always', ['exit 0', 'exit 1', 'SIGTERM', 'SIGKILL', 'timeout', 'resources', 'unknown']],
    ['on-success', ['exit 0', 'SIGTERM']],
    ['on-failure', ['exit 1', 'SIGKILL', 'timeout', 'resources', 'unknown']],
    ['on-abnormal', ['SIGKILL', 'timeout', 'resources', 'unknown']],
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
      '203',
      'unknown',
    ]);
    expect(describe({ kind: 'exit', code: 1, by: 'ExecStop' })).toBe('ExecStop= exited with code 1');
    expect(describe({ kind: 'signal', signal: 'SIGKILL' })).toBe('killed by SIGKILL');
  });
});
