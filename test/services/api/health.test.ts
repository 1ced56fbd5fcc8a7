import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Check } from '../../../api/health.js';
import type { ApiOptions } from '../../../api/server.js';
import { transient } from '../../../runtime/errors.js';
import { type FakeFleet, startFakeFleet } from '../../support/fake-fleet.js';
import { askOver } from '../../support/unix-get.js';

let fleet: FakeFleet;
let count = 0;

beforeAll(async () => {
  fleet = await startFakeFleet([{ id: 'a'.repeat(32), ip: '10.0.0.1', metadata: {} }]);
});
afterAll(() => fleet.stop());

/** What a convoyd says of its readiness and health that is as given. */
async function told(options: Partial<ApiOptions>) {
  const path = join(fleet.dir, `health-${count++}.sock`);
  const api = await fleet.serve({ ...options, sockets: [{ path, role: 'unit' }] });
  try {
    const ready = await askOver(path, '/readyz');
    const { status, checks } = JSON.parse(ready.body) as { status: string; checks: Check[] };
    expect(await askOver(path, '/healthz')).toMatchObject({ status: 200, body: '{"status":"ok"}' });
    return { code: ready.status, status, failed: checks.filter(({ ok }) => !ok) };
  } finally {
    await api.stop();
  }
}

test.each<[string, Partial<ApiOptions>, string]>([
  ['unit-manager', { unitManager: () => Promise.reject(transient('the bus is gone')) }, 'the bus is gone'],
  ['unit-manager', { unitManager: () => new Promise(() => undefined) }, 'no answer within 2 s'],
  ['hold', { hold: () => 'etcd holds another cluster' }, 'etcd holds another cluster'],
  ['joined', { notJoined: () => 'cannot join: etcd is away' }, 'cannot join: etcd is away'],
  // An outsider answers nothing else.
  ['joined', { notJoined: () => 'taken', outsider: () => 'machine id taken' }, 'taken'],
])('/readyz names %s as what is missing, while /healthz stays well (%#)', async (name, options, reason) => {
  expect(await told(options)).toEqual({
    ...{ code: 503, status: 'not ready', failed: [{ name, ok: false, reason }] },
  });
});

test('/readyz with all in order, open to whoever may see anything', async () => {
  expect(await told({})).toEqual({ code: 200, status: 'ok', failed: [] });
});

test('a registry that does not answer is named too, and does not keep the rest waiting', async () => {
  fleet.registry.cut();
  try {
    expect(await told({})).toMatchObject({ code: 503, failed: [{ name: 'registry' }] });
  } finally {
    fleet.registry.restore();
  }
});
