import type { UnitReport } from '../api/wire.js';
import type { Context } from './command.js';
import type { Goal, Verdict } from './goals.js';
import { MachineNames } from './machine-names.js';
import { openProgress } from './progress.js';
import type { Waiting } from './progress-text.js';
import { type Look, openSight } from './sight.js';

/** Fleet's: an attempt is two seconds of polling. */
export const ATTEMPT_MS = 2_000;

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

export interface WaitOptions<Seen> {
  readonly look: Look<Seen>;
  /** It has looked at what is waited for just before that was asked for: there is no need to look again first. */
  readonly looked?: boolean;
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

/** Waits for all at once and prints a line for each as it gets there. */
export async function waitForAll<Seen>(
  context: Context,
  waits: readonly Wait<Seen>[],
  { look, looked = false, timeoutMs }: WaitOptions<Seen>,
): Promise<Waited> {
  const { clock } = context;
  const names = new MachineNames(context.api);
  const progress = openProgress(context);
  const outcome = { failed: [] as string[], late: [] as string[] };
  const started = clock.steady();
  const sight = openSight(look, looked, clock);

  try {
    for (let open = waits; open.length > 0; ) {
      const seen = await sight.next(
        open.map(({ name }) => name),
        timeoutMs > 0 ? started + timeoutMs : Number.POSITIVE_INFINITY,
      );
      const judge = ({ name, judge: verdict }: Wait<Seen>): Verdict =>
        seen.kind === 'seen' ? verdict(seen.of(name)) : seen;
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
      if (open.length > 0) names.prepare();
    }
  } finally {
    sight.close();
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
