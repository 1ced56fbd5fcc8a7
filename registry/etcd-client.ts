/**
 * The one file that speaks to etcd: reads, transactions, leases and the two raw streams, in plain types. Every
 * call has a deadline that covers connecting too; nothing is retried; errors are ours (`etcd-errors.ts`).
 *
 * etcd3's own retries, circuit breaker, Watch, Lease and Election are not used: they lose events, apply writes
 * twice and allow two leaders. A call that fails as `transient` turns to the next endpoint for the calls after it.
 */
import type {
  Etcd3,
  IKeyValue,
  IRangeRequest,
  IRangeResponse,
  IRequestOp,
  ITxnRequest,
  IWatchResponse,
} from 'etcd3';
import type { Clock } from '../runtime/clock.js';
import { aborted, transient } from '../runtime/errors.js';
import type {
  CallOptions,
  Compare,
  Entry,
  EtcdClient,
  KeyRange,
  Operation,
  WatchResponse,
} from './etcd-calls.js';
import { translate } from './etcd-errors.js';
import { type EtcdAccess, openHost } from './etcd-host.js';
import { openRenewals } from './etcd-renewals.js';

/** Time for one call, connecting included. */
const CALL_MS = 5000;
/** Rows of one page of a list. */
const PAGE_ROWS = 2000;

/** `permanent`/`usage` if the access does not fit the endpoints. */
export function openEtcdClient(
  endpoints: readonly string[],
  clock: Clock,
  access: EtcdAccess = {},
): EtcdClient {
  const hosts = endpoints.map((endpoint) => openHost(endpoint, clock, access));
  const renewals = hosts.map((host) =>
    openRenewals(
      `etcd at ${host.endpoint}: renewing a lease`,
      (withinMs) => host.run(clock.now() + withinMs, (etcd) => etcd.leaseClient.leaseKeepAlive()),
      clock,
    ),
  );
  /** How to end the watches on each host. */
  const streams = hosts.map(() => new Set<(error: Error) => void>());
  let current = 0;
  let breaks = 0;
  let closed = false;

  /** Runs one call on the present endpoint with a deadline, and turns to the next one if it did not answer. */
  function call<T>(
    what: string,
    options: CallOptions,
    run: (host: Etcd3, options: { deadline: number }) => Promise<T>,
  ): Promise<T> {
    return ask(what, options, (index, deadlineMs) => hosts[index]!.run(clock.now() + deadlineMs, run));
  }

  async function ask<T>(
    what: string,
    { deadlineMs = CALL_MS, signal }: CallOptions,
    run: (index: number, deadlineMs: number) => Promise<T>,
  ): Promise<T> {
    if (closed) throw aborted('the registry is closed');
    if (signal?.aborted) throw aborted(`${what} was given up`);
    const index = current;
    try {
      return await abortable(run(index, deadlineMs), what, signal);
    } catch (error) {
      if (closed) throw aborted('the registry is closed', { cause: error });
      const ours = translate(error, `etcd at ${hosts[index]!.endpoint}: ${what}`);
      if (ours.kind === 'transient' || ours.code === 'tls') {
        breaks += 1;
        turnFrom(index);
      }
      throw ours;
    }
  }

  /** A stream on a host that does not answer may be as dead without knowing it: it has to move on too. */
  function turnFrom(index: number): void {
    if (index !== current || hosts.length === 1) return;
    current = (index + 1) % hosts.length;
    const error = transient('the member does not answer calls any more');
    for (const end of streams[index]!) end(error);
    renewals[index]!.drop(error);
  }

  return {
    get breaks() {
      return breaks;
    },

    async get(key, options = {}) {
      const answer = await call(`reading ${key}`, options, (host, o) =>
        host.kv.range({ key: bytes(key) }, o),
      );
      const [entry] = answer.kvs;
      return {
        entry: entry && entryOf(entry),
        revision: Number(answer.header.revision),
        term: answer.header.raft_term,
      };
    },

    async list(prefix, options = {}) {
      const entries: Entry[] = [];
      let key = bytes(prefix);
      let revision = options.at ?? 0;
      let first: IRangeResponse | undefined;
      for (;;) {
        const request: IRangeRequest = {
          key,
          range_end: endOf(prefix),
          limit: PAGE_ROWS,
          ...(revision > 0 ? { revision } : {}),
          ...(options.since === undefined ? {} : { min_mod_revision: options.since + 1 }),
          ...(options.keysOnly ? { keys_only: true } : {}),
        };
        const page: IRangeResponse = await call(`listing ${prefix}`, options, (host, o) =>
          host.kv.range(request, o),
        );
        first ??= page;
        if (revision === 0) revision = Number(page.header.revision);
        for (const kv of page.kvs) entries.push(entryOf(kv));
        const last = page.kvs.at(-1);
        if (!page.more || last === undefined) return { entries, count: Number(first.count), revision };
        key = Buffer.concat([last.key, Buffer.from([0])]);
      }
    },

    async measure(range, at) {
      const request: IRangeRequest = {
        ...rangeOf(range),
        ...{ limit: 1, sort_order: 'Descend', sort_target: 'Mod', keys_only: true },
        ...(at === undefined ? {} : { revision: at }),
      };
      const answer = await call(`checking ${range.key}`, {}, (host, o) => host.kv.range(request, o));
      return {
        count: Number(answer.count),
        highest: Number(answer.kvs[0]?.mod_revision ?? 0),
        revision: Number(answer.header.revision),
      };
    },

    async txn(compares, then, otherwise = [], options = {}) {
      const request: ITxnRequest = {
        compare: compares.map(compareOf),
        success: then.map(operationOf),
        failure: otherwise.map(operationOf),
      };
      const answer = await call('a transaction', options, (host, o) => host.kv.txn(request, o));
      const ran = answer.succeeded ? then : otherwise;
      const read = (i: number): Entry[] => answer.responses[i]!.response_range.kvs.map(entryOf);
      return {
        succeeded: answer.succeeded,
        revision: Number(answer.header.revision),
        got: ran.flatMap((operation, i) => ('get' in operation ? [read(i)[0]] : [])),
        listed: ran.flatMap((operation, i) => ('list' in operation ? [read(i)] : [])),
      };
    },

    async grantLease(ttlMs) {
      const request = { TTL: Math.ceil(ttlMs / 1000) };
      const { ID, TTL } = await call('granting a lease', {}, (host, o) =>
        host.leaseClient.leaseGrant(request, o),
      );
      return { id: ID, ttlMs: Number(TTL) * 1000 };
    },

    async revokeLease(id) {
      await call('revoking a lease', {}, (host, o) => host.leaseClient.leaseRevoke({ ID: id }, o)).catch(
        (error) => {
          if (error.code !== 'lease-gone') throw error;
        },
      );
    },

    renewLease: (id, options = {}) =>
      ask('renewing a lease', options, (index, withinMs) => renewals[index]!.renew(id, withinMs)),

    watch(range, from, onResponse, onEnd, signal) {
      const index = current;
      const host = hosts[index]!;
      let ended = false;
      let stop = (): void => undefined;
      const end = (error: Error | undefined): void => {
        if (ended) return;
        ended = true;
        if (error !== undefined) breaks += 1;
        streams[index]!.delete(end);
        signal.removeEventListener('abort', give);
        stop();
        onEnd(error && translate(error, `etcd at ${host.endpoint}: watching ${range.key}`));
      };
      const give = (): void => end(undefined);
      signal.addEventListener('abort', give, { once: true });
      streams[index]!.add(end);
      const start = async (): Promise<void> => {
        if (closed) throw aborted('the registry is closed');
        const stream = await host.run(clock.now() + CALL_MS, (etcd) => etcd.watchClient.watch());
        stop = () => {
          // Ended first: etcd3 drops the host's connections for a stream that fails while writable.
          stream.end();
          stream.cancel();
        };
        stream.on('data', (response) => !ended && onResponse(responseOf(response)));
        stream.on('error', end);
        stream.on('end', () => end(new Error('etcd ended the stream')));
        if (ended) return stop();
        // The client's types leave out that a request is wrapped in the kind it is of.
        const request = { create_request: { ...rangeOf(range), start_revision: from, fragment: true } };
        stream.write(request as Parameters<typeof stream.write>[0]);
      };
      if (signal.aborted) give();
      else start().catch(end);
    },

    close() {
      closed = true;
      for (const each of renewals) each.close();
      for (const host of hosts) host.close();
    },
  };
}

