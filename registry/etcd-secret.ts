import { randomBytes } from 'node:crypto';
import type { EtcdContext } from './etcd-session.js';

const BYTES = 32;

/** Reads the cluster's secret; the first machine to ask makes it. */
export async function readSecret({ client, identity, keys }: EtcdContext): Promise<Buffer> {
  const key = keys.secret;
  for (;;) {
    const { entry } = await client.get(key);
    if (entry !== undefined) return Buffer.from(entry.value, 'base64');
    await identity.write([{ key, created: 0 }], [{ put: key, value: randomBytes(BYTES).toString('base64') }]);
  }
}
