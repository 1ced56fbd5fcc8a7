import { type Bus, MANAGER, PROPERTIES, type Signal, unitPath } from './bus.js';
import { isEnded, isPristine, KEPT, type Properties } from './states.js';
import { typeInterface, typeProperties } from './unit-text.js';

/** A row of ListUnitsByNames, in the order asked for. */
export interface UnitRow {
  readonly load: string;
  readonly active: string;
  readonly sub: string;
}

/** What systemd says of our units, kept up to date by its signals, so that a look at 300 units costs nothing. */
export interface UnitWatch {
  properties(name: string): Properties;
  /** From now on its signals count. What is known of it is what is given here. */
  watch(name: string, known: Properties): void;
  forget(name: string): void;
  /** What of a signal concerns a watched unit. */
  heard(signal: Signal): void;
  /** Reads everything about all watched units: after a start, and when signals may have been missed. */
  readAll(bus: Bus): Promise<void>;
}

/** `onChange` is called in the middle of reading messages: it must not take long. */
export function createUnitWatch(onChange: (name: string) => void): UnitWatch {
  const known = new Map<string, Properties>();
  const names = new Map<string, string>();

  function merge(name: string, changed: Record<string, unknown>): void {
    const before = known.get(name);
    if (before === undefined) return;
    const kept = Object.entries(changed).filter(([key]) => KEPT.has(key));
    const news = Object.fromEntries(
      kept.map(([key, value]) => [key, Buffer.isBuffer(value) ? value.toString('hex') : value]),
    );
    const after = { ...before, ...news };
    // systemd forgets a unit that has ended well, and then knows of no run: what was heard before is still true.
    const forgotten = 'LoadState' in news && isPristine(after) && isEnded(before) && !isPristine(before);
    known.set(name, forgotten ? { ...before, LoadState: news.LoadState } : after);
    onChange(name);
  }

  return {
    properties: (name) => known.get(name) ?? {},
    watch(name, properties) {
      known.set(name, properties);
      names.set(unitPath(name), name);
    },
    forget(name) {
      known.delete(name);
      names.delete(unitPath(name));
    },
    heard({ path, member, body }) {
      const name = names.get(path);
      if (name !== undefined && member === 'PropertiesChanged')
        merge(name, body[1] as Record<string, unknown>);
    },
    async readAll(bus) {
      const all = {
        interface: PROPERTIES,
        member: 'GetAll',
        signature: 's',
        body: ['org.freedesktop.systemd1.Unit'],
      };
      const one = { interface: PROPERTIES, member: 'Get', signature: 'ss' };
      const reads = [...names].flatMap(([path, name]) => [
        bus.call({ ...all, path }, (values) => merge(name, values as Record<string, unknown>)),
        // A service has 300 properties more, and their reading takes longer than all else.
        ...typeProperties(name).map((property) =>
          bus.call({ ...one, path, body: [typeInterface(name), property] }, (value) =>
            merge(name, { [property]: value }),
          ),
        ),
      ]);
      await Promise.all(reads);
    },
  };
}

/** How units are right now; systemd loads those it does not know, `not-found` if there is no file. */
export function listUnits(bus: Bus, names: readonly string[]): Promise<UnitRow[]> {
  const call = { ...MANAGER, member: 'ListUnitsByNames', signature: 'as', body: [names] };
  return bus.call(call, (rows) =>
    (rows as string[][]).map(([, , load = '', active = '', sub = '']) => ({ load, active, sub })),
  );
}

export function readProperty<T>(bus: Bus, name: string, of: string, property: string): Promise<T> {
  const call = {
    path: unitPath(name),
    interface: PROPERTIES,
    member: 'Get',
    signature: 'ss',
    body: [of, property],
  };
  return bus.call(call, (value) => value as T);
}
