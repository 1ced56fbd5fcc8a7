import { expect, test } from 'vitest';
import { divertedLog } from '../../../../cli/dashboard/diverted-log.js';
import type { Log } from '../../../../runtime/log.js';

test('lines go where they went, then to who has the terminal, then back; those of children too', () => {
  const usual: string[] = [];
  const shown: [string, boolean][] = [];
  const record = (_fields: object, message: string): void => void usual.push(message);
  const real: Log = { debug: record, info: record, warn: record, error: record, child: () => real };
  const { log, divert } = divertedLog(real);
  const child = log.child({ of: 'it' });
  log.info({}, 'before');
  divert((words, isBad) => shown.push([words, isBad]));
  log.debug({}, 'nothing to show');
  log.info({ address: 'http://127.0.0.1:9102' }, 'listening');
  child.error({}, 'cannot be closed');
  expect([usual, shown]).toEqual([
    ['before'],
    [
      ['listening (address http://127.0.0.1:9102)', false],
      ['cannot be closed', true],
    ],
  ]);
  divert(null);
  child.warn({}, 'after');
  expect(usual).toEqual(['before', 'after']);
});
