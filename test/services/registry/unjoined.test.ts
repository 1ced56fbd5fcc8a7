import { expect, it } from 'vitest';
import { encodeUnjoined } from '../../../registry/codec.js';
import { aMachine } from '../../contracts/registry-contract.js';
import { testEtcd, useGround } from '../../support/services.js';
import { rawEtcd } from './raw-etcd.js';
import { useRegistries } from './registry-lab.js';

const ground = useGround('unjoined');
const open = useRegistries();

it('takes over what was set early when an older convoyd, which did not read it, had joined first', async () => {
  const { port, url } = await testEtcd(ground);
  const registry = await open(port, '/unjoined/');
  const metadataOf = async () => (await registry.readMachines()).known.map(({ metadata }) => metadata);
  const session = await registry.join(aMachine('m1'), 3000);
  await registry.patchMetadata([{ machine: 'm1', key: 'az', value: 'later' }]);
  await session.leave();
  await rawEtcd(url).put('/unjoined/unjoined/m1', encodeUnjoined({ az: 'early', disk: null }));
  expect(await metadataOf()).toEqual([{ az: 'later' }]);

  const again = await registry.join(aMachine('m1'), 3000);
  expect(await metadataOf()).toEqual([{ az: 'later', disk: null }]);
  await registry.patchMetadata([{ machine: 'm1', key: 'disk', value: 'ssd' }]);
  await again.leave();
  await registry.join(aMachine('m1'), 3000);
  expect(await metadataOf()).toEqual([{ az: 'later', disk: 'ssd' }]);
});
