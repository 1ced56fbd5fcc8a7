import { openEtcdClient } from '../../../registry/etcd-client.js';
import { keysUnder } from '../../../registry/keys.js';
import { systemClock } from '../../../runtime/clock.js';
import { until } from '../../support/until.js';

/** Somebody outside who sees what comes to be in etcd. Its own share of what etcd sends is counted. */
export interface Observer {
  readonly machines: ReadonlySet<string>;
  /** Units that their machine has published as launched and active. */
  readonly running: ReadonlySet<string>;
  /** How often a machine was gone. */
  readonly gone: number;
  readonly bytes: number;
  /** Resolves with `performance.now()` of the moment. */
  reached(what: string, condition: () => boolean, timeoutMs: number): Promise<number>;
  close(): void;
}

export function observe(url: string): Observer {
  const keys = keysUnder('/convoy/');
  const machines = new Set<string>();
  const running = new Set<string>();
  const seen = { gone: 0, bytes: 0, error: null as Error | null };
  const client = openEtcdClient([url], systemClock(), {
    onCall: ({ bytesIn }) => {
      seen.bytes += bytesIn;
    },
  });
  const closing = new AbortController();
  let check = (): void => undefined;
  for (const table of ['machines', 'states'])
    client.watch(
      { key: `${keys.root}${table}/`, prefix: true },
      1,
      ({ events }) => {
        for (const { kind, entry } of events) {
          const at = keys.parse(entry.key);
          if (at?.kind === 'machine' && kind === 'put') machines.add(at.machine);
          if (at?.kind === 'machine' && kind === 'delete') {
            machines.delete(at.machine);
            seen.gone += 1;
          }
          if (at?.kind !== 'state') continue;
          if (kind === 'put' && /"active":"active".*"reached":"launched"/.test(entry.value))
            running.add(at.unit);
          else running.delete(at.unit);
        }
        check();
      },
      (error) => {
        seen.error = error ?? null;
      },
      closing.signal,
    );

  return {
    machines,
    running,
    get gone() {
      return seen.gone;
    },
    get bytes() {
      return seen.bytes;
    },
    async reached(what, condition, timeoutMs) {
      let at: number | undefined;
      check = () => {
        if (at === undefined && condition()) at = performance.now();
      };
      check();
      await until(
        what,
        () => {
          if (seen.error !== null) throw seen.error;
          return at !== undefined;
        },
        timeoutMs,
      );
      return at!;
    },
    close() {
      closing.abort();
      client.close();
    },
  };
}
