import { transient } from '../../runtime/errors.js';
import type { Eyes } from './eyes.js';
import { frameText } from './frame-text.js';
import { layOut } from './layout.js';
import { pageOf } from './pages.js';
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
const ANSWER_MS = 10_000;
const OTHER_MS = 2_000;
const CONDITIONS_MS = 3_000;
const GLANCE_MS = 100;

/** One frame of a page as text. Rejects with the sentence of why what the page is of cannot be read. */
export function frameOnce(sources: Sources, { page, env, terminal }: OnceOptions): Promise<string> {
  const { clock } = sources;
  const state: State = { ...FIRST_STATE, page };
  const within = (ms: number, answer: Promise<void>) => Promise.race([answer, clock.sleep(ms)]);

  return withEyes(sources, async (eyes) => {
    const looks = eyes.look(state, []);
    const [own, other] = page === 'migration' ? (['cargo', 'fleet'] as const) : (['fleet', 'cargo'] as const);
    await within(ANSWER_MS, looks[own]);
    const { value, trouble } = eyes.snapshot(state)[own];
    if (value === null) throw transient(trouble?.words ?? 'nothing was answered');
    await within(OTHER_MS, looks[other]);
    const deadline = clock.steady() + CONDITIONS_MS;
    while (lacksConditions(eyes, state) && clock.steady() < deadline) await clock.sleep(GLANCE_MS);
    const { columns, rows } = terminal ?? NO_TERMINAL;
    const size = { columns: sizeOf(env.COLUMNS) ?? columns, rows: sizeOf(env.LINES) ?? rows };
    return frameText(layOut(pageOf(eyes.snapshot(state), state), state, size));
  });
}

/** Whether of some machine that is to be seen the condition is not told yet: then it is asked for. */
function lacksConditions(eyes: Eyes, state: State): boolean {
  const snapshot = eyes.snapshot(state);
  const { machines = [], conditions = new Map() } = snapshot.fleet.value ?? {};
  const wanted = wantedConditions(pageOf(snapshot, state));
  const lacks = machines.some(({ id, alive }) => alive && wanted.includes(id) && !conditions.has(id));
  if (lacks) eyes.look(state, wanted);
  return lacks;
}

function sizeOf(text: string | undefined): number | undefined {
  const size = Number(text);
  return /^\d{1,4}$/.test(text ?? '') && size > 0 ? size : undefined;
}
