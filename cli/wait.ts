import type { UnitReport } from '../api/wire.js';
import { kindOf, messageOf } from '../runtime/errors.js';
import type { Context } from './command.js';
import type { Goal, Verdict } from './goals.js';
import { MachineNames } from './machine-names.js';
import { openProgress } from './progress.js';
import type { Waiting } from './progress-text.js';

/** Fleet's: an attempt is two seconds of polling. */
export const ATTEMPT_MS = 2_000;
/** Up to so many are asked about one by one, more of them in one list, which costs the registry more. */
export const FEW = 8;
/** Between looks: at first soon, then as long as a look at so many may cost. */
const POLL_FIRST_MS = 50;
const POLL_FEW_MS = 250;
const POLL_MANY_MS = 1_000;
/** A convoyd may be restarted while somebody waits for a unit. */
const API_AWAY_MS = 10_000;

export interface Wait<Seen> {
  /** What it is called in `look`. */
  readonly name: string;
  /** What it is called in what is said, where that is not `unit NAME`. */
  readonly subject?: string;
  /** What is waited for, after the subject: `to report state launched`. */
  readonly what: string;
  readonly judge: (seen: Seen) => Verdict;
  /** What to say when it is there; absent: `Unit X <state> on <machine>`. */
  readonly done?: (where: string) => string;
}

/** One look at everything still waited for. */
export type Look<Seen> = (names: readonly string[]) => Promise<(name: string) => Seen>;

export interface WaitOptions<Seen> {
  readonly look: Look<Seen>;
  /** 0 = for ever. */
  readonly timeoutMs: number;
}

/** The names of those that did not get there, each already reported on stderr with the reason. */
export interface Waited {
  readonly failed: readonly string[];
  readonly late: readonly string[];
}

/** Waits for a unit to reach a goal. */
export function unitWait(name: string, state: string, judge: Goal): Wait<UnitReport | null> {
  return { name, what: `to report state ${state}`, judge };
}

/** Looks at units of the registry: null for one that is not there. */
export function lookAtUnits({ api }: Context): Look<UnitReport | null> {
  return async (names) => {
    const few = names.length <= FEW;
    const reports = few ? await Promise.all(names.map((name) => api.unit(name))) : await api.unitReports();
    const found = new Map(reports.flatMap((unit) => (unit === null ? [] : [[unit.record.name, unit]])));
    return (name) => found.get(name) ?? null;
  };
}

/** Waits for all at once and prints a line for each as it gets there. */
export async function waitForAll<Seen>(
  context: Context,
  waits: readonly Wait<Seen>[],
  { look, timeoutMs }: WaitOptions<Seen>,
): Promise<Waited> {
  const { clock } = context;
  const names = new MachineNames(context.api);
  const progress = openProgress(context);
  const outcome = { failed: [] as string[], late: [] as string[] };
  const started = clock.steady();
  let answered = started;

  try {
    for (let open = waits, pause = 0; open.length > 0; ) {
      await clock.sleep(pause);
      pause = Math.min(pause * 2 || POLL_FIRST_MS, open.length > FEW ? POLL_MANY_MS : POLL_FEW_MS);
      let judge: (wait: Wait<Seen>) => Verdict;
      try {
        const seen = await look(open.map(({ name }) => name));
        judge = (wait) => wait.judge(seen(wait.name));
        answered = clock.steady();
      } catch (error) {
        if (kindOf(error) !== 'transient' || clock.steady() - answered > API_AWAY_MS) throw error;
        judge = () => ({ kind: 'waiting', why: messageOf(error) });
      }
      const waited = clock.steady() - started;
      const waiting: { wait: Wait<Seen>; why: string }[] = [];
      const said: (() => void)[] = [];
      for (const wait of open) {
        const verdict = judge(wait);
        if (verdict.kind === 'done') {
          const line = await arrival(wait, verdict, names);
          said.push(() => context.out(line));
        } else if (verdict.kind === 'failed') {
          said.push(() => context.err(`Error waiting for units: ${subjectOf(wait)} failed: ${verdict.why}`));
          outcome.failed.push(wait.name);
        } else if (timeoutMs > 0 && waited >= timeoutMs) {
          const why = context.fleet ? '' : ` (${verdict.why})`;
          said.push(() => context.err(`Error waiting for units: ${lateness(wait)}${why}`));
          outcome.late.push(wait.name);
        } else waiting.push({ wait, why: verdict.why });
      }
      if (said.length > 0) progress.clear();
      for (const say of said) say();
      progress.show(waiting.map(asWaiting), waited);
      open = waiting.map(({ wait }) => wait);
    }
  } finally {
    progress.clear();
  }
  const late = waits.find(({ name }) => outcome.late.includes(name));
  if (context.fleet && late !== undefined)
    context.err(`Error waiting for unit states, exit status: ${lateness(late)}`);
  return outcome;
}

async function arrival(
  { name, done }: Wait<never>,
  { state, machine }: Extract<Verdict, { kind: 'done' }>,
  names: MachineNames,
): Promise<string> {
  const where = machine === null ? '' : await names.short(machine);
  return done?.(where) ?? `Unit ${name} ${state}${where === '' ? '' : ` on ${where}`}`;
}

function lateness(wait: Wait<never>): string {
  return `timed out waiting for ${subjectOf(wait)} ${wait.what}`;
}

function asWaiting({ wait, why }: { wait: Wait<never>; why: string }): Waiting {
  return { subject: subjectOf(wait), what: wait.what, why };
}

function subjectOf({ subject, name }: Pick<Wait<never>, 'subject' | 'name'>): string {
  return subject ?? `unit ${name}`;
}

/** Of Convoy's own commands: 1 failed, 3 timed out. */
export function exitCodeOf({ failed, late }: Waited): number {
  return failed.length > 0 ? 1 : late.length > 0 ? 3 : 0;
}
