import type { MachineReport, UnitReport, WireState, WireUnit } from '../api/wire.js';
import { messageOf } from '../runtime/errors.js';
import { type OptionRow, type OptionTable, parseSwitch, parseText } from '../runtime/options.js';
import { readConstraints } from '../units/constraints.js';
import { hashOf, valuesOf } from '../units/unit-file.js';
import { type Command, type Context, command } from './command.js';
import { MachineNames, machineState, shortId } from './machine-names.js';
import { formatTable } from './table.js';

/** Fleet's three tables. Everything about how they look is what scripts parse. */

/** A cell's text; an empty one is shown as `-`. */
type Field<Row> = (row: Row, full: boolean, machines: MachineNames) => string | Promise<string>;

interface Wanted {
  readonly fields: readonly string[];
  /** `--all`, where a list has it. */
  readonly all: boolean;
}

interface List<Row> {
  readonly name: string;
  readonly summary: string;
  readonly fields: Readonly<Record<string, Field<Row>>>;
  readonly defaultFields: readonly string[];
  readonly read: (context: Context, wanted: Wanted) => Promise<readonly Row[]>;
  /** What `--all` lists besides, where a list has it. */
  readonly all?: string;
  /** What to say when the rows cannot be had. */
  readonly failed: (why: string) => string;
}

const switches = {
  legend: { flag: '--no-legend', help: 'leave the header line out', parse: parseSwitch },
  full: { flag: '--full', help: 'whole ids and hashes', parse: parseSwitch, default: false },
  long: { flag: '-l, --l', help: 'the same as --full', parse: parseSwitch, default: false },
} satisfies Record<string, OptionRow<boolean>>;

function list<Row>({ name, summary, fields, defaultFields, all, read, failed }: List<Row>): Command {
  const allOption: OptionTable =
    all === undefined ? {} : { all: { flag: '--all', help: all, parse: parseSwitch, default: false } };
  return command({
    name,
    arguments: '',
    summary,
    options: {
      ...switches,
      ...allOption,
      fields: {
        flag: '--fields <names>',
        help: `columns, of ${Object.keys(fields).join(', ')}`,
        parse: parseText,
        default: defaultFields.join(','),
      },
    },
    examples: [`convoyctl ${name}`, `convoyctl ${name} --no-legend --full --fields=${defaultFields[0]}`],
    run: async (context, _args, options) => {
      const wanted = options.fields.split(',').filter((field) => field !== '');
      const unknown = wanted.find((field) => !Object.hasOwn(fields, field));
      const problem =
        unknown === undefined ? 'Must define output format' : `Invalid key in output format: "${unknown}"`;
      if (wanted.length === 0 || unknown !== undefined) {
        context.err(problem);
        return 1;
      }
      if (wanted.includes('tmachine'))
        context.err('WARNING: The "tmachine" field is deprecated. Use "target" instead');
      const machines = new MachineNames(context.api);
      const full = options.full || options.long;
      try {
        const rows = await read(context, { fields: wanted, all: 'all' in options && options.all === true });
        const cells: string[][] = [];
        for (const row of rows)
          cells.push(
            await Promise.all(
              wanted.map(async (field) => (await fields[field]?.(row, full, machines)) || '-'),
            ),
          );
        const header = options.legend !== false ? [wanted.map((field) => field.toUpperCase())] : [];
        await context.write(formatTable([...header, ...cells]));
        return 0;
      } catch (error) {
        context.err(failed(messageOf(error)));
        return 1;
      }
    },
  });
}

const shortHash = (hash: string, full: boolean): string => (full ? hash : hash.slice(0, 7));

