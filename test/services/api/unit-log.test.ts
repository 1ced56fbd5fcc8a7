import { request } from 'undici';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Api } from '../../../api/server.js';
import { permanent } from '../../../runtime/errors.js';
import { LOG_OUTPUTS, type LogOptions } from '../../../units/unit-log.js';
import { type FakeFleet, startFakeFleet } from '../../support/fake-fleet.js';

/** What `/v1/units/NAME/log` asks the unit manager for; which machine it asks is shown in server.test.ts. */

let fleet: FakeFleet;
let api: Api;
const asked: LogOptions[] = [];

beforeAll(async () => {
  fleet = await startFakeFleet([{ id: 'a'.repeat(32), ip: '10.0.0.1', metadata: {} }]);
  api = await fleet.serve({
    tcp: [{ host: '127.0.0.1', port: 0, role: 'admin' }],
    async *localLog(_unit, options) {
      asked.push(options);
      if (options.since === 'nonsense') throw permanent('no such time: nonsense', { code: 'refused' });
      yield 'a line';
    },
  });
  const options = [{ section: 'Service', name: 'ExecStart', value: '/bin/sleep 1' }];
  await fleet.registry.submitUnit('web.service', { options }, 'launched');
  await fleet.rest();
});
afterAll(async () => {
  await api.stop();
  await fleet.stop();
});
beforeEach(() => void asked.splice(0));

async function read(query: string): Promise<{ status: number; text: string }> {
  const { statusCode, body } = await request(`${api.addresses[0]}/v1/units/web.service/log?${query}`);
  return { status: statusCode, text: await body.text() };
}

const PLAIN = { lines: 10, follow: false, output: null, since: null };

test.each([
  ['', PLAIN],
  ['lines=0', { ...PLAIN, lines: 0 }],
  ['follow=true&lines=3', { ...PLAIN, lines: 3, follow: true }],
  ['since=yesterday', { ...PLAIN, lines: null, since: 'yesterday' }],
  ['since=-1h&lines=5&output=short-iso', { ...PLAIN, lines: 5, since: '-1h', output: 'short-iso' }],
  ['since=2026-11-20+18:00', { ...PLAIN, lines: null, since: '2026-11-20 18:00' }],
])('%s is %j', async (query, options) => {
  expect(await read(query)).toEqual({ status: 200, text: 'a line\n' });
  expect(asked).toEqual([options]);
});

test.each(LOG_OUTPUTS)('output=%s', async (output) => {
  expect((await read(`output=${output}`)).status).toBe(200);
  expect(asked).toEqual([{ ...PLAIN, output }]);
});

test.each([
  ['lines=-1', 'lines'],
  ['lines=100001', 'lines'],
  ['follow=perhaps', 'follow'],
  ['output=export', 'output'],
  ['output=cat&output=json', 'output'],
  ['since=', 'since'],
  ['since=$(reboot)', 'since'],
  ['since=%00', 'since'],
  [`since=${'9'.repeat(65)}`, 'since'],
  ['until=now', 'until'],
])('%s is refused, and nothing is read', async (query, field) => {
  const { status, text } = await read(query);
  expect({ status, body: JSON.parse(text) as unknown }).toEqual({
    status: 400,
    body: { error: { code: 'bad-query', kind: 'permanent', message: expect.stringContaining(`${field}: `) } },
  });
  expect(asked).toEqual([]);
});

test('what the unit manager cannot do was asked wrongly: its words, and 400', async () => {
  const { status, text } = await read('since=nonsense');
  expect({ status, body: JSON.parse(text) as unknown }).toEqual({
    status: 400,
    body: { error: { code: 'bad-query', kind: 'permanent', message: 'no such time: nonsense' } },
  });
});
