import { afterEach, beforeEach, expect, it } from 'vitest';
import { untilMachines } from '../../support/fleet-view.js';
import type { Host } from '../../support/hosts.js';
import { until } from '../../support/until.js';
import { type FaultKit, openFaultKit } from './kit.js';

/**
 * What happens to machines. Each test has machines of its own: a leader that has given up three of four within ten
 * minutes gives up no more.
 */
let kit: FaultKit;
beforeEach(async () => {
  kit = await openFaultKit({ count: 3, settings: () => ({ CONVOY_TTL: '8s', CONVOY_GRACE: '1s' }) });
}, 120_000);
afterEach(async () => {
  try {
    kit.expectNeverTwo();
  } finally {
    await kit.hosts.close();
  }
}, 60_000);

const other = (...but: readonly Host[]): Host => kit.hosts.all.find((host) => !but.includes(host)) as Host;

it('power cut: what ran there runs elsewhere; the machine comes back to nothing of it', async () => {
  const lost = await kit.untilOnlyOn('once');
  await lost.cutPower();
  await kit.untilOnlyOn('once', [lost]);
  const keeper = await kit.untilOnlyOn('keep', [lost]);
  await lost.boot();
  await untilMachines(other(lost), 3);
  expect(await kit.untilOnlyOn('keep')).toBe(keeper);
  expect((await kit.untilOnlyOn('once')).name).not.toBe(lost.name);
}, 120_000);

it('cut network: OnPartition=stop has stopped before the next copy starts; keep has two until it heals', async () => {
  const cut = await kit.untilOnlyOn('once');
  await cut.cut();
  await until('it has stopped behind the cut', () => kit.witness.running('once').length === 0, 20_000);
  expect((await cut.exec('systemctl', 'is-active', 'once.service')).stdout).not.toBe('active\n');
  await kit.untilOnlyOn('once', [cut]);
  await cut.heal();
  await untilMachines(other(cut), 3);
  expect((await kit.untilOnlyOn('once')).name).not.toBe(cut.name);

  const behind = await kit.untilOnlyOn('keep');
  await behind.cut();
  await until('there are two copies', () => kit.witness.running('keep').length === 2, 20_000);
  const [right] = kit.witness.running('keep').filter(({ host }) => host !== behind.name);
  await behind.heal();
  expect((await kit.untilOnlyOn('keep', [behind], 15_000)).name).toBe(right?.host);
}, 120_000);

it('convoyd frozen: its unit is stopped without it, and not started again when it thaws', async () => {
  const frozen = await kit.untilOnlyOn('once');
  await frozen.freeze();
  const next = await kit.untilOnlyOn('once', [frozen]);
  expect((await frozen.exec('systemctl', 'is-active', 'once.service')).stdout).not.toBe('active\n');
  await frozen.thaw();
  await untilMachines(next, 3);
  expect(await kit.untilOnlyOn('once')).toBe(next);
}, 120_000);