const listMachines = list<MachineReport>({
  name: 'list-machines',
  summary: 'list the live machines',
  fields: {
    machine: ({ id }, full) => (full ? id : shortId(id)),
    ip: ({ ip }) => ip,
    metadata: ({ metadata }) =>
      Object.entries(metadata)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
    state: machineState,
  },
  defaultFields: ['machine', 'ip', 'metadata'],
  all: 'also the machines that are lost: left, evicted or gone',
  async read({ api, err }, { all }) {
    const machines = await api.machineReports();
    if (!all) return machines.filter(({ alive }) => alive);
    const { frozen, hold } = await api.leader();
    for (const words of [frozen, hold]) if (words !== null) err(`WARNING: ${words}`);
    return machines;
  },
  failed: (why) => `Error retrieving list of active machines from fleet API (${why})`,
});

/** A state, or a unit that is wanted and nowhere. */
type ListedState = Partial<WireState> & Pick<WireState, 'name'> & { readonly reason?: string };

const listUnits = list<ListedState>({
  name: 'list-units',
  summary:
    "list the units on the machines, with systemd's states; with the field reason also those that run nowhere",
  fields: {
    unit: ({ name }) => name,
    load: ({ systemdLoadState = '' }) => systemdLoadState,
    active: ({ systemdActiveState = '' }) => systemdActiveState,
    sub: ({ systemdSubState = '' }) => systemdSubState,
    machine: ({ machineID }, full, machines) => (machineID ? machines.name(machineID, full) : ''),
    hash: ({ hash = '' }, full) => shortHash(hash, full),
    reason: ({ reason = '' }) => reason,
  },
  defaultFields: ['unit', 'machine', 'active', 'sub'],
  async read({ api }, { fields }) {
    const states = await api.states();
    return fields.includes('reason') ? withReasons(states, await api.unitReports()) : states;
  },
  failed: (why) => `Error retrieving list of units from repository: ${why}`,
});

/** Each state's own reason or what its unit waits for, and a row for each unit that is wanted and nowhere. */
function withReasons(states: readonly WireState[], units: readonly UnitReport[]): ListedState[] {
  const reports = new Map(units.map((unit) => [unit.record.name, unit]));
  const listed = states.map((state): ListedState => {
    const unit = reports.get(state.name);
    const own = unit?.states.find(({ machine }) => machine === state.machineID)?.reason.split('\n')[0];
    return { ...state, reason: own || unit?.pending || '' };
  });
  const nowhere = units.filter(({ record, states: at }) => record.target !== 'inactive' && at.length === 0);
  const rows = nowhere.map(
    ({ record, reason }): ListedState => ({ name: record.name, reason: reason ?? '' }),
  );
  return [...listed, ...rows].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

const isGlobal = ({ name, options }: WireUnit): boolean =>
  readConstraints(name, { options }).constraints.global;

const target: Field<WireUnit> = (unit, full, machines) => {
  if (isGlobal(unit)) return 'global';
  return unit.machineID === undefined ? '' : machines.name(unit.machineID, full);
};

type ListedUnit = WireUnit & { readonly reason?: string };

const listUnitFiles = list<ListedUnit>({
  name: 'list-unit-files',
  summary: 'list the submitted units, where they are wanted and where they are',
  fields: {
    unit: ({ name }) => name,
    hash: ({ options }, full) => shortHash(hashOf({ options }), full),
    desc: ({ options }) => valuesOf({ options }, 'Unit', 'Description').at(-1) ?? '',
    dstate: ({ desiredState }) => desiredState,
    state: (unit) => (isGlobal(unit) ? '' : (unit.currentState ?? '')),
    target,
    tmachine: target,
    global: (unit) => String(isGlobal(unit)),
    reason: ({ reason = '' }) => reason,
  },
  defaultFields: ['unit', 'hash', 'dstate', 'state', 'target'],
  async read({ api }, { fields }) {
    const units = await api.units();
    if (!fields.includes('reason')) return units;
    const reasons = new Map((await api.unitReports()).map(({ record, reason }) => [record.name, reason]));
    return units.map((unit): ListedUnit => ({ ...unit, reason: reasons.get(unit.name) ?? '' }));
  },
  failed: (why) => `Error retrieving list of units from repository: ${why}`,
});

export const listCommands: readonly Command[] = [listMachines, listUnits, listUnitFiles];
