import { expect, test } from 'vitest';
import { keepSecret } from '../../../agent/secret.js';
import { systemClock } from '../../../runtime/clock.js';
import { transient } from '../../../runtime/errors.js';
import { openMemoryCluster } from '../../fakes/memory-registry.js';
import { until } from '../../support/until.js';

const machine = { id: 'a'.repeat(32), ip: '', metadata: {}, apiAddress: '', version: '1', bootId: 'b' };
const clock = systemClock();

test('the secret is that of the cluster joined last, and the present one until that has told its own', async () => {
  const clusters = [openMemoryCluster(clock), openMemoryCluster(clock)];
  const [first, second] = clusters.map((cluster) => cluster.client());
  if (first === undefined || second === undefined) throw new Error('two clusters');
  let here = first;
  let cut = true;
  const registry = {
    join: (...args: Parameters<typeof first.join>) => here.join(...args),
    readSecret: () => (cut ? Promise.reject(transient('etcd does not answer')) : here.readSecret()),
  };
  const slept: number[] = [];
  const waits: (() => void)[] = [];
  const manual = {
    ...clock,
    sleep(ms: number) {
      slept.push(ms);
      return new Promise<void>((resolve) => waits.push(resolve));
    },
  };
  const secret = keepSecret(registry, manual, new AbortController().signal);
  expect(secret.present()).toBeNull();

  await secret.join(machine, 60_000);
  await until('it waits to ask again', () => waits.length === 1);
  expect(secret.present()).toBeNull();
  cut = false;
  waits.shift()?.();
  await until('it is known', () => secret.present() !== null);
  expect(secret.present()).toEqual(await first.readSecret());

  here = second;
  cut = true;
  await secret.join(machine, 60_000);
  await until('it waits again', () => waits.length === 1);
  expect(secret.present()).toEqual(await first.readSecret());
  cut = false;
  waits.shift()?.();
  await until(
    'the new one is known',
    async () => secret.present()?.equals(await second.readSecret()) === true,
  );
  expect(slept).toEqual([1_000, 1_000]);

  for (const cluster of clusters) cluster.close();
});
