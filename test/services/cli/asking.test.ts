import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakeFleet, startFakeFleet } from '../../support/fake-fleet.js';
import { onTerminal as answeredOnTerminal } from '../../support/on-terminal.js';

/** What asks on a terminal: convoyctl under `script`, which gives it one. */

const [A, B] = ['1'.repeat(32), '2'.repeat(32)] as const;
const SLEEP = { options: [{ section: 'Service', name: 'ExecStart', value: '/bin/sleep 1' }] };

let fleet: FakeFleet;
let endpoint: string;
beforeAll(async () => {
  fleet = await startFakeFleet([A, B].map((id) => ({ id, ip: '', metadata: {} })));
  const plan = [{ unit: 'web.service', from: A, to: B, why: '2 units on 11111111, 0 on 22222222' }];
  const api = await fleet.serve({
    planRebalance: () => plan,
    tcp: [{ host: '127.0.0.1', port: 0, role: 'admin' }],
  });
  endpoint = api.addresses[0] ?? '';
  await fleet.registry.submitUnit('web.service', SLEEP, 'launched');
  const lost = { id: '3'.repeat(32), ip: '', metadata: {}, apiAddress: '', version: '', bootId: '' };
  await (await fleet.registry.join(lost, 60_000)).leave();
});
afterAll(() => fleet.stop());

const onTerminal = (args: string, answer: string | null) =>
  answeredOnTerminal(`--endpoint=${endpoint} ${args}`, answer);

const state = async (): Promise<string | null | undefined> =>
  (await fleet.registry.readMachines()).known.find(({ id }) => id.startsWith('3'))?.away;

test.each(['n', '', 'yessir', null])('%j is no: nothing is done', async (answer) => {
  const evict = await onTerminal('evict 33333333', answer);
  expect(evict).toMatchObject({ exit: 1, text: expect.stringContaining('Nothing was changed') });
  expect(evict.text).toContain('Evicting gives a machine up for lost');
  const rebalance = await onTerminal('rebalance', answer);
  expect(rebalance).toMatchObject({
    exit: 1,
    text: expect.stringContaining('Move 1 unit, 1 at a time? [y/N]'),
  });
  expect(rebalance.text).toContain('web.service\t11111111...\t22222222...\t2 units on 11111111');
  expect((await fleet.registry.readUnit('web.service'))?.record.move).toBeNull();
});

test('y is yes; --yes is not asked', async () => {
  expect(await onTerminal('evict 33333333', 'y')).toMatchObject({
    exit: 0,
    text: expect.stringContaining('Machine 33333333... is given up'),
  });
  expect((await onTerminal('evict --yes 33333333', null)).text).not.toContain('[y/N]');
  expect(await state()).toBe('left');
  // The plan's move is asked for; nobody makes it here, and the wait for it ends.
  const rebalance = await onTerminal('rebalance --timeout=1s', 'y');
  expect(rebalance.exit).toBe(3);
  expect(rebalance.text).toContain('Stopped: 0 of 1 unit moved, 0 not begun');
  expect((await fleet.registry.readUnit('web.service'))?.record.move).toMatchObject({ to: B });
});

test('destroy asks too, and a wait shows its progress on one line that is gone in the end', async () => {
  fleet.behaviours.set('slow.service', { stopMs: 1_500 });
  await fleet.registry.submitUnit('slow.service', SLEEP, 'launched');
  await fleet.rest();
  const kept = await onTerminal('destroy slow.service', 'n');
  expect(kept.text).toContain('Destroy 1 unit? [y/N]');
  expect(await fleet.registry.readUnit('slow.service')).not.toBeNull();
  const { text, exit } = await onTerminal('destroy slow.service', 'y');
  expect(exit).toBe(0);
  expect(text).toContain('\rWaiting 0s for slow.service: deactivating (stop) on ');
  expect(text).toMatch(/\r\x1b\[KDestroyed slow\.service\r\n$/);
  expect(text.match(/\n/g)?.length).toBeLessThan(6);
});
