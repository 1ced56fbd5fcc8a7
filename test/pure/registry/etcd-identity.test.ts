import { expect, test } from 'vitest';
import { encodeCluster, FORMAT } from '../../../registry/codec.js';
import type { Entry, EtcdClient } from '../../../registry/etcd-calls.js';
import { Identity } from '../../../registry/etcd-identity.js';
import { keysUnder } from '../../../registry/keys.js';
import { systemClock } from '../../../runtime/clock.js';
import { memoryOfMachine } from '../../fakes/memory-registry.js';

const CLUSTER = encodeCluster({ id: 'c1', format: FORMAT });
const entry = { value: CLUSTER, created: 5, modified: 5 } as Entry;
const nobody = {} as EtcdClient;

function open(): Promise<Identity> {
  return Identity.open(nobody, keysUnder('/convoy/'), systemClock(), memoryOfMachine(), () => undefined);
}

test('of many that find an empty etcd at the same time, those who are late do not take it for emptied', async () => {
  const identity = await open();
  const before = identity.floor;
  expect(identity.judge(entry, 5, before)).toBeNull();
  expect(identity.judge(undefined, 4, before)).toBeNull();
  expect(identity.hold).toBeNull();
  expect(identity.judge(undefined, 6, identity.floor)).toMatch(/was etcd emptied/);
  expect(identity.hold).toMatch(/was etcd emptied/);
  await identity.close();
});
