import { backoffMs } from '../../runtime/backoff.js';
import type { Clock } from '../../runtime/clock.js';
import { messageOf, transient } from '../../runtime/errors.js';
import type { Log } from '../../runtime/log.js';
import { type Bus, connectBus, MANAGER, PROPERTIES, type Signal, SYSTEMD } from './bus.js';

export interface ConnectionOptions {
  readonly address: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly onSignal: (signal: Signal) => void;
  /** Reads what has to be known before anybody is answered; signals are heard from before on. */
  readonly onConnected: (bus: Bus) => Promise<void>;
  /** It came back, or went. */
  readonly onTurn: (connected: boolean) => void;
}

/** A bus that is connected again whenever it has gone. */
export interface Connection {
  /** `transient`, code `unreachable`, while there is none. */
  bus(): Bus;
  /** Resolves after the first attempt, however it went. */
  readonly tried: Promise<void>;
  close(): Promise<void>;
}

const RETRY = { firstMs: 50, factor: 2, maxMs: 2000 };
const rule = (of: Readonly<Record<string, string>>): string =>
  Object.entries({ type: 'signal', ...of })
    .map(([key, value]) => `${key}='${value}'`)
    .join(',');
const RULES = [
  rule({
    sender: SYSTEMD,
    interface: PROPERTIES,
    member: 'PropertiesChanged',
    path_namespace: `${MANAGER.path}/unit`,
  }),
  rule({ sender: SYSTEMD, ...MANAGER, member: 'JobRemoved' }),
  rule({ sender: 'org.freedesktop.DBus', member: 'NameOwnerChanged', arg0: SYSTEMD }),
];

export function openConnection({ address, clock, log, ...options }: ConnectionOptions): Connection {
  const closing = new AbortController();
  let current: Bus | null = null;

  async function connect(): Promise<Bus> {
    let bus: Bus | null = null;
    bus = await connectBus(address, (signal) => {
      // systemd was executed anew, or came to a bus that was: it knows no subscribers.
      if (signal.member === 'NameOwnerChanged') bus?.close();
      else options.onSignal(signal);
    });
    closing.signal.addEventListener('abort', bus.close, { once: true });
    try {
      for (const match of RULES) await bus.addMatch(match);
      await bus.call({ ...MANAGER, member: 'Subscribe' }, () => undefined);
      await options.onConnected(bus);
    } catch (error) {
      bus.close();
      throw error;
    }
    return bus;
  }

  async function keepConnected(onTried: () => void): Promise<void> {
    for (let failures = 0; !closing.signal.aborted; ) {
      try {
        const bus = await connect();
        if (failures > 0) log.info({ address }, 'systemd answers again');
        failures = 0;
        current = bus;
        options.onTurn(true);
        onTried();
        await bus.closed;
        closing.signal.removeEventListener('abort', bus.close);
        current = null;
        options.onTurn(false);
        if (!closing.signal.aborted) log.warn({ address }, 'the bus went away; units go on');
        failures = 1;
      } catch (error) {
        failures++;
        if (failures === 1) log.warn({ address }, messageOf(error));
        onTried();
      }
      await clock.sleep(backoffMs(failures, RETRY, Math.random()), closing.signal).catch(() => undefined);
    }
  }
  let kept: Promise<void> = Promise.resolve();
  const tried = new Promise<void>((resolve) => {
    kept = keepConnected(resolve);
  });

  return {
    tried,
    bus() {
      if (current === null) throw transient(`systemd does not answer on ${address}`, { code: 'unreachable' });
      return current;
    },
    async close() {
      closing.abort();
      await kept;
    },
  };
}
