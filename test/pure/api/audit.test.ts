import { expect, test } from 'vitest';
import { type Asked, logChange } from '../../../api/audit.js';
import { silentLog } from '../../../runtime/log.js';

const ASKED: Asked = {
  ...{ method: 'PUT', target: '/fleet/v1/units/a.service?alt=json', params: { name: 'a.service' } },
  caller: { name: 'alice', role: 'operate' },
  ...{ from: '10.0.0.9 port 4711', status: 201 },
};

function linesOf(...asked: readonly Asked[]): [object, string][] {
  const lines: [object, string][] = [];
  const log = { ...silentLog, info: (fields: object, message: string) => void lines.push([fields, message]) };
  for (const one of asked) logChange(log, one);
  return lines;
}

test('a change is one line: who, from where, what, and the outcome', () => {
  expect(linesOf(ASKED)).toEqual([
    [
      {
        ...{ who: 'alice', role: 'operate', from: '10.0.0.9 port 4711' },
        ...{ method: 'PUT', path: '/fleet/v1/units/a.service', unit: 'a.service', status: 201 },
      },
      'changed',
    ],
  ]);
});

test('so is one that was refused, whoever it was', () => {
  const refused = linesOf({ ...ASKED, status: 403 }, { ...ASKED, caller: null, status: 401 });
  expect(refused).toMatchObject([
    [{ who: 'alice', status: 403 }, 'refused a change'],
    [{ who: null, role: null, from: '10.0.0.9 port 4711', status: 401 }, 'refused a change'],
  ]);
});

test('a caller of another machine is told with that machine', () => {
  const caller = { name: 'alice', role: 'operate', through: 'host2' } as const;
  expect(linesOf({ ...ASKED, caller })).toMatchObject([[{ who: 'alice', through: 'host2' }, 'changed']]);
});

test('a look is none; a redirect changes nothing', () => {
  expect(linesOf(...['GET', 'HEAD', 'OPTIONS'].map((method) => ({ ...ASKED, method })))).toEqual([]);
  expect(linesOf({ ...ASKED, status: 301 })).toMatchObject([[{ status: 301 }, 'refused a change']]);
});

test('no line grows with what was sent', () => {
  const [[fields]] = linesOf({ ...ASKED, target: `/${'x'.repeat(16_000)}?token=geheim` }) as [
    [object, string],
  ];
  expect(JSON.stringify(fields).length).toBeLessThan(1_000);
  expect(JSON.stringify(fields)).not.toContain('geheim');
});
