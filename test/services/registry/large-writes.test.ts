import { expect, it } from 'vitest';
import { MOST_WRITES } from '../../../registry/registry.js';
import { aUnit } from '../../contracts/registry-contract.js';
import { testEtcd, useGround } from '../../support/services.js';
import { useRegistries } from './registry-lab.js';

const ground = useGround('large-writes');
const open = useRegistries();

it('says that many units are too large for one transaction, writes none of them and goes on', async () => {
  const registry = await open((await testEtcd(ground)).port, '/large/');
  const writes = (length: number) =>
    Array.from({ length: MOST_WRITES }, (_, i) => ({
      ...{ name: `u${i}.service`, target: 'loaded' as const },
      unit: aUnit(`${i} ${'x'.repeat(length)}`),
    }));
  // etcd takes 1.5 MiB at once unless it is told otherwise; gRPC in front of it half a MiB more.
  for (const length of [33_000, 60_000])
    await expect(registry.writeUnits(writes(length))).rejects.toMatchObject({
      ...{ kind: 'permanent', code: 'too-large' },
    });
  expect((await registry.readAll()).units.size).toBe(0);
  await registry.writeUnits(writes(20_000));
  expect((await registry.readAll()).units.size).toBe(MOST_WRITES);
});
