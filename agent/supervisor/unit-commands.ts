import { transient } from '../../runtime/errors.js';
import { formatMs } from '../../units/timespan.js';
import type { Command } from '../command.js';
import { type Ended, isClean } from '../restart.js';
import { credentialsDir, environmentOf, type Running, startCommand } from './commands.js';
import { type Identity, signalProcess } from './processes.js';
import { SUCCESS, type UnitContext } from './unit-context.js';
import { waitFor } from './wait.js';

const SIGKILL = 9;
const LEASE_OVER = "this machine's lease is over";

/** A unit with OnPartition=stop may not run now. */
export function leaseOver(name: string): Error {
  return transient(`${name}: ${LEASE_OVER}`, { code: 'lease-over' });
}

/** Runs the commands of a unit in its environment. */
export class UnitCommands {
  /** The last command that is not the main process; it need not run any more. */
  control: Identity | null = null;

  constructor(private readonly unit: UnitContext) {}

  /** Runs the commands one after another until one fails. Those of a start end when a stop is asked for. */
  async all(
    by: 'ExecStartPre' | 'ExecStartPost' | 'ExecStop' | 'ExecStopPost',
    sub: string,
    commands: readonly Command[],
    result?: Ended,
  ): Promise<Ended> {
    const { settings } = this.unit;
    if (commands.length === 0) return SUCCESS;
    const starting = by.startsWith('ExecStart');
    this.unit.set({ active: starting ? 'activating' : 'deactivating', sub });
    const timeoutMs = starting ? settings.timeoutStartMs : settings.timeoutStopMs;
    const signal = starting ? this.unit.halted : undefined;
    for (const command of commands) {
      const ended = await this.one(by, command, timeoutMs, signal, result);
      if (signal?.aborted) return SUCCESS;
      if (ended.kind === 'timeout') return ended;
      if (ended.kind === 'exit' && ended.code === 0) continue;
      if (!command.mayFail) return ended;
    }
    return SUCCESS;
  }

  /** One command that is not the main process. If it takes too long it is killed. */
  async one(
    by: string,
    command: Command,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    result?: Ended,
  ): Promise<Ended> {
    const running = await this.spawn(command, 'control', result);
    if (running.kind !== 'running') return running;
    const ended = await waitFor(running.ended, timeoutMs, this.unit.host.clock, signal);
    if (ended === 'stopped') return SUCCESS;
    if (ended === 'timeout') {
      signalProcess(running.identity, SIGKILL);
      return { kind: 'timeout', what: `${by}= did not end within ${formatMs(timeoutMs)}` };
    }
    return ended.kind === 'exit' || ended.kind === 'signal' ? { ...ended, by } : ended;
  }

  async spawn(
    command: Command,
    as: 'main' | 'forks' | 'control',
    result?: Ended,
  ): Promise<(Running & { kind: 'running' }) | Extract<Ended, { kind: 'resources' }>> {
    const { host, settings, account } = this.unit;
    const { name, invocation, environment: given, main, active, leaseBound } = this.unit.entry;
    if (leaseBound && active === 'activating' && !host.leaseHeld())
      return { kind: 'resources', status: null, what: LEASE_OVER };
    const environment = environmentOf(settings, host.environment, account, given, {
      INVOCATION_ID: invocation,
      ...(settings.credentials.length === 0
        ? {}
        : { CREDENTIALS_DIRECTORY: credentialsDir(host.runDir, name) }),
      ...(settings.notifyAccess !== 'none' ? { NOTIFY_SOCKET: host.notifier.pathOf(name) } : {}),
      ...(main === null || as !== 'control' ? {} : { MAINPID: String(main.pid) }),
      ...(result === undefined ? {} : aboutResult(result, isClean(result, settings))),
    });
    if (isProblem(environment)) return environment;
    const place = { runDir: host.runDir, unit: name, settings, environment, account };
    const started = await startCommand(command, place);
    if ('kind' in started) return started;
    if (as !== 'main') this.control = started.identity;
    const leaders = [...this.unit.entry.leaders, started.identity];
    this.unit.set(as === 'main' ? { leaders, main: started.identity } : { leaders });
    return { kind: 'running', ...started };
  }
}

function isProblem(value: object): value is Extract<Ended, { kind: 'resources' }> {
  return 'kind' in value && value.kind === 'resources';
}

/** What ExecStop= and ExecStopPost= learn of how the run ended, in systemd's words. */
function aboutResult(ended: Ended, clean: boolean): Record<string, string> {
  const result = clean ? 'success' : ended.kind === 'exit' ? 'exit-code' : ended.kind;
  if (ended.kind === 'exit')
    return { SERVICE_RESULT: result, EXIT_CODE: 'exited', EXIT_STATUS: String(ended.code) };
  if (ended.kind === 'signal')
    return { SERVICE_RESULT: result, EXIT_CODE: 'killed', EXIT_STATUS: ended.signal.replace('SIG', '') };
  return { SERVICE_RESULT: result };
}
