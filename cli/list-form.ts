import { type OptionRow, parseChoice, parseSwitch, parseText } from '../runtime/options.js';

/** The options that all lists have. */
export const FORMS = ['json', 'yaml', 'wide'] as const;
export type Form = (typeof FORMS)[number];

export const formOption = {
  flag: '-o, --output <form>',
  help: 'json or yaml: all there is, for programs; wide: a table with more columns',
  parse: parseChoice(FORMS),
} satisfies OptionRow<Form>;

export const listSwitches = {
  legend: { flag: '--no-legend', help: 'leave the header line out', parse: parseSwitch },
  full: { flag: '--full', help: 'whole ids and hashes', parse: parseSwitch, default: false },
  long: { flag: '-l, --l', help: 'the same as --full', parse: parseSwitch, default: false },
  watch: {
    flag: '--watch',
    help: 'show the list again after every change, until Ctrl-C',
    parse: parseSwitch,
    default: false,
  },
} satisfies Record<string, OptionRow<boolean>>;

export const sortOption = {
  flag: '--sort <fields>',
  help: 'order by these columns, shown or not; -field: the other way round',
  parse: parseText,
} satisfies OptionRow<string>;

/** Rows as a document of their own: an empty list is `[]`. */
export async function formatDocument(rows: readonly object[], form: 'json' | 'yaml'): Promise<string> {
  if (form === 'json') return `${JSON.stringify(rows, null, 2)}\n`;
  // Only here: it takes a fifth of a command's time to load. Bundled it has no exports by name.
  const { default: yaml } = await import('yaml');
  return yaml.stringify(rows);
}

export interface SortKey {
  readonly field: string;
  readonly descending: boolean;
}

/** `active,-unit` */
export function readSort(text: string): SortKey[] {
  return text
    .split(',')
    .filter((part) => part !== '')
    .map((part) => ({ field: part.replace(/^-/, ''), descending: part.startsWith('-') }));
}

/** Numbers by size, within texts too: web@2 before web@10. Empty ones come last, whichever way round. */
export function compareKeys(a: string | number, b: string | number, descending: boolean): number {
  if (a === '' || b === '') return a === b ? 0 : a === '' ? 1 : -1;
  const order = typeof a === 'number' && typeof b === 'number' ? a - b : collator().compare(`${a}`, `${b}`);
  return descending ? -order : order;
}

let made: Intl.Collator | undefined;
/** Made when first needed: that takes a tenth of a command's time. */
function collator(): Intl.Collator {
  made ??= new Intl.Collator('en', { numeric: true });
  return made;
}

/** The columns whose words say how something is. */
const STATE_FIELDS = ['load', 'active', 'sub', 'state', 'dstate'];

/** The cell with the colour of what it says around it: red what is broken, yellow what is under way. */
export function coloured(field: string, cell: string): string {
  const code = STATE_FIELDS.includes(field) ? COLOURS[cell] : undefined;
  return code === undefined ? cell : `\u001b[${code}m${cell}\u001b[0m`;
}

const [RED, GREEN, YELLOW, GREY] = [31, 32, 33, 90];
const COLOURS: Readonly<Record<string, number | undefined>> = Object.assign(Object.create(null), {
  ...{ failed: RED, error: RED, 'not-found': RED, gone: RED, evicted: RED },
  ...{ active: GREEN, ready: GREEN },
  ...{ activating: YELLOW, deactivating: YELLOW, reloading: YELLOW, 'auto-restart': YELLOW },
  ...{ cordoned: YELLOW, draining: YELLOW, left: GREY, inactive: GREY, dead: GREY },
});
