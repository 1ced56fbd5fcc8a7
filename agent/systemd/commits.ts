import { ConvoyError, kindOf, messageOf, permanent } from '../../runtime/errors.js';
import { parse } from '../../units/parse.js';
import type { UnitFile } from '../../units/unit-file.js';
import type { UnitToLoad } from '../unit-manager.js';
import { type Bus, MANAGER } from './bus.js';
import type { UnitFiles } from './files.js';
import { LEASE_UNIT } from './lease.js';
import type { Properties } from './states.js';
import { hasInstall, ownNames, textForSystemd } from './unit-text.js';
import { listUnits, readProperty } from './unit-watch.js';

/**
 * Loads and unloads, many in one: whatever is asked for while systemd is busy with the last lot becomes the next one,
 * with one daemon-reload at most for all of it. 300 units that are destroyed side by side need a handful of them.
 *
 * A unit of a name that systemd does not know needs none: since version 246 systemd looks for such a unit itself
 * whenever a folder of units has changed. A daemon-reload runs all generators and reads every unit of the machine anew,
 * which takes ten times as long as everything else about a start. What is not found without one gets one: an older
 * systemd, or a folder that changed twice within one tick of the kernel's clock.
 */
export interface Commits {
  /** Resolves when systemd has the unit, rejects with `permanent`, code `refused`, if it will not. */
  load(unit: UnitToLoad): Promise<void>;
  /** Resolves when systemd and the disk have forgotten the unit, which must have been stopped. */
  unload(name: string): Promise<void>;
  /** Resolves when all that was asked for so far is done. */
  settled(): Promise<void>;
}

export interface CommitsOptions {
  readonly bus: () => Bus;
  readonly files: UnitFiles;
  /** Text of the unit that lease-bound ones are bound to. */
  readonly leaseUnitText: string;
  readonly now: () => number;
  readonly onLoaded: (name: string, known: Properties) => void;
  readonly onUnloaded: (name: string) => void;
  /** What systemd said about a unit since then, for people. */
  readonly saidAbout: (name: string, since: number) => Promise<readonly string[]>;
}

type Entry = { readonly resolve: () => void; readonly reject: (error: unknown) => void } & (
  | { readonly kind: 'load'; readonly name: string; readonly unit: UnitToLoad }
  | { readonly kind: 'unload'; readonly name: string }
);

