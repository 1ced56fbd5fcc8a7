import type { UnitReport } from '../api/wire.js';
import type { UnitState } from '../registry/model.js';
import { shortId } from '../units/eligibility.js';

/** How a unit stands towards what a command waits for. */
export type Verdict =
  | { readonly kind: 'done'; readonly state: string; readonly machine: string | null }
  | { readonly kind: 'failed'; readonly why: string }
  | { readonly kind: 'waiting'; readonly why: string };

/** Judges one look at the unit; null: it is in the registry no more. */
export type Goal = (unit: UnitReport | null) => Verdict;

const waiting = (why: string): Verdict => ({ kind: 'waiting', why });
const failed = (why: string): Verdict => ({ kind: 'failed', why });
const DESTROYED = failed('it was destroyed meanwhile');

/** No process of the unit is there: it ended, failed, or was never started. */
export function isSettled(state: UnitState): boolean {
  return state.active === 'inactive' || state.active === 'failed';
}

/** The machine's unit manager would not even load it. */
export function isRefused(state: UnitState): boolean {
  return state.load !== 'loaded';
}

/** `failed (failed), exit 1: reason`, as much of it as there is, in one line. */
export function describeState(state: UnitState): string {
  const restarts = state.autoRestarts === 0 ? '' : `, restarted ${state.autoRestarts} times`;
  const exit = state.exit === null ? '' : `, exit ${state.exit}`;
  const [summary] = state.reason.split('\n');
  return `${state.active} (${state.sub})${exit}${restarts}${summary ? `: ${summary}` : ''}`;
}

/** The same, with the lines of its log that the reason has, indented below. */
function explainState(state: UnitState): string {
  const [, ...log] = state.reason.split('\n');
  return [describeState(state), ...log.map(indented)].join('\n');
}

/** Why its machine would not load it. */
function explainRefusal({ reason }: UnitState): string {
  const [summary = '', ...log] = reason.split('\n');
  return [summary, ...log.map(indented)].join('\n');
}

export const indented = (line: string): string => `    ${line}`;

/** Known, on no machine. */
export const inactiveGoal: Goal = (unit) => {
  if (unit === null) return DESTROYED;
  const state = unit.states[0];
  if (state !== undefined) return waiting(`still ${describeState(state)} on ${shortId(state.machine)}`);
  if (unit.machine !== null) return waiting(`still placed on ${shortId(unit.machine)}`);
  return { kind: 'done', state: 'inactive', machine: null };
};

/** Loaded on its machine and not running. */
export const loadedGoal: Goal = (unit) => {
  const state = placedState(unit);
  if ('kind' in state) return state;
  if (state.hash !== unit?.record.hash) return waiting('its agent has the former version');
  if (isRefused(state)) return failed(explainRefusal(state));
  if (!isSettled(state)) return waiting(`still ${describeState(state)}`);
  if (state.reached !== 'loaded') return waiting('its agent has not heard of it yet');
  return { kind: 'done', state: 'loaded', machine: state.machine };
};

/** Not running any more. A unit that has no machine, or was never let in there, runs nowhere: nothing to wait for. */
export const stoppedGoal: Goal = (unit) => {
  if (unit?.states.every(isSettled) && (unit.machine === null || unit.states.some(isRefused)))
    return { kind: 'done', state: 'inactive', machine: unit.machine };
  return loadedGoal(unit);
};

/**
 * Started: systemd's `active`, or ended well by itself (a oneshot). What `before` shows does not count as the
 * outcome of this start; with `again` even `active` has to be newer than that.
 */
export function launchedGoal(before: UnitReport | null, again: boolean): Goal {
  const seen = new Map((before?.states ?? []).map((state) => [state.machine, state.since]));
  return (unit) => {
    const state = placedState(unit);
    if ('kind' in state) return state;
    const fresh = state.since !== seen.get(state.machine);
    if (isRefused(state))
      return fresh ? failed(explainRefusal(state)) : waiting('its agent has not tried again yet');
    if (state.hash !== unit?.record.hash) return waiting('its agent has the former version');
    if (state.reached !== 'launched') return waiting('loaded, its agent has not started it yet');
    if (state.active === 'active' && (fresh || !again))
      return { kind: 'done', state: 'launched', machine: state.machine };
    // That Restart= goes on trying does not make a failed start a success, as with systemctl.
    const retried = state.sub === 'auto-restart' && state.exit !== '0';
    if (fresh && state.active === 'failed' && state.reason === '')
      return waiting(`${describeState(state)}: its machine is finding out why`);
    if (fresh && (state.active === 'failed' || retried)) return failed(explainState(state));
    if (fresh && state.active === 'inactive' && state.exit === '0')
      return { kind: 'done', state: 'launched', machine: state.machine };
    return waiting(describeState(state));
  };
}

/** Of a global unit: newly active wherever it was before, as far as those machines still have it. */
export function restartedEverywhereGoal(before: UnitReport): Goal {
  return (unit) => {
    if (unit === null) return DESTROYED;
    const verdicts = before.states.flatMap(({ machine }) => {
      if (!unit.states.some((state) => state.machine === machine)) return [];
      return launchedGoal(before, true)({ ...unit, machine });
    });
    return (
      verdicts.find(({ kind }) => kind === 'failed') ??
      verdicts.find(({ kind }) => kind === 'waiting') ?? {
        ...{ kind: 'done', state: 'launched', machine: null },
      }
    );
  };
}

/** Its agent has asked for the start, whatever came of that. */
const startedGoal: Goal = (unit) => {
  const state = placedState(unit);
  if ('kind' in state) return state;
  if (state.reached !== 'launched' && !isRefused(state)) return waiting(describeState(state));
  return { kind: 'done', state: 'launched', machine: state.machine };
};

/**
 * On another machine than before, on `to` if that is given, and there as it is wanted. A unit that was not running
 * where it was need not run there either: a move does not mend it.
 */
export function movedGoal(before: UnitReport, to: string | null): Goal {
  const { record, machine: from } = before;
  const ran = before.states.some((state) => state.machine === from && !isSettled(state));
  const arrived = record.target !== 'launched' ? loadedGoal : ran ? launchedGoal(before, false) : startedGoal;
  return (unit) => {
    if (unit === null) return DESTROYED;
    if (unit.machine === from) return waiting(unit.pending ?? 'the leader has not moved it yet');
    if (unit.machine !== null && to !== null && unit.machine !== to)
      return failed(`it was placed on ${shortId(unit.machine)} instead of ${shortId(to)}`);
    return arrived(unit);
  };
}

/** The state on the unit's own machine, or why there is none. */
function placedState(unit: UnitReport | null): UnitState | Verdict {
  if (unit === null) return DESTROYED;
  if (unit.machine === null) return waiting(unit.pending ?? 'pending: it has no machine');
  const state = unit.states.find(({ machine }) => machine === unit.machine);
  if (state === undefined)
    return waiting(unit.pending ?? `placed on ${shortId(unit.machine)}, not loaded yet`);
  return state;
}
