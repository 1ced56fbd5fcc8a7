import type { Detail } from './detail.js';
import type { Intent } from './intent.js';
import type { BlockId } from './page.js';

/** What whoever sits at the dashboard has done so far: where they are and what they chose. Holds nothing that was read. */
export interface State {
  readonly page: 'migration' | 'fleet';
  /** The one shown; null: the first that runs, else the first. */
  readonly migration: string | null;
  /** The last is shown; Escape takes it away. Empty: the page itself. */
  readonly details: readonly Detail[];
  /** The table that arrow keys move in, of each view (by `viewOf`); absent: its first. */
  readonly focus: Readonly<Partial<Record<View, BlockId>>>;
  /** The chosen row of each table; absent: its first. */
  readonly selected: Readonly<Partial<Record<BlockId, string>>>;
  /** Which row of its table that was, counted from 0, at the last key: when it vanishes, whatever stands there takes over. */
  readonly places: Readonly<Partial<Record<BlockId, number>>>;
  /** Keys of the rows marked with Space, of the view that is shown. */
  readonly marked: readonly string[];
  /** Only rows with this in them, whatever their case; of each table. */
  readonly filters: Readonly<Partial<Record<BlockId, string>>>;
  /** What was chosen in the views that the details cover, one for each detail: Escape brings it back. */
  readonly covered: readonly Choices[];
  readonly workersBy: 'name' | 'rate' | 'failures';
  readonly dialog: Dialog | null;
  /** What came of the last act, in the last line until the next key. */
  readonly said: { readonly words: string; readonly tone: 'good' | 'bad' | 'dim' } | null;
}

/** What was chosen in one view. */
export type Choices = Pick<State, 'selected' | 'places' | 'marked' | 'filters'>;

export type View = State['page'] | Detail['kind'];

export type Dialog =
  | { readonly kind: 'help' }
  /** `y` does it, any other key does not. */
  | { readonly kind: 'confirm'; readonly question: string; readonly intent: Intent }
  /** Typing; Enter takes it, Escape leaves all as it was. */
  | { readonly kind: 'filter'; readonly block: BlockId; readonly text: string };

export const FIRST_STATE: State = {
  page: 'migration',
  migration: null,
  details: [],
  focus: {},
  selected: {},
  places: {},
  marked: [],
  filters: {},
  covered: [],
  workersBy: 'name',
  dialog: null,
  said: null,
};

export function viewOf({ page, details }: State): View {
  return details.at(-1)?.kind ?? page;
}
