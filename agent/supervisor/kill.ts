import type { Clock } from '../../runtime/clock.js';
import type { ServiceSettings } from '../service-settings.js';
import { type Identity, signalProcess, untilGone } from './processes.js';
import { waitFor } from './wait.js';

/** The processes of one run, and how they are to end. */
export interface EndOfRun {
  /** All that live; asked again and again, since processes start processes. */
  readonly members: () => readonly Identity[];
  /** The main process and the command that runs beside it, as far as there are any. */
  readonly named: readonly Identity[];
  readonly settings: Pick<ServiceSettings, 'killMode' | 'killSignal' | 'finalKillSignal' | 'sendSigkill'>;
  readonly graceMs: number;
  readonly clock: Clock;
  readonly onPhase: (phase: 'stop-sigterm' | 'stop-sigkill') => void;
}

/**
 * Ends a run as KillMode= says: KillSignal= and, after the grace, FinalKillSignal=. Answers what had to be done:
 * nothing more than to ask, to kill what did not listen, or to leave it: because of SendSIGKILL=no, or in vain.
 */
export async function endRun(run: EndOfRun): Promise<'asked' | 'killed' | 'left'> {
  const { settings, graceMs } = run;
  const { killMode } = settings;
  if (killMode === 'none') return 'asked';
  const named = (): readonly Identity[] =>
    run.members().filter(({ pid }) => run.named.some((other) => other.pid === pid));
  const asked = killMode === 'control-group' ? run.members : named;
  const killed = killMode === 'process' ? named : run.members;
  const listened = await send(run, settings.killSignal, asked, 'stop-sigterm', graceMs);
  if (!settings.sendSigkill) return listened ? 'asked' : 'left';
  const gone = await send(run, settings.finalKillSignal, killed, 'stop-sigkill', UNKILLABLE_MS);
  if (!gone) return 'left';
  return listened ? 'asked' : 'killed';
}

const SIGCONT = 18;
/** How long something may outlive SIGKILL before it is given up: it hangs in the kernel. */
const UNKILLABLE_MS = 90_000;

/** Sends a signal once to each process there is and comes to be. Answers whether all ended in time. */
async function send(
  { clock, onPhase }: EndOfRun,
  signal: number,
  targets: EndOfRun['members'],
  phase: Parameters<EndOfRun['onPhase']>[0],
  withinMs: number,
): Promise<boolean> {
  const limit = clock.steady() + withinMs;
  const told = new Set<number>();
  let left = targets();
  if (left.length > 0) onPhase(phase);
  while (left.length > 0 && clock.steady() < limit) {
    for (const process of left.filter(({ pid }) => !told.has(pid))) {
      told.add(process.pid);
      signalProcess(process, signal);
      signalProcess(process, SIGCONT);
    }
    const gone = new AbortController();
    await waitFor(
      untilGone(left, clock, gone.signal).catch(() => undefined),
      limit - clock.steady(),
      clock,
    );
    gone.abort();
    left = targets();
  }
  return left.length === 0;
}