export function createCommits(options: CommitsOptions): Commits {
  const { files, bus } = options;
  let queue: Entry[] = [];
  let running: Promise<void> | null = null;
  let hasLeaseUnit = false;

  const manager = (member: string, signature: string, ...body: unknown[]): Promise<void> =>
    bus().call({ ...MANAGER, member, ...(signature === '' ? {} : { signature, body }) }, () => undefined);

  function add(entry: Entry): void {
    queue.push(entry);
    // Not at once: what is asked for in one go belongs together.
    running ??= new Promise<void>((resolve) => setImmediate(resolve)).then(work);
  }

  async function work(): Promise<void> {
    while (queue.length > 0) {
      const lot = queue;
      queue = [];
      await commit(lot);
    }
    running = null;
  }

  /** Settles each entry. What fails for all together is tried one by one, to fail only those it fails for. */
  async function commit(lot: readonly Entry[]): Promise<void> {
    try {
      await commitAll(lot);
    } catch (error) {
      const [first, ...more] = lot;
      if (more.length === 0 || kindOf(error) === 'transient') {
        for (const entry of lot) await giveUp(entry, error);
      } else for (const entry of [first, ...more]) if (entry !== undefined) await commit([entry]);
    }
  }

  async function giveUp(entry: Entry, error: unknown): Promise<void> {
    if (entry.kind === 'load' && kindOf(error) !== 'transient') return refuse(entry, messageOf(error));
    // Not known to be loaded is not loaded: it is loaded again.
    if (entry.kind === 'load') forget(entry.name);
    entry.reject(error);
  }

  function forget(name: string): void {
    files.forget(name);
    options.onUnloaded(name);
  }

  /** Takes back what was done for a load, then rejects it. */
  async function refuse({ name, reject }: Entry, reason: string): Promise<void> {
    const refusal = permanent(`systemd does not run ${name}: ${reason}`, { code: 'refused' });
    if (!files.remembered.has(name)) return reject(refusal);
    add({ kind: 'unload', name, resolve: () => reject(refusal), reject: () => reject(refusal) });
  }

  async function commitAll(lot: readonly Entry[]): Promise<void> {
    const since = options.now();
    const asked = lot.filter((entry) => entry.kind === 'load');
    const foreign = await foreignOnes(asked.filter(({ name }) => !files.remembered.has(name)));
    const loads = asked.filter((entry) => !foreign.has(entry));
    const unloads = lot.filter((entry) => entry.kind === 'unload');
    const replaced = loads.filter(({ name }) => files.remembered.has(name));

    const leaving = [...unloads, ...replaced].map(({ name }) => name);
    if (leaving.length > 0) await manager('DisableUnitFiles', 'asb', leaving, true);
    await Promise.all(leaving.map(resetFailed));
    for (const { name } of unloads) forget(name);

    const plain: string[] = loads.some(({ unit }) => unit.leaseBound) ? leaseUnit() : [];
    const isNew = leaving.length + plain.length === 0;
    const installed: string[] = [];
    for (const { name, unit } of loads) {
      const file = parse(unit.text).unit;
      write(name, unit, file);
      (hasInstall(file) ? installed : plain).push(files.path(name));
    }
    if (plain.length > 0) await manager('LinkUnitFiles', 'asbb', plain, true, true);
    if (installed.length > 0) await manager('EnableUnitFiles', 'asbb', installed, true, true);
    const reloaded = !isNew || installed.length > 0;
    if (reloaded) await manager('Reload', '');

    for (const { resolve } of unloads) resolve();
    if (loads.length === 0) return;
    const names = loads.map(({ name }) => name);
    let rows = await listUnits(bus(), names);
    if (!reloaded && rows.some(({ load }) => load !== 'loaded')) {
      await manager('Reload', '');
      rows = await listUnits(bus(), names);
    }
    for (const [index, entry] of loads.entries()) {
      const { load = '', active = '', sub = '' } = rows[index] ?? {};
      if (load === 'loaded') {
        options.onLoaded(entry.name, { LoadState: load, ActiveState: active, SubState: sub });
        entry.resolve();
      } else {
        const said = await options.saidAbout(entry.name, since);
        await refuse(entry, [`it is ${load}`, ...said].join('\n'));
      }
    }
  }

  /** Refuses units of a name that systemd has already, from somebody else, and tells which those are. */
  async function foreignOnes(loads: readonly Entry[]): Promise<ReadonlySet<Entry>> {
    const foreign = new Set<Entry>();
    if (loads.length === 0) return foreign;
    const rows = await listUnits(
      bus(),
      loads.map(({ name }) => name),
    );
    for (const [index, entry] of loads.entries()) {
      const row = rows[index];
      if (row === undefined || row.load === 'not-found') continue;
      const of = 'org.freedesktop.systemd1.Unit';
      const path = await readProperty<string>(bus(), entry.name, of, 'FragmentPath');
      // A slice is there without a file as soon as anybody names it; a mount may be the kernel's.
      if (path === '' && (row.active === 'inactive' || entry.name.endsWith('.slice'))) continue;
      foreign.add(entry);
      const from = path === '' ? 'of its own' : `from ${path}`;
      await refuse(
        entry,
        `this machine has a unit of that name ${from} (${row.load}); give yours another name`,
      );
    }
    return foreign;
  }

  function write(name: string, unit: UnitToLoad, file: UnitFile): void {
    files.remember(name, {
      hash: unit.hash,
      leaseBound: unit.leaseBound,
      ownNames: ownNames(name, file),
      launched: false,
      restarts: 0,
      environment: {},
      lease: null,
      touched: options.now(),
      end: null,
    });
    const lease = unit.leaseBound ? LEASE_UNIT : null;
    files.writeUnit(name, textForSystemd(name, file, files.environmentPath(name), lease));
  }

  /** The path to link, once in our life. */
  function leaseUnit(): string[] {
    if (hasLeaseUnit) return [];
    hasLeaseUnit = true;
    files.writeUnit(LEASE_UNIT, options.leaseUnitText);
    return [files.path(LEASE_UNIT)];
  }

  /** A unit that failed stays in systemd's memory until this; one that is not there any more is what we want. */
  async function resetFailed(name: string): Promise<void> {
    await manager('ResetFailedUnit', 's', name).catch((error) => {
      if (!(error instanceof ConvoyError) || error.code !== 'NoSuchUnit') throw error;
    });
  }

  return {
    load: (unit) =>
      new Promise((resolve, reject) => add({ kind: 'load', name: unit.name, unit, resolve, reject })),
    unload: (name) => new Promise((resolve, reject) => add({ kind: 'unload', name, resolve, reject })),
    async settled() {
      await running;
    },
  };
}
