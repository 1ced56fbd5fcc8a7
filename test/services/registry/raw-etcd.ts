/** What tests do to etcd behind the registry's back, over its JSON gateway. */
export function rawEtcd(url: string) {
  const text = (value: string): string => Buffer.from(value).toString('base64');

  async function post(path: string, body: object): Promise<Record<string, unknown>> {
    const answer = await fetch(`${url}/v3/${path}`, { method: 'POST', body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
    return (await answer.json()) as Record<string, unknown>;
  }
  const revisionOf = (answer: Record<string, unknown>): number =>
    Number((answer.header as { revision: string }).revision);

  return {
    /** `created`: the revision at which it came to be; null: there is none. */
    async get(key: string): Promise<{ readonly value: string; readonly created: number } | null> {
      const { kvs } = await post('kv/range', { key: text(key) });
      const [found] = (kvs ?? []) as { value: string; create_revision: string }[];
      if (found === undefined) return null;
      return {
        value: Buffer.from(found.value, 'base64').toString(),
        created: Number(found.create_revision),
      };
    },
    async put(key: string, value: string): Promise<number> {
      return revisionOf(await post('kv/put', { key: text(key), value: text(value) }));
    },
    /** All in one transaction, so at one revision. */
    async putAll(pairs: readonly (readonly [string, string])[]): Promise<number> {
      const success = pairs.map(([key, value]) => ({ requestPut: { key: text(key), value: text(value) } }));
      return revisionOf(await post('kv/txn', { success }));
    },
    async remove(key: string): Promise<void> {
      await post('kv/deleterange', { key: text(key) });
    },
    /** Everything from `key` up to `end`, at one revision. */
    async removeRange(key: string, end: string): Promise<void> {
      await post('kv/deleterange', { key: text(key), range_end: text(end) });
    },
    async compact(revision: number): Promise<void> {
      await post('kv/compaction', { revision: String(revision), physical: true });
    },
    async revision(): Promise<number> {
      return revisionOf(await post('kv/range', { key: text('nothing') }));
    },
  };
}
