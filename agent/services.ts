import { connect } from 'node:net';
import type { ServiceEntry } from '../registry/model.js';
import type { MachineSession } from '../registry/registry.js';
import type { Clock } from '../runtime/clock.js';
import { transient } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import { startLoop } from '../runtime/loop.js';
import { readText } from './identity.js';
import { choosePort, localPorts } from './ports.js';
import { createAttempts } from './session.js';
import type { ManagedUnit } from './unit-manager.js';

/** What a unit of this machine offers, from its [X-Convoy] section. */
export interface Offer {
  readonly service: string;
  readonly port: number | 'auto';
}

export interface AnnouncerOptions {
  readonly machineId: string;
  /** The address others reach this machine's services at; what is announced is what was tried. */
  readonly host: string;
  /** Units that belong here and offer something; `null` while nothing may be touched. */
  readonly offers: () => ReadonlyMap<string, Offer> | null;
  readonly list: () => Promise<readonly ManagedUnit[]>;
  readonly session: () => Pick<MachineSession, 'announce'> | null;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Announcer {
  wake(): void;
  /** Takes the units' services back before they are stopped; `release` lets them be announced again. */
  withdraw(units: readonly string[]): Promise<void>;
  release(unit: string): void;
  stop(): Promise<void>;
}

/** How often an announced port is tried again, and one that does not accept yet; and what is looked at where nothing is offered. */
const CHECK_MS = 2000;
const PENDING_MS = 200;
const LOOK_MS = 10_000;
const CONNECT_MS = 2000;
/** A stop waits so long for the registry, and no longer: it may be away. */
const WITHDRAW_MS = 2000;

/** Announces each offering unit's service while the unit is active and its port accepts. */
export function startAnnouncer(options: AnnouncerOptions): Announcer {
  const { clock, log, host, machineId } = options;
  const withdrawn = new Set<string>();
  const announcing = createAttempts('services are not announced', log);
  /** Said once of each until it accepts: a server that listens elsewhere would never be found. */
  const complained = new Set<string>();
  let announced: readonly ServiceEntry[] = [];
  let last = Promise.resolve(true);
  let intervalMs = CHECK_MS;

  async function accepting(): Promise<{ entries: ServiceEntry[]; intervalMs: number } | null> {
    const offers = options.offers();
    if (offers === null) return null;
    if (offers.size === 0) return { entries: [], intervalMs: LOOK_MS };
    const candidates = (await options.list()).flatMap((unit) => entryOf(unit, offers.get(unit.name)) ?? []);
    const accepts = await Promise.all(candidates.map(({ port }) => acceptsConnection(host, port)));
    const entries = candidates.filter((_, index) => accepts[index]);
    for (const [index, { unit, service, port }] of candidates.entries()) {
      if (accepts[index]) complained.delete(unit);
      else if (!complained.has(unit)) {
        complained.add(unit);
        log.warn(
          { unit, service, host, port },
          'service not announced yet: nothing accepts connections there',
        );
      }
    }
    return { entries, intervalMs: entries.length < candidates.length ? PENDING_MS : CHECK_MS };
  }

  function entryOf(unit: ManagedUnit, offer: Offer | undefined): ServiceEntry | null {
    if (offer === undefined || unit.active !== 'active') return null;
    const port = offer.port === 'auto' ? Number(unit.environment.PORT) : offer.port;
    return port > 0 ? { service: offer.service, unit: unit.name, machine: machineId, host, port } : null;
  }

  /** One after another: an announcement under way must not come out after a withdrawal. */
  function publish(): Promise<boolean> {
    last = last.then(() =>
      announcing.attempt(async () => {
        await options.session()?.announce(announced.filter(({ unit }) => !withdrawn.has(unit)));
      }),
    );
    return last;
  }

  const loop = startLoop({
    name: 'services',
    intervalMs: () => intervalMs,
    clock,
    log,
    async round(signal) {
      intervalMs = CHECK_MS;
      const found = await accepting();
      if (found === null || signal.aborted) return;
      announced = found.entries;
      await publish();
      intervalMs = found.intervalMs;
    },
  });

  return {
    wake: loop.wake,
    async withdraw(units) {
      for (const unit of units) withdrawn.add(unit);
      if (!announced.some(({ unit }) => units.includes(unit))) return;
      const given = new AbortController();
      await Promise.race([publish(), clock.sleep(WITHDRAW_MS, given.signal).catch(() => undefined)]);
      given.abort();
    },
    release(unit) {
      withdrawn.delete(unit);
    },
    stop: loop.stop,
  };
}

function acceptsConnection(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(CONNECT_MS, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}

/**
 * Chooses ports for `Port=auto`: no socket of this machine has it, and no other unit that offers a service was given it. Throws
 * where none is left.
 */
export function createPortChooser(): (
  unit: string,
  offers: ReadonlyMap<string, Offer>,
  loaded: readonly ManagedUnit[],
) => number {
  const given = new Map<string, number>();
  return (unit, offers, loaded) => {
    for (const other of given.keys()) if (!offers.has(other)) given.delete(other);
    const ofUnits = loaded.map(({ environment: { PORT } }) => Number(PORT));
    const port = choosePort(new Set([...portsInUse(), ...ofUnits, ...given.values()]), Math.random());
    if (port === null) throw transient('no port is free for Port=auto');
    given.set(unit, port);
    return port;
  };
}

function portsInUse(): number[] {
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => localPorts(readText(table) ?? ''));
}
