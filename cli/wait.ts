import { kindOf, messageOf } from '../runtime/errors.js';
import type { Context } from './command.js';
import type { Goal, Verdict } from './goals.js';
import { MachineNames } from './machine-names.js';

/** Fleet's: an attempt is two seconds of polling. */
const ATTEMPT_MS = 2_000;
const POLL_MS = 250;
/** From then on a wait says what it waits for. */
const SILENT_MS = 2_000;
/** A convoyd may be restarted while somebody waits for a unit. */
const API_AWAY_MS = 10_000;

export interface Wait {
  readonly unit: string;
  /** What is waited for, after "waiting for unit X": `to report state launched`. */
  readonly what: string;
  /** What to say when it is there; absent: `Unit X <state> on <machine>`. */
  readonly done?: string;
  /** One look. */
  readonly look: () => Promise<Verdict>;
}

/** Waits for units of the registry to reach a goal. */
export function unitWait(context: Context, unit: string, state: string, goal: Goal): Wait {
  return {
    unit,
    what: `to report state ${state}`,
    look: async () => goal(await context.api.unit(unit)),
  };
}

/**
 * Waits for all at once and prints a line for each as it gets there. `attempts` 0 = for ever. Answers the units
 * that did not, each already reported on stderr with the reason.
 */
export async function waitForAll(
  context: Context,
  waits: readonly Wait[],
  attempts: number,
): Promise<readonly string[]> {
  const names = new MachineNames(context.api);
  const outcomes = await Promise.all(
    waits.map(async (wait) => {
      const problem = await waitForOne(context, wait, attempts, names);
      if (problem === null) return [];
      context.err(`Error waiting for units: ${problem}`);
      return [wait.unit];
    }),
  );
  return outcomes.flat();
}

/** null when the goal is reached, else why not, in words. */
async function waitForOne(
  context: Context,
  wait: Wait,
  attempts: number,
  names: MachineNames,
): Promise<string | null> {
  const { clock } = context;
  const started = clock.steady();
  let answered = started;
  let said = '';
  for (;;) {
    await clock.sleep(POLL_MS);
    let verdict: Verdict;
    try {
      verdict = await wait.look();
      answered = clock.steady();
    } catch (error) {
      if (kindOf(error) !== 'transient' || clock.steady() - answered > API_AWAY_MS) throw error;
      verdict = { kind: 'waiting', why: messageOf(error) };
    }
    if (verdict.kind === 'done') {
      const where = verdict.machine === null ? '' : ` on ${await names.short(verdict.machine)}`;
      context.out(wait.done ?? `Unit ${wait.unit} ${verdict.state}${where}`);
      return null;
    }
    if (verdict.kind === 'failed') return `unit ${wait.unit} failed: ${verdict.why}`;
    const waited = clock.steady() - started;
    if (attempts > 0 && waited >= attempts * ATTEMPT_MS)
      return `timed out waiting for unit ${wait.unit} ${wait.what} (${verdict.why})`;
    if (waited >= SILENT_MS && verdict.why !== said) {
      said = verdict.why;
      context.err(`Waiting for unit ${wait.unit} ${wait.what}: ${verdict.why}`);
    }
  }
}
