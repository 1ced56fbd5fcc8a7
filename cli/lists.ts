import type { WireMachine, WireState, WireUnit } from '../api/wire.js';
import { messageOf } from '../runtime/errors.js';
import { type OptionRow, parseSwitch, parseText } from '../runtime/options.js';
import { readConstraints } from '../units/constraints.js';
import { hashOf, valuesOf } from '../units/unit-file.js';
import { type Command, type Context, command } from './command.js';
import { MachineNames, shortId } from './machine-names.js';
import { formatTable } from './table.js';

/** Fleet's three tables. Everything about how they look is what scripts parse. */

/** A cell's text; an empty one is shown as `-`. */
type Field<Row> = (row: Row, full: boolean, machines: MachineNames) => string | Promise<string>;

interface List<Row> {
  readonly name: string;
  readonly summary: string;
  readonly fields: Readonly<Record<string, Field<Row>>>;
  readonly defaultFields: readonly string[];
  readonly read: (context: Context) => Promise<readonly Row[]>;
  /** What to say when the rows cannot be had. */
  readonly failed: (why: string) => string;
}

const switches = {
  legend: { flag: '--no-legend', help: 'leave the header line out', parse: parseSwitch },
  full: { flag: '--full', help: 'whole ids and hashes', parse: parseSwitch, default: false },
  long: { flag: '-l, --l', help: 'the same as --full', parse: parseSwitch, default: false },
} satisfies Record<string, OptionRow<boolean>>;

function list<Row>({ name, summary, fields, defaultFields, read, failed }: List<Row>): Command {
  return command({
    name,
    arguments: '',
    summary,
    options: {
      ...switches,
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
        const rows = await read(context);
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

const listMachines = list<WireMachine>({
  name: 'list-machines',
  summary: 'list the live machines',
  fields: {
    machine: ({ id }, full) => (full ? id : shortId(id)),
    ip: ({ primaryIP }) => primaryIP ?? '',
    metadata: ({ metadata }) =>
      Object.entries(metadata ?? {})
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
  },
  defaultFields: ['machine', 'ip', 'metadata'],
  read: ({ api }) => api.machines(),
  failed: (why) => `Error retrieving list of active machines from fleet API (${why})`,
});

const listUnits = list<WireState>({
  name: 'list-units',
  summary: "list the units on the machines, with systemd's states",
  fields: {
    unit: ({ name }) => name,
    load: ({ systemdLoadState }) => systemdLoadState,
    active: ({ systemdActiveState }) => systemdActiveState,
    sub: ({ systemdSubState }) => systemdSubState,
    machine: ({ machineID }, full, machines) => machines.name(machineID, full),
    hash: ({ hash }, full) => shortHash(hash, full),
  },
  defaultFields: ['unit', 'machine', 'active', 'sub'],
  read: ({ api }) => api.states(),
  failed: (why) => `Error retrieving list of units from repository: ${why}`,
});

const isGlobal = ({ name, options }: WireUnit): boolean =>
  readConstraints(name, { options }).constraints.global;

const target: Field<WireUnit> = (unit, full, machines) => {
  if (isGlobal(unit)) return 'global';
  return unit.machineID === undefined ? '' : machines.name(unit.machineID, full);
};

const listUnitFiles = list<WireUnit>({
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
  },
  defaultFields: ['unit', 'hash', 'dstate', 'state', 'target'],
  read: ({ api }) => api.units(),
  failed: (why) => `Error retrieving list of units from repository: ${why}`,
});

export const listCommands: readonly Command[] = [listMachines, listUnits, listUnitFiles];