/** The caller stops waiting at once; the call itself ends with its deadline. */
function abortable<T>(promise: Promise<T>, what: string, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(aborted(`${what} was given up`));
    signal.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

const bytes = (text: string): Buffer => Buffer.from(text, 'utf8');

/** The first key after all that start with `prefix`; ours end in a slash, so the last byte can be raised. */
function endOf(prefix: string): Buffer {
  const end = bytes(prefix);
  end[end.length - 1]! += 1;
  return end;
}

function rangeOf({ key, prefix }: KeyRange): { key: Buffer; range_end?: Buffer } {
  return prefix ? { key: bytes(key), range_end: endOf(key) } : { key: bytes(key) };
}

function compareOf(compare: Compare): NonNullable<ITxnRequest['compare']>[number] {
  const base = { key: bytes(compare.key), result: 'Equal' } as const;
  if ('created' in compare) return { ...base, target: 'Create', create_revision: compare.created };
  if ('modified' in compare) return { ...base, target: 'Mod', mod_revision: compare.modified };
  return { ...base, target: 'Value', value: bytes(compare.value) };
}

function operationOf(operation: Operation): IRequestOp {
  if ('get' in operation) {
    const { get, at } = operation;
    return { request_range: { key: bytes(get), ...(at === undefined ? {} : { revision: at }) } };
  }
  if ('list' in operation)
    return {
      request_range: {
        ...rangeOf({ key: operation.list, prefix: true }),
        keys_only: operation.keysOnly ?? false,
      },
    };
  if ('delete' in operation) return { request_delete_range: { key: bytes(operation.delete) } };
  const { put, value, lease } = operation;
  return { request_put: { key: bytes(put), value: bytes(value), ...(lease === undefined ? {} : { lease }) } };
}

function entryOf(kv: IKeyValue): Entry {
  return {
    key: kv.key.toString('utf8'),
    value: kv.value.toString('utf8'),
    created: Number(kv.create_revision),
    modified: Number(kv.mod_revision),
    lease: kv.lease,
  };
}

function responseOf(response: IWatchResponse): WatchResponse {
  return {
    revision: Number(response.header.revision),
    created: response.created,
    canceled: response.canceled,
    compacted: Number(response.compact_revision),
    reason: response.cancel_reason,
    fragment: response.fragment,
    events: response.events.map(({ type, kv }) => ({
      kind: type === 'Delete' ? 'delete' : 'put',
      entry: entryOf(kv),
    })),
  };
}
