import type { Clock } from '../../runtime/clock.js';
import { transient } from '../../runtime/errors.js';
import type { Eyes } from './eyes.js';
import { frameText } from './frame-text.js';
import { layOut } from './layout.js';
import { pageOf } from './pages.js';
import type { Snapshot } from './snapshot.js';
import { type Sources, withEyes } from './sources.js';
import { FIRST_STATE, type State } from './state.js';
import { wantedConditions } from './wanted-conditions.js';

export interface OnceOptions {
  readonly page: State['page'];
  /** `COLUMNS` and `LINES` go before the terminal's size. */
  readonly env: NodeJS.ProcessEnv;
  /** null: there is none. */
  readonly terminal: { readonly columns: number; readonly rows: number } | null;
}

const NO_TERMINAL = { columns: 100, rows: 30 };

/** So long, in ms, are waited for: what the page is of, the other half, and machines, which answer each for itself. */
const ANSWER_MS = 6_000;
const OTHER_MS = 2_000;
const CONDITIONS_MS = 3_000;

/** One frame of a page as text. Rejects with the sentence of why what the page is of cannot be read. */
export function frameOnce(sources: Sources, { page, env, terminal }: OnceOptions): Promise<string> {
  const { clock } = sources;
  const state: State = { ...FIRST_STATE, page };

  return withEyes(sources, async (eyes) => {
    const now = (): Snapshot => eyes.snapshot(state);
    const own = () => (page === 'migration' ? now().cargo : now().fleet);
    eyes.look(state, []).catch(() => undefined);
    await until(clock, ANSWER_MS, () => isAnswered(own()));
    const { value, trouble } = own();
    if (value === null) throw transient(trouble?.words ?? `no answer for ${ANSWER_MS / 1000} s`);
    await until(clock, OTHER_MS, () => isAnswered(now().cargo) && isAnswered(now().fleet));
    await until(clock, CONDITIONS_MS, () => hasConditions(eyes, state));
    const { columns, rows } = terminal ?? NO_TERMINAL;
    const size = { columns: sizeOf(env.COLUMNS) ?? columns, rows: sizeOf(env.LINES) ?? rows };
    return frameText(layOut(pageOf(now(), state), state, size));
  });
}

function isAnswered({ value, trouble }: Snapshot['cargo'] | Snapshot['fleet']): boolean {
  return value !== null || trouble !== null;
}

/** Whether all machines there are to be seen have told their condition; if not they are asked. */
function hasConditions(eyes: Eyes, state: State): boolean {
  const snapshot = eyes.snapshot(state);
  const { machines = [], conditions = new Map() } = snapshot.fleet.value ?? {};
  const wanted = wantedConditions(pageOf(snapshot, state));
  const missing = machines.filter(({ id, alive }) => alive && wanted.includes(id) && !conditions.has(id));
  if (missing.length > 0) eyes.look(state, wanted).catch(() => undefined);
  return missing.length === 0;
}

const GLANCE_MS = 25;

async function until(clock: Clock, ms: number, holds: () => boolean): Promise<void> {
  const deadline = clock.steady() + ms;
  while (!holds() && clock.steady() < deadline) await clock.sleep(GLANCE_MS);
}

function sizeOf(text: string | undefined): number | undefined {
  const size = Number(text);
  return /^\d{1,4}$/.test(text ?? '') && size > 0 ? size : undefined;
}
