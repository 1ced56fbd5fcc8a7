import { expect, test } from 'vitest';
import {
  controlExit,
  exitOf,
  managedUnit,
  type Properties,
  type Remembered,
  whyOf,
} from '../../../../agent/systemd/states.js';

const REMEMBERED: Remembered = {
  hash: 'h',
  leaseBound: false,
  ownNames: [],
  launched: true,
  restarts: 2,
  environment: {},
  lease: null,
  touched: 5,
  end: null,
};
const INACTIVE: Properties = { LoadState: 'loaded', ActiveState: 'inactive', SubState: 'dead' };
const FAILED: Properties = {
  LoadState: 'loaded',
  ActiveState: 'failed',
  SubState: 'failed',
  Result: 'exit-code',
  ExecMainCode: 1,
  ExecMainStatus: 3,
  InactiveExitTimestamp: 1_000_000n,
  InactiveEnterTimestamp: 2_000_000n,
};
const show = (properties: Properties, remembered: Partial<Remembered> = {}, lease: string | null = null) =>
  managedUnit('web.service', { ...REMEMBERED, ...remembered }, properties, lease, false);

test.each([
  [0, 0, null],
  [1, 0, '0'],
  [1, 203, '203'],
  [2, 15, 'SIGTERM'],
  [3, 11, 'SIGSEGV'],
  [2, 35, 'SIGRTMIN+1'],
])('wait code %i with status %i is %s', (code, status, exit) => {
  expect(exitOf(code, status)).toBe(exit);
});

test('why a unit failed', () => {
  expect(whyOf(FAILED, null)).toBe('the main process exited with code 3 (exit-code)');
  expect(whyOf({ ...FAILED, ExecMainCode: 0 }, '7')).toBe('a control process exited with code 7 (exit-code)');
  expect(whyOf({ ...FAILED, Result: 'signal', ExecMainCode: 2, ExecMainStatus: 9 }, null)).toBe(
    'the main process was ended by SIGKILL (signal)',
  );
  expect(whyOf({ ...FAILED, Result: 'timeout', ExecMainCode: 0 }, null)).toBe(
    'it took longer than its time limit (timeout)',
  );
  expect(whyOf({ ...FAILED, Result: 'new-word', ExecMainCode: 0 }, null)).toBe(
    'it failed: new-word (new-word)',
  );
  expect(whyOf({ ...FAILED, ActiveState: 'activating', SubState: 'auto-restart' }, null)).toBe(
    'the main process exited with code 3 (exit-code); it will be started again',
  );
  expect(whyOf(INACTIVE, null)).toBe('');
});

test('the exit of the last control process that ended badly and was not let off', () => {
  const row = (ignore: boolean, code: number, status: number) => [
    '/x',
    [],
    ignore,
    0n,
    0n,
    0n,
    0n,
    1,
    code,
    status,
  ];
  expect(controlExit([[row(false, 1, 0)], [row(true, 1, 4)]])).toBeNull();
  expect(controlExit([[row(false, 1, 0), row(false, 1, 7)], []])).toBe('7');
});

test('what was launched and is not known to systemd any more ended unobserved', () => {
  expect(show(INACTIVE)).toMatchObject({ active: 'inactive', exit: 'unknown', since: 5 });
  expect(show(INACTIVE, { launched: false }).exit).toBeNull();
});

test('an end that was seen is shown until the unit runs again', () => {
  const end = { ...show(FAILED), exit: '3', since: 2000, reason: 'because' };
  expect(show(INACTIVE, { end })).toMatchObject({
    exit: '3',
    since: 2000,
    reason: 'because',
    load: 'loaded',
  });
  const active = { ...FAILED, ActiveState: 'active', SubState: 'running', ActiveEnterTimestamp: 3_000_000n };
  expect(show({ ...active, ExecMainCode: 0 }, { end })).toMatchObject({
    exit: null,
    since: 3000,
    reason: '',
  });
});

test('a lease-bound unit is launched as long as the run of the lease it was started under lasts', () => {
  const bound = { leaseBound: true, lease: 'run 1' };
  expect(show(FAILED, bound, 'run 1').launched).toBe(true);
  expect(show(FAILED, bound, 'run 2').launched).toBe(false);
  expect(show(FAILED, bound, null).launched).toBe(false);
});
