import { ConvoyError, messageOf, UsageError } from '../runtime/errors.js';
import { type OptionRow, type OptionTable, parseSwitch, parseText } from '../runtime/options.js';
import { type Command, type Context, command } from './command.js';
import {
  coloured,
  compareKeys,
  type Form,
  formatDocument,
  formOption,
  listSwitches,
  readSort,
  type SortKey,
  sortOption,
} from './list-form.js';
import { type MachineName, MachineNames } from './machine-names.js';
import { formatTable } from './table.js';
import { watchText } from './watch.js';

/** A column. */
export interface Field<Row> {
  /** A cell's text; an empty one is shown as `-`. */
  readonly cell: (row: Row, show: Show) => string;
  /** It calls `Show.machineName`. */
  readonly namesMachines?: true;
  /** What rows are sorted by, if not by the cell's text. */
  readonly key?: (row: Row) => string | number;
}

/** What cells are made with. */
export interface Show {
  readonly full: boolean;
  readonly machineName: MachineName;
  /** ms since the epoch. */
  readonly now: number;
}

export interface Wanted {
  /** All of every row is needed, not only what fleet's own lists have. */
  readonly whole: boolean;
  /** `--all`, where a list has it. */
  readonly all: boolean;
}

/** A list of the API as a command: a table as fleet's, the same with more columns, or JSON and YAML of the rows. */
export interface List<Row extends object> {
  readonly fields: Readonly<Record<string, Field<Row>>>;
  readonly defaultFields: readonly string[];
  readonly wideFields: readonly string[];
  /** Columns for which all of every row is needed. */
  readonly wholeFields: readonly string[];
  readonly read: (context: Context, wanted: Wanted) => Promise<readonly Row[]>;
  /** Whether a row is meant by the command line's arguments. */
  readonly filter: (args: readonly string[]) => (row: Row) => boolean;
  /** What `--all` lists besides, where a list has it. */
  readonly all?: string;
  readonly examples: readonly string[];
  /** What to say when the rows cannot be had. */
  readonly failed: (why: string, fleet: boolean) => string;
}

export function listCommand<Row extends object>(list: List<Row>): Command {
  const allOption: OptionTable =
    list.all === undefined
      ? {}
      : { all: { flag: '--all', help: list.all, parse: parseSwitch, default: false } };
  const fields = {
    flag: '--fields <names>',
    help: `columns, of ${Object.keys(list.fields).join(', ')}`,
    parse: parseText,
    defaultText: list.defaultFields.join(','),
  } satisfies OptionRow<string>;
  return command({
    options: { ...listSwitches, ...allOption, fields, sort: sortOption, output: formOption },
    examples: list.examples,
    run: async (context, args, options) => {
      const asked = options.fields?.split(',').filter((field) => field !== '');
      const unknown = asked?.find((field) => !Object.hasOwn(list.fields, field));
      if (asked?.length === 0 || unknown !== undefined) {
        context.err(
          unknown === undefined ? 'Must define output format' : `Invalid key in output format: "${unknown}"`,
        );
        return 1;
      }
      if (asked !== undefined && options.output !== undefined)
        throw new UsageError(
          `--fields chooses columns of the plain table: leave it out with -o ${options.output}`,
        );
      if (asked?.includes('tmachine'))
        context.err('WARNING: The "tmachine" field is deprecated. Use "target" instead');
      const view: View = {
        columns: asked ?? (options.output === 'wide' ? list.wideFields : list.defaultFields),
        sort: readSort(options.sort ?? ''),
        form: options.output,
        full: options.full || options.long,
        legend: options.legend !== false,
        all: 'all' in options && options.all === true,
        // Fleet's lists took no arguments, and did not look at them.
        args: context.fleet ? [] : args,
      };
      const wrong = view.sort.find(({ field }) => !Object.hasOwn(list.fields, field));
      if (wrong !== undefined)
        throw new UsageError(
          `--sort: there is no column "${wrong.field}", only ${Object.keys(list.fields).join(', ')}`,
        );
      const text = (): Promise<string> => textOf(context, list, view);
      if (options.watch) return watchText(context, text);
      try {
        await context.write(await text());
        return 0;
      } catch (error) {
        if (!(error instanceof ConvoyError)) throw error;
        context.err(list.failed(messageOf(error), context.fleet));
        return 1;
      }
    },
  });
}

interface View {
  readonly columns: readonly string[];
  readonly sort: readonly SortKey[];
  readonly form: Form | undefined;
  readonly full: boolean;
  readonly legend: boolean;
  readonly all: boolean;
  readonly args: readonly string[];
}

async function textOf<Row extends object>(context: Context, list: List<Row>, view: View): Promise<string> {
  const sortedBy = view.sort.map(({ field }) => field);
  const used = [...view.columns, ...sortedBy];
  const isDocument = view.form === 'json' || view.form === 'yaml';
  const whole = isDocument || used.some((field) => list.wholeFields.includes(field));
  const machines = new MachineNames(context.api);
  const namesMachines = (isDocument ? sortedBy : used).some((field) => list.fields[field]?.namesMachines);
  const read = await list.read(context, { whole, all: view.all });
  const machineName = namesMachines && read.length > 0 ? await machines.all() : (id: string) => id;
  const show = { full: view.full, machineName, now: context.clock.now() };
  const rows = sorted(read.filter(list.filter(view.args)), list, view.sort, { ...show, full: true });
  if (view.form === 'json' || view.form === 'yaml') return formatDocument(rows, view.form);

  const header = view.legend ? [view.columns.map((field) => field.toUpperCase())] : [];
  const fields = view.columns.map((field) => list.fields[field]);
  const cells = rows.map((row) => fields.map((field) => field?.cell(row, show) || '-'));
  const colours = context.terminal.out?.colours === true;
  return formatTable([...header, ...cells], (cell, at) =>
    colours ? coloured(view.columns[at] ?? '', cell) : cell,
  );
}

function sorted<Row extends object>(
  rows: readonly Row[],
  { fields }: List<Row>,
  sort: readonly SortKey[],
  show: Show,
): readonly Row[] {
  if (sort.length === 0) return rows;
  const keyed = rows.map((row) => ({
    row,
    keys: sort.map(({ field }) => fields[field]?.key?.(row) ?? fields[field]?.cell(row, show)),
  }));
  keyed.sort((a, b) => {
    for (const [at, { descending }] of sort.entries()) {
      const order = compareKeys(a.keys[at] ?? '', b.keys[at] ?? '', descending);
      if (order !== 0) return order;
    }
    return 0;
  });
  return keyed.map(({ row }) => row);
}
