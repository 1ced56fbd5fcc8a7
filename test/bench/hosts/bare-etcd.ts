import { join } from 'node:path';
import { freePort, openGround } from '../../../agent/ground.js';
import { until } from '../../support/until.js';
import { cpuUse, secondsInAll } from '../support/processes.js';

export interface BareEtcd {
  /** So far. */
  cpuSeconds(): number;
  end(): Promise<void>;
}

/** An etcd with the settings of the hosts' own, to which nobody connects once it is healthy. */
export async function bareEtcd(): Promise<BareEtcd> {
  const ground = await openGround('bare-etcd');
  const [client, peer] = [await freePort(), await freePort()].map((port) => `http://127.0.0.1:${port}`);
  const child = ground.spawn('etcd', 'etcd', [
    ...['--name', 'bare', '--data-dir', join(ground.dir, 'data'), '--log-level', 'warn', '--unsafe-no-fsync'],
    ...['--listen-client-urls', client, '--advertise-client-urls', client],
    ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
    ...['--initial-cluster', `bare=${peer}`],
  ] as string[]);
  await until('the bare etcd is healthy', () =>
    fetch(`${client}/health`, { headers: { connection: 'close' } }).then(
      async (answer) => /"true"/.test(await answer.text()),
      () => false,
    ),
  );
  return {
    cpuSeconds: () => secondsInAll(cpuUse([child.pid ?? 0])),
    end: () => ground.close(),
  };
}
