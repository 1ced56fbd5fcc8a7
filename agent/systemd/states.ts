import type { SystemdState } from '../../units/state.js';
import type { ManagedUnit } from '../unit-manager.js';

/** What systemd says of a unit on the bus, its Unit and its type's interface together. */
export type Properties = Readonly<Record<string, unknown>>;

/** What is kept of it: all that anything here is decided by. */
export const KEPT: ReadonlySet<string> = new Set([
  ...['LoadState', 'ActiveState', 'SubState', 'InvocationID', 'Result'],
  ...['ActiveEnterTimestamp', 'ActiveExitTimestamp', 'InactiveEnterTimestamp', 'InactiveExitTimestamp'],
  ...['ExecMainCode', 'ExecMainStatus', 'NRestarts'],
]);

/** What a unit was like when it had ended. systemd forgets that of every unit that did not fail. */
export interface End extends SystemdState {
  readonly since: number;
  readonly exit: string | null;
  readonly autoRestarts: number;
  readonly reason: string;
}

/** What has to be known of a unit to manage it, remembered for the next convoyd. */
export interface Remembered {
  readonly hash: string;
  readonly leaseBound: boolean;
  /** Names the unit sets with Environment=. */
  readonly ownNames: readonly string[];
  readonly launched: boolean;
  readonly restarts: number;
  readonly environment: Readonly<Record<string, string>>;
  /** Under which run of the lease unit it was started: it counts as launched no longer than that lasts. */
  readonly lease: string | null;
  /** When it was loaded, or started last (ms since the epoch). */
  readonly touched: number;
  /** How it ended, null while it runs and if nobody saw it end. */
  readonly end: End | null;
}

const SIGNALS =
  'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'.split(
    ' ',
  );
const REALTIME = 34;
const CLD_EXITED = 1;

export const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const number = (value: unknown): number => (typeof value === 'number' ? value : 0);
/** Of microseconds, as systemd has all times. */
const milliseconds = (value: unknown): number => (typeof value === 'bigint' ? Number(value / 1000n) : 0);

/** A code of waitid(2) and its status: `0`, `SIGTERM`; null for a process that has not ended. */
export function exitOf(code: unknown, status: unknown): string | null {
  if (number(code) === 0) return null;
  const value = number(status);
  if (code === CLD_EXITED) return String(value);
  const name = SIGNALS[value - 1];
  return name === undefined ? `SIGRTMIN+${value - REALTIME}` : `SIG${name}`;
}

export function isEnded(properties: Properties): boolean {
  const active = text(properties.ActiveState);
  return active === 'inactive' || active === 'failed';
}

/** systemd knows of no run of the unit: it has not been started since systemd has read its file (again). */
export function isPristine(properties: Properties): boolean {
  return isEnded(properties) && milliseconds(properties.InactiveExitTimestamp) === 0;
}

/** `since` is when the unit came into its active state; 0 if systemd does not know. */
function sinceOf(properties: Properties): number {
  const of = {
    active: 'ActiveEnterTimestamp',
    reloading: 'ActiveEnterTimestamp',
    activating: 'InactiveExitTimestamp',
    deactivating: 'ActiveExitTimestamp',
  }[text(properties.ActiveState)];
  return milliseconds(properties[of ?? 'InactiveEnterTimestamp']);
}

/** How it is with a unit that has been seen to run. `more` are lines of its log. */
export function endOf(properties: Properties, why: string): End {
  return {
    load: text(properties.LoadState),
    active: text(properties.ActiveState),
    sub: text(properties.SubState),
    since: sinceOf(properties),
    exit: exitOf(properties.ExecMainCode, properties.ExecMainStatus),
    autoRestarts: number(properties.NRestarts),
    reason: why,
  };
}

const RESULTS: Readonly<Record<string, string>> = {
  timeout: 'it took longer than its time limit',
  watchdog: 'its watchdog was not fed in time',
  protocol: 'it did not do what its Type= promises (notification, PID file or bus name)',
  resources: 'systemd could not get what it needs to run it',
  'start-limit-hit': 'it was started too often within StartLimitIntervalSec=',
  'oom-kill': 'it ran out of memory and was killed',
  'exec-condition': 'its ExecCondition= said no',
  'service-start-limit-hit': 'its service was started too often within StartLimitIntervalSec=',
  'trigger-limit-hit': 'it was triggered too often',
};

/**
 * Why a unit has failed or waits for its restart, in one line; empty otherwise. `control` is how the last control
 * process (ExecStartPre= and the like) ended that did not end well, null if none did.
 */
export function whyOf(properties: Properties, control: string | null): string {
  const waits = text(properties.SubState) === 'auto-restart';
  const result = text(properties.Result);
  if ((text(properties.ActiveState) !== 'failed' && !waits) || result === '') return '';
  const main = exitOf(properties.ExecMainCode, properties.ExecMainStatus);
  const process = control === null ? 'the main process' : 'a control process';
  const exit = control ?? main;
  const ended =
    exit === null
      ? null
      : `${process} ${/^\d/.test(exit) ? `exited with code ${exit}` : `was ended by ${exit}`}`;
  const byExit = ['exit-code', 'signal', 'core-dump', 'success'].includes(result);
  const sentence = byExit ? (ended ?? `it failed: ${result}`) : (RESULTS[result] ?? `it failed: ${result}`);
  const after = !byExit && ended !== null && exit !== '0' ? `; ${ended}` : '';
  return `${sentence}${after} (${result})${waits ? '; it will be started again' : ''}`;
}

/** The reason that can be given at once: none for a failure, which is not told before its last lines can be. */
export function saidSoFar(properties: Properties): string {
  return text(properties.ActiveState) === 'failed' && !isPristine(properties) ? '' : whyOf(properties, null);
}

/** What a listing shows. `starting`: its start is under way, so nothing has ended unobserved. */
export function managedUnit(
  name: string,
  remembered: Remembered,
  properties: Properties,
  lease: string | null,
  starting: boolean,
): ManagedUnit {
  const { hash, restarts, environment, end, touched } = remembered;
  const launched = remembered.launched && (!remembered.leaseBound || lease === remembered.lease);
  const known = { name, hash, launched, restarts, environment };
  const pristine = isPristine(properties);
  if (end !== null && (pristine || isEnded(properties))) {
    const load = text(properties.LoadState);
    return { ...known, ...end, load };
  }
  const unseen = pristine && launched && !starting && name.endsWith('.service');
  const now = endOf(properties, saidSoFar(properties));
  return { ...known, ...now, since: now.since || touched, exit: unseen ? 'unknown' : now.exit };
}

/** How the last control process ended that did not end well, from the Exec*= properties; null if all did. */
export function controlExit(commands: readonly unknown[]): string | null {
  const rows = commands.flatMap((list) => (Array.isArray(list) ? (list as unknown[][]) : []));
  const bad = rows.filter((row) => row[2] !== true).map((row) => exitOf(row[8], row[9]));
  return bad.findLast((exit) => exit !== null && exit !== '0') ?? null;
}
