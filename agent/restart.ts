import { formatMs } from '../units/timespan.js';
import type { ExitStatusSet, RestartSettings, StartLimit } from './service-settings.js';

/**
 * How a unit's run ended. `timeout`: it, or its start or stop, took too long. `protocol`: it did not do what its
 * Type= promises. `resources`: it could not be run at
 * all; `status` is the code systemd has for that, if it has one. `unknown`: it ended while nobody watched. `by` names the option
 * whose command it was, if it was not the main process.
 */
export type Ended =
  | { readonly kind: 'exit'; readonly code: number; readonly by?: string }
  | { readonly kind: 'signal'; readonly signal: string; readonly by?: string }
  | { readonly kind: 'timeout' | 'protocol'; readonly what: string }
  | { readonly kind: 'resources'; readonly status: number | null; readonly what: string }
  | { readonly kind: 'unknown' };

export type RestartDecision =
  | { readonly kind: 'restart'; readonly afterMs: number; readonly why: string }
  | { readonly kind: 'stay-down'; readonly failed: boolean; readonly why: string };

/** Signals a daemon ends by when it was asked to; for a oneshot they are failures. */
const CLEAN_SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM', 'SIGPIPE'];

/** Whether systemd counts this end as a success. */
export function isClean(ended: Ended, settings: RestartSettings): boolean {
  if (matches(settings.successStatus, ended)) return true;
  if (ended.kind === 'exit') return ended.code === 0;
  return ended.kind === 'signal' && settings.type !== 'oneshot' && CLEAN_SIGNALS.includes(ended.signal);
}

/**
 * What follows when a unit's run ended without anybody asking for it. An unknown end counts as a failure and as
 * abnormal: a unit that may have crashed is brought back where Restart= asks for that.
 */
export function afterExit(ended: Ended, settings: RestartSettings): RestartDecision {
  const clean = isClean(ended, settings);
  const what = describe(ended);
  if (!restarts(ended, clean, settings))
    return { kind: 'stay-down', failed: !clean, why: clean && ended.kind === 'exit' ? '' : what };
  const { restartMs } = settings;
  return { kind: 'restart', afterMs: restartMs, why: `${what}; restart after ${formatMs(restartMs)}` };
}

/** The starts counted against StartLimitBurst=: how many since the first, and when that was (ms). */
export interface StartWindow {
  readonly since: number;
  readonly count: number;
}

/**
 * Counts a start at `now`, as systemd does: the window opens with its first start, and the first start after its
 * interval opens another. `null`: the limit is hit, the unit must not start.
 */
export function countStart(
  window: StartWindow | null,
  now: number,
  { intervalMs, burst }: StartLimit,
): StartWindow | null {
  if (window === null || intervalMs === 0 || burst === 0 || now > window.since + intervalMs)
    return { since: now, count: 1 };
  return window.count < burst ? { ...window, count: window.count + 1 } : null;
}

/** Why a unit failed that `countStart` would not let start. */
export function limitHit({ intervalMs, burst }: StartLimit): string {
  return `start-limit-hit: ${burst} starts within ${formatMs(intervalMs)}`;
}

function restarts(ended: Ended, clean: boolean, settings: RestartSettings): boolean {
  if (matches(settings.restartPreventStatus, ended)) return false;
  switch (settings.restart) {
    case 'always':
      return true;
    case 'on-success':
      return clean;
    case 'on-failure':
      return !clean;
    case 'on-abnormal':
      return !clean && ended.kind !== 'exit';
    case 'on-abort':
      return !clean && ended.kind === 'signal';
    case 'no':
    case 'on-watchdog':
      return false;
  }
}

function matches(set: ExitStatusSet, ended: Ended): boolean {
  if (ended.kind === 'exit') return set.codes.includes(ended.code);
  return ended.kind === 'signal' && set.signals.includes(ended.signal);
}

/** For people. */
export function describe(ended: Ended): string {
  switch (ended.kind) {
    case 'exit':
      return `${subject(ended.by)}exited with code ${ended.code}`;
    case 'signal':
      return `${subject(ended.by)}killed by ${ended.signal}`;
    case 'timeout':
    case 'protocol':
    case 'resources':
      return ended.what;
    case 'unknown':
      return 'ended while no supervisor watched, exit unknown';
  }
}

function subject(by: string | undefined): string {
  return by === undefined ? '' : `${by}= `;
}

/** As a published state has it: exit code, signal name, or `unknown`. */
export function exitText(ended: Ended): string | null {
  switch (ended.kind) {
    case 'exit':
      return String(ended.code);
    case 'signal':
      return ended.signal;
    case 'resources':
      return ended.status === null ? null : String(ended.status);
    case 'unknown':
      return 'unknown';
    case 'timeout':
    case 'protocol':
      return null;
  }
}
