/** What etcd counts of itself, and the CPU time of its process. */
export interface EtcdCounts {
  readonly reads: number;
  readonly puts: number;
  readonly deletes: number;
  /** Transactions. */
  readonly txns: number;
  /** Bytes sent to clients. */
  readonly sent: number;
}

const METRICS = {
  reads: 'etcd_mvcc_range_total',
  puts: 'etcd_mvcc_put_total',
  deletes: 'etcd_mvcc_delete_total',
  txns: 'etcd_mvcc_txn_total',
  sent: 'etcd_network_client_grpc_sent_bytes_total',
} as const satisfies Record<keyof EtcdCounts, string>;

export async function readEtcd(url: string): Promise<EtcdCounts> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const value = (metric: string): number => {
    const found = new RegExp(`^${metric} (\\S+)$`, 'm').exec(text)?.[1];
    if (found === undefined) throw new Error(`etcd has no metric ${metric}`);
    return Number(found);
  };
  const entries = Object.entries(METRICS).map(([name, metric]) => [name, value(metric)] as const);
  return Object.fromEntries(entries) as unknown as EtcdCounts;
}

export function etcdBetween(before: EtcdCounts, after: EtcdCounts): EtcdCounts {
  const names = Object.keys(METRICS) as (keyof EtcdCounts)[];
  return Object.fromEntries(names.map((name) => [name, after[name] - before[name]])) as unknown as EtcdCounts;
}
