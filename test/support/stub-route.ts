import { createHash } from 'node:crypto';
import { createOutage } from '../../jobs/outage.js';
import type { Route } from '../../jobs/route.js';
import type { RouteHooks } from '../../jobs/served-migration.js';
import type { MigrationDefinition } from '../../jobs/work-queue.js';
import { systemClock } from '../../runtime/clock.js';
import { aborted, kindOf, transient } from '../../runtime/errors.js';
import { silentLog } from '../../runtime/log.js';

/** A migration's stores as a worker's test wants them: what it does is told here, what was done is read here. */
export interface StubStores {
  /** The destination refuses everything. */
  away: boolean;
  /** How long one object takes. */
  delayMs: number;
  /** Each further answer is a 503, whose object is then to be tried again. */
  throttles: boolean;
  /** Bytes of each object. */
  bytes: number;
  /** Objects in flight now, and most ever. */
  inFlight: number;
  most: number;
  /** When each request to the source was made, ms of `performance.now`. */
  readonly requests: number[];
  readonly opened: MigrationDefinition[];
  closed: number;
  /** Claims that were to be looked at first. */
  lookedFirst: number;
}

export function stubStores(change: Partial<StubStores> = {}): StubStores {
  return {
    ...{ away: false, delayMs: 0, throttles: false, bytes: 10, inFlight: 0, most: 0, requests: [] },
    ...{ opened: [], closed: 0, lookedFirst: 0, ...change },
  };
}

export const STUB_MD5 = createHash('md5').update('stub').digest('hex');

/** As `openRoute`, between such stores. */
export async function openStubRoute(
  stores: StubStores,
  definition: MigrationDefinition,
  { limits, onThrottled, onOutageChange }: RouteHooks,
): Promise<Route> {
  const clock = systemClock();
  stores.opened.push(definition);
  const refused = () => transient('connection refused', { code: 'unreachable' });
  const probe = async (): Promise<void> => {
    if (stores.away) throw refused();
  };
  const outage = createOutage({
    ...{ clock, random: Math.random, log: silentLog, onChange: onOutageChange },
    probes: { source: async () => undefined, destination: probe },
  });
  return {
    outage,
    async copy(claim, index, signal) {
      stores.inFlight++;
      stores.most = Math.max(stores.most, stores.inFlight);
      if (claim.lookFirst) stores.lookedFirst++;
      try {
        await limits.requests.turn(signal);
        stores.requests.push(performance.now());
        await limits.carry(async () => ({ bytes: Buffer.alloc(stores.bytes) }), signal);
        if (stores.delayMs > 0) await clock.sleep(stores.delayMs, signal);
        if (stores.throttles && index % 2 === 0) onThrottled();
        if (!stores.away) return { kind: 'done', bytes: stores.bytes, md5: STUB_MD5 };
        return {
          ...{ kind: 'failed', sides: ['destination'], reason: 'write-unreachable' },
          error: refused(),
        };
      } catch (error) {
        throw kindOf(error) === 'aborted' ? error : aborted('the stub has a bug', { cause: error });
      } finally {
        stores.inFlight--;
      }
    },
    async close() {
      stores.closed++;
      await outage.stop();
    },
  };
}
