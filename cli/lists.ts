import type { UnitState } from '../api/schemas.js';
import type { MachineReport, UnitReport, WireState } from '../api/wire.js';
import { compileGlob } from '../runtime/glob.js';
import { currentState } from '../units/state.js';
import { type UnitOption, valuesOf } from '../units/unit-file.js';
import type { Context } from './command.js';
import type { ListedMachine, ListedService, ListedUnit, ListedUnitFile } from './json-output.js';
import { type Field, listCommand, type Show } from './list-command.js';
import { machineState, shortId } from './machine-label.js';
import { ago } from './times.js';
import { readUnitArgument } from './unit-args.js';

/** Fleet's three tables, and services. Everything about how fleet's columns look is what scripts parse. */

const shortHash = (hash: string, full: boolean): string => (full ? hash : hash.slice(0, 7));

/** Rows of units whose names are given, or match the patterns; all without arguments, which fleetctl has none of. */
function unitFilter(args: readonly string[]): (row: { readonly unit: string }) => boolean {
  const wanted = args.map((arg) => readUnitArgument(arg, { fleet: false }));
  return ({ unit }) =>
    wanted.length === 0 ||
    wanted.some((one) => (one.kind === 'name' ? one.name === unit : one.matches(unit)));
}

/** Nothing, as `-` in a table, if fleet has no word for it. */
const orNull = (text: string | undefined): string | null => (text === undefined || text === '' ? null : text);

export const listMachines = listCommand<ListedMachine>({
  fields: {
    machine: { cell: ({ machine }, { full }) => (full ? machine : shortId(machine)) },
    ip: { cell: ({ ip }) => ip ?? '' },
    metadata: {
      cell: ({ metadata }) =>
        Object.entries(metadata)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, value]) => `${key}=${value}`)
          .join(','),
    },
    state: { cell: ({ state }) => state },
    leader: { cell: ({ leader }) => (leader ? 'leader' : '') },
    version: { cell: ({ version }) => version ?? '' },
    api: { cell: ({ api }) => api ?? '' },
  },
  defaultFields: ['machine', 'ip', 'metadata'],
  wideFields: ['machine', 'ip', 'state', 'leader', 'version', 'api', 'metadata'],
  wholeFields: [],
  all: 'also the machines that are lost: left, evicted or gone',
  examples: [
    'convoyctl list-machines',
    'convoyctl list-machines --no-legend --full --fields=machine',
    'convoyctl list-machines --all -o wide',
  ],
  async read({ api, err }, { all }) {
    const machines = (await api.machineReports()).map(listedMachine);
    if (!all) return machines.filter(({ alive }) => alive);
    const { frozen, hold } = await api.leader();
    for (const words of [frozen, hold]) if (words !== null) err(`WARNING: ${words}`);
    return machines;
  },
  filter: (args) => (row) =>
    args.length === 0 || args.some((arg) => row.machine.startsWith(arg.replace(/\.\.\..*$/, ''))),
  failed: (why, fleet) =>
    `Error retrieving list of active machines from fleet API (${why})${
      fleet
        ? '\nPossible issues:\n  etcd is unhealthy and/or lost quorum\n  connection cannot be established to any etcd servers'
        : ''
    }`,
});

function listedMachine(report: MachineReport): ListedMachine {
  const { id, ip, metadata, alive, cordoned, draining, leader, version, apiAddress, bootId } = report;
  return {
    ...{ machine: id, ip: orNull(ip), metadata, state: machineState(report) },
    ...{ alive, cordoned, draining, leader },
    ...{ version: orNull(version), api: orNull(apiAddress), boot: orNull(bootId) },
  };
}

export const listUnits = listCommand<ListedUnit>({
  fields: {
    unit: { cell: ({ unit }) => unit },
    load: { cell: ({ load }) => load ?? '' },
    active: { cell: ({ active }) => active ?? '' },
    sub: { cell: ({ sub }) => sub ?? '' },
    machine: { cell: ({ machine }, show) => machineName(machine, show), namesMachines: true },
    hash: { cell: ({ hash }, { full }) => shortHash(hash ?? '', full) },
    age: {
      cell: ({ since }, { now }) => (since === null ? '' : ago(now - Date.parse(since))),
      key: ({ since }) => (since === null ? '' : -Date.parse(since)),
    },
    exit: { cell: ({ exit }) => exit ?? '' },
    restarts: { cell: ({ restarts }) => String(restarts), key: ({ restarts }) => restarts },
    reason: { cell: ({ reason }) => reason ?? '' },
  },
  defaultFields: ['unit', 'machine', 'active', 'sub'],
  wideFields: ['unit', 'machine', 'load', 'active', 'sub', 'hash', 'age', 'restarts', 'reason'],
  wholeFields: ['age', 'exit', 'restarts', 'reason'],
  examples: [
    'convoyctl list-units',
    "convoyctl list-units 'web@*' --sort active,unit",
    'convoyctl list-units --fields=unit,active,reason --watch',
    'convoyctl list-units -o json',
  ],
  async read({ api }, { whole }) {
    if (!whole) return (await api.states()).map(listedState);
    return wholeUnits(await api.unitReportsAt());
  },
  filter: unitFilter,
  failed: (why) => `Error retrieving list of units from repository: ${why}`,
});

