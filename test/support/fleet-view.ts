import type { Run } from './fleet.js';
import type { Host } from './hosts.js';
import { askOver } from './unix-get.js';
import { until } from './until.js';

/** One row of `list-units`. */
export interface UnitRow {
  readonly unit: string;
  readonly machine: string;
  readonly load: string;
  readonly active: string;
  readonly sub: string;
}

/** A host, or anything else whose convoyd is reached at `endpoint`. */
type Reached = Pick<Host, 'endpoint'>;

/** Reads the cluster over a host's API, as fleet's clients do: /fleet/v1. */
export async function readStates(host: Reached): Promise<UnitRow[]> {
  const rows = await pages(host, '/fleet/v1/state', 'states');
  return rows.map((row) => ({
    unit: String(row.name),
    machine: String(row.machineID),
    load: String(row.systemdLoadState),
    active: String(row.systemdActiveState),
    sub: String(row.systemdSubState),
  }));
}

export async function readMachines(host: Reached): Promise<string[]> {
  return (await pages(host, '/fleet/v1/machines', 'machines')).map(({ id }) => String(id));
}

/** The names of all submitted units. */
export async function readUnits(host: Reached): Promise<string[]> {
  return (await pages(host, '/fleet/v1/units', 'units')).map(({ name }) => String(name));
}

/** Active copies by unit: the machines they are on, sorted. */
export async function activeOn(host: Reached): Promise<Map<string, string[]>> {
  const active = new Map<string, string[]>();
  for (const { unit, machine, active: state } of await readStates(host))
    if (state === 'active') active.set(unit, [...(active.get(unit) ?? []), machine].sort());
  return active;
}

/** Resolves with the machine of each of these (not global) units once all are active, each on one machine. */
export function untilActive(
  host: Reached,
  units: readonly string[],
  timeoutMs = 30_000,
): Promise<ReadonlyMap<string, string>> {
  return until(
    `${units.join(', ')} active`,
    async () => {
      const active = await activeOn(host).catch(() => new Map<string, string[]>());
      const found = units.flatMap((unit) => {
        const machines = active.get(unit) ?? [];
        return machines.length === 1 ? [[unit, machines[0] as string] as const] : [];
      });
      return found.length === units.length ? new Map(found) : undefined;
    },
    timeoutMs,
  );
}

export function untilMachines(host: Reached, count: number, timeoutMs = 30_000): Promise<string[]> {
  return until(
    `${count} machines`,
    async () => {
      const machines = await readMachines(host).catch(() => []);
      return machines.length === count ? machines : undefined;
    },
    timeoutMs,
  );
}

/** convoyctl that has to succeed. */
export async function ctl(host: Host, ...args: string[]): Promise<Run> {
  const run = await host.convoyctl(...args);
  if (run.code !== 0)
    throw new Error(`convoyctl ${args.join(' ')} exits with ${run.code}: ${run.stderr}${run.stdout}`);
  return run;
}

/** Destroys whatever units there are: what a test left behind shall not fail the next. */
export async function destroyAll(host: Host): Promise<void> {
  const units = await readUnits(host);
  if (units.length > 0) await ctl(host, 'destroy', ...units);
}

/** The main process of a unit on a host; 0 if it does not run. */
export async function mainPid(host: Host, unit: string): Promise<number> {
  return Number(await host.ask('systemctl', 'show', '-P', 'MainPID', unit));
}

async function pages(host: Reached, path: string, field: string): Promise<Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = [];
  for (let token = ''; ; ) {
    const page = await get(host, token === '' ? path : `${path}?nextPageToken=${token}`);
    rows.push(...((page[field] ?? []) as Record<string, unknown>[]));
    if (typeof page.nextPageToken !== 'string') return rows;
    token = page.nextPageToken;
  }
}

/** The JSON that a host's API has at this path. */
export async function get(host: Reached, path: string): Promise<Record<string, unknown>> {
  const { status, body } = await askOver(host.endpoint.replace('unix://', ''), path);
  if (status !== 200) throw new Error(`GET ${path}: ${status} ${body}`);
  return JSON.parse(body) as Record<string, unknown>;
}
