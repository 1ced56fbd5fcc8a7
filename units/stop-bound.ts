import { nameParts } from './name.js';
import { formatMs, parseTimespan } from './timespan.js';
import { type UnitFile, valuesOf } from './unit-file.js';

/** systemd's DefaultTimeoutStopSec=. */
const DEFAULT_STOP_MS = 90_000;
/** Longest stop of a unit that must not outlive its machine's lease, in ms. */
export const LONGEST_STOP_MS = 60_000;

export type StopBound = { readonly boundMs: number } | { readonly problem: string };

/**
 * The longest time from the order to stop a service until nothing of it runs any more, as systemd counts it
 * (systemd.service(5), systemd.kill(5)). Each of these stages lasts TimeoutStopSec= at most, one after another:
 *
 * 1. every ExecStop= command;
 * 2. the wait after the KillSignal= (TimeoutAbortSec= if that is longer: after a watchdog's abort it is that);
 * 3. with TimeoutStopFailureMode=abort: the wait after SIGABRT, TimeoutAbortSec= long;
 * 4. the wait after SIGKILL;
 * 5. every ExecStopPost= command, and if there are any, a wait after KillSignal= and one after SIGKILL for what
 *    they left behind. Without any there is nothing left after 4.
 *
 * There is no bound when processes may stay (SendSIGKILL=no, another FinalKillSignal=, KillMode=process or none), nor when a time is
 * infinite; `0` is infinite too. A bound above `LONGEST_STOP_MS` is a problem as well. Problems say what to set.
 */
export function stopBound(name: string, unit: UnitFile): StopBound {
  const { suffix } = nameParts(name);
  if (suffix !== 'service')
    return problem(`works for services only: how long the stop of a ${suffix} takes is not known`);
  const last = (key: string): string | undefined => valuesOf(unit, 'Service', key).at(-1)?.trim();
  if (/^(no|false|off|0|n|f)$/i.test(last('SendSIGKILL') ?? ''))
    return problem('cannot be used with SendSIGKILL=no: processes may outlive the stop');
  const killMode = last('KillMode');
  if (killMode === 'process' || killMode === 'none')
    return problem(`cannot be used with KillMode=${killMode}: processes may outlive the stop`);
  const finalSignal = last('FinalKillSignal') ?? '';
  if (!/^((SIG)?KILL|9|)$/i.test(finalSignal))
    return problem(`cannot be used with FinalKillSignal=${finalSignal}: processes may outlive the stop`);

  let stopMs = DEFAULT_STOP_MS;
  let abortMs: number | null = null;
  for (const { section, name: key, value } of unit.options) {
    if (section !== 'Service' || !['TimeoutSec', 'TimeoutStopSec', 'TimeoutAbortSec'].includes(key)) continue;
    const span = value.trim() === '' ? null : parseTimespan(value);
    if (value.trim() !== '' && span === null)
      return problem(`needs to know how long a stop takes, and ${key}=${value} is not a time span`);
    const ms = span === 0 ? Number.POSITIVE_INFINITY : span;
    if (key === 'TimeoutAbortSec') abortMs = ms;
    else stopMs = ms ?? DEFAULT_STOP_MS;
  }
  const posts = commands(unit, 'ExecStopPost');
  const stages = commands(unit, 'ExecStop') + 2 + (posts > 0 ? posts + 2 : 0);
  const aborts = last('TimeoutStopFailureMode') === 'abort' ? (abortMs ?? stopMs) : 0;
  const longer = abortMs !== null && abortMs > stopMs ? abortMs - stopMs : 0;
  const boundMs = stages * stopMs + longer + aborts;
  if (boundMs <= LONGEST_STOP_MS) return { boundMs };
  const now =
    boundMs === Number.POSITIVE_INFINITY ? 'there is no bound now' : `the bound is ${formatMs(boundMs)} now`;
  const set =
    aborts > 0 || abortMs !== null
      ? 'shorter TimeoutStopSec= and TimeoutAbortSec='
      : `TimeoutStopSec= to ${Math.floor(LONGEST_STOP_MS / stages / 1000)} s or less`;
  return problem(`needs a stop that ends within ${LONGEST_STOP_MS / 1000} s: set ${set} (${now})`);
}

const problem = (what: string): StopBound => ({ problem: `OnPartition=stop ${what}` });

/** How many commands the lines of an option hold; an empty one takes back those before it. */
function commands(unit: UnitFile, key: string): number {
  let count = 0;
  for (const value of valuesOf(unit, 'Service', key))
    count = value.trim() === '' ? 0 : count + value.split(/\s;\s/).length;
  return count;
}