function machineName(machine: string | null, { machineName, full }: Show): string {
  return machine === null ? '' : machineName(machine, full);
}

function listedState(state: WireState): ListedUnit {
  return {
    unit: state.name,
    machine: orNull(state.machineID),
    load: orNull(state.systemdLoadState),
    active: orNull(state.systemdActiveState),
    sub: orNull(state.systemdSubState),
    hash: orNull(state.hash),
    since: null,
    exit: null,
    restarts: 0,
    reason: null,
  };
}

/**
 * Each state with its own reason or what its unit waits for, and a row for each unit that is wanted and nowhere. Of what a
 * destroyed unit still has there is fleet's part only.
 */
function wholeUnits({
  units,
  destroyed,
}: {
  readonly units: readonly UnitReport[];
  readonly destroyed: readonly UnitState[];
}): ListedUnit[] {
  const listed: ListedUnit[] = destroyed.map((state) => ({
    ...wholeUnit(state, null),
    ...{ since: null, exit: null, restarts: 0, reason: null },
  }));
  for (const report of units) {
    for (const state of report.states) listed.push(wholeUnit(state, report));
    if (report.states.length === 0 && report.record.target !== 'inactive') listed.push(unitNowhere(report));
  }
  return listed.sort((a, b) => (a.unit < b.unit ? -1 : a.unit > b.unit ? 1 : 0));
}

function wholeUnit(state: UnitState, report: UnitReport | null): ListedUnit {
  return {
    unit: state.unit,
    machine: state.machine,
    load: orNull(state.load),
    active: orNull(state.active),
    sub: orNull(state.sub),
    hash: orNull(state.hash),
    since: new Date(state.since).toISOString(),
    exit: state.exit,
    restarts: state.autoRestarts,
    reason: orNull(state.reason.split('\n', 1)[0]) ?? report?.pending ?? null,
  };
}

function unitNowhere({ record, reason }: UnitReport): ListedUnit {
  return {
    ...{ unit: record.name, machine: null, load: null, active: null, sub: null },
    ...{ hash: null, since: null, exit: null, restarts: 0, reason },
  };
}

const target: Field<ListedUnitFile> = {
  cell: ({ global, machine }, show) => (global ? 'global' : machineName(machine, show)),
  namesMachines: true,
};

export const listUnitFiles = listCommand<ListedUnitFile>({
  fields: {
    unit: { cell: ({ unit }) => unit },
    hash: { cell: ({ hash }, { full }) => shortHash(hash, full) },
    desc: { cell: ({ description }) => description ?? '' },
    dstate: { cell: ({ desiredState }) => desiredState },
    state: { cell: ({ state }) => state ?? '' },
    target,
    tmachine: target,
    global: { cell: ({ global }) => String(global) },
    restarts: { cell: ({ restarts }) => String(restarts), key: ({ restarts }) => restarts },
    placed: { cell: ({ placed }) => placed ?? '' },
    reason: { cell: ({ reason }) => reason ?? '' },
  },
  defaultFields: ['unit', 'hash', 'dstate', 'state', 'target'],
  wideFields: ['unit', 'hash', 'dstate', 'state', 'target', 'restarts', 'desc', 'placed', 'reason'],
  wholeFields: [],
  examples: [
    'convoyctl list-unit-files',
    "convoyctl list-unit-files 'web@*' --fields=unit,dstate,reason",
    'convoyctl list-unit-files -o yaml',
  ],
  read: async ({ api }) => (await api.unitReports()).map(listedUnitFile),
  filter: unitFilter,
  failed: (why) => `Error retrieving list of units from repository: ${why}`,
});

function listedUnitFile({ record, machine, why, states, reason }: UnitReport): ListedUnitFile {
  const { name, hash, global } = record;
  return {
    unit: name,
    hash,
    description: descriptionOf(record.options),
    desiredState: record.target,
    state: global ? null : currentState(states.find((state) => state.machine === machine)?.reached),
    machine,
    global,
    generation: record.generation,
    restarts: record.restarts,
    placed: why,
    reason,
  };
}

function descriptionOf(options: readonly UnitOption[]): string | null {
  return orNull(valuesOf({ options }, 'Unit', 'Description').at(-1));
}

export const services = listCommand<ListedService>({
  fields: {
    service: { cell: ({ service }) => service },
    unit: { cell: ({ unit }) => unit },
    machine: { cell: ({ machine }, show) => machineName(machine, show), namesMachines: true },
    address: { cell: ({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}` },
  },
  defaultFields: ['service', 'unit', 'machine', 'address'],
  wideFields: ['service', 'unit', 'machine', 'address'],
  wholeFields: [],
  examples: ['convoyctl services', 'convoyctl services redis', 'convoyctl services redis -o json'],
  read: ({ api }: Context) => api.services().then((all) => all.map((entry) => ({ ...entry }))),
  filter(args) {
    const globs = args.map(compileGlob);
    return ({ service }) => globs.length === 0 || globs.some((glob) => glob.matches(service));
  },
  failed: (why) => `Error retrieving list of services: ${why}`,
});
