import type { Clock } from '../../runtime/clock.js';
import { messageOf, permanent } from '../../runtime/errors.js';
import type { Log } from '../../runtime/log.js';
import { formatMs } from '../../units/timespan.js';
import type { Command } from '../command.js';
import { afterExit, describe, type Ended, exitText, isClean } from '../restart.js';
import type { ServiceSettings } from '../service-settings.js';
import {
  credentialsDir,
  environmentOf,
  placeCredentials,
  type Running,
  removeCredentials,
  startCommand,
} from './commands.js';
import { type Deferred, deferred } from './deferred.js';
import type { UnitEntry } from './journal.js';
import { type Identity, isAlive, membersOf, signalProcess, untilGone } from './processes.js';
import { rotateUnitLog } from './unit-log.js';
import { waitFor } from './wait.js';

/** What a unit's life needs of the supervisor around it. */
export interface ServiceHost {
  readonly runDir: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: Log;
  readonly newInvocation: () => string;
  /** The entry was replaced: journal it, tell clients, let dependents follow. */
  readonly changed: (service: Service, before: UnitEntry) => void;
}

const SUCCESS: Ended = { kind: 'exit', code: 0 };

/** Where a life begins: from nothing, or at what a supervisor before this one left behind. */
type Stage = 'begin' | 'wait' | 'start' | 'start-post' | 'running' | 'exited' | 'ended' | 'down';

/**
 * One unit's life: start-pre, start, start-post, up, and down again through stop, signals and stop-post; then, as
 * Restart= says, once more. Its entry is replaced (and journalled) at each step, so that a successor resumes at the
 * step that was interrupted: a main process that lives is kept, any other step is done again from its beginning.
 */
export class Service {
  private life: Promise<void> | null = null;
  private halt = new AbortController();
  private nap = new AbortController();
  private up: Deferred | null = null;

  constructor(
    public entry: UnitEntry,
    readonly settings: ServiceSettings,
    private readonly host: ServiceHost,
  ) {}

  /** Journalled at once; `since` follows `active`. */
  set(change: Partial<UnitEntry>): void {
    const before = this.entry;
    const since = (change.active ?? before.active) === before.active ? before.since : this.host.clock.now();
    this.entry = { ...before, ...change, since };
    this.host.changed(this, before);
  }

  get alive(): boolean {
    return this.life !== null;
  }

  /** Resolves when up, rejects with the reason of the first failure. Not to be called while it stops. */
  start(): Promise<void> {
    if (this.life !== null && this.entry.active === 'active') return Promise.resolve();
    this.up ??= deferred();
    const { promise } = this.up;
    if (this.life === null) this.begin('begin', null);
    else this.nap.abort();
    return promise;
  }

  /** Resolves when nothing of it is left. `why` becomes the reason. */
  async stop(why: string): Promise<void> {
    if (this.life === null) return;
    this.set({ stopping: true });
    this.halt.abort();
    this.nap.abort();
    await this.life;
    if (why !== '') this.set({ reason: why });
  }

  /** Goes on where the supervisor before left off. */
  adopt(): void {
    const { sub, stopping } = this.entry;
    if (sub === 'dead' || sub === 'failed') return;
    if (stopping) this.halt.abort();
    const main = this.livingMain();
    if (sub === 'auto-restart') this.begin('wait', null);
    else if (sub === 'start-pre') this.begin('begin', null);
    else if (sub === 'exited') this.begin('exited', null);
    else if (sub !== 'start' && sub !== 'start-post' && sub !== 'running') this.begin('down', main);
    else if (main !== null)
      this.begin(sub === 'start' && this.settings.type !== 'oneshot' ? 'start-post' : sub, main);
    else this.begin(this.entry.main === null ? 'begin' : 'ended', null);
  }

  /** The main process, if it lives: the journalled one, or one spawned just before the end of the supervisor. */
  private livingMain(): Running | null {
    const { main, invocation, leaders } = this.entry;
    const found =
      main ?? membersOf(invocation, []).find(({ leads, pid }) => leads && !known(leaders, pid)) ?? null;
    if (found === null || !isAlive(found)) return null;
    const identity = { pid: found.pid, startTime: found.startTime };
    this.set({ main: identity, leaders: known(leaders, identity.pid) ? leaders : [...leaders, identity] });
    return {
      identity,
      ended: untilGone([identity], this.host.clock).then(() =>
        this.mainEnded({ kind: 'unknown' }, undefined),
      ),
    };
  }

  private begin(stage: Stage, main: Running | null): void {
    this.life = this.live(stage, main)
      .catch((error) => {
        this.host.log.error({ unit: this.entry.name }, messageOf(error));
        this.set({ active: 'failed', sub: 'failed', reason: messageOf(error) });
      })
      .finally(() => {
        this.startEnded(this.entry.active === 'failed', this.entry.reason);
        this.life = null;
        this.halt = new AbortController();
        this.set({ stopping: false });
      });
  }

  private async live(from: Stage, adopted: Running | null): Promise<void> {
    let stage = from;
    let main = adopted;
    for (;;) {
      if (stage !== 'wait') {
        const ended = await this.run(stage, main);
        const decision = afterExit(ended, this.settings);
        if (this.stopping || decision.kind === 'stay-down') {
          const failed = !isClean(ended, this.settings) && !(this.stopping && ended.kind === 'unknown');
          const reason = failed ? describe(ended) : '';
          this.set({ active: failed ? 'failed' : 'inactive', sub: failed ? 'failed' : 'dead', reason });
          return;
        }
        const restartAt = this.host.clock.now() + decision.afterMs;
        this.set({ active: 'activating', sub: 'auto-restart', restartAt, reason: decision.why });
        this.startEnded(!isClean(ended, this.settings), decision.why);
      }
      await this.untilRestart();
      if (this.stopping) return this.set({ active: 'inactive', sub: 'dead', restartAt: null, reason: '' });
      this.set({ autoRestarts: this.entry.autoRestarts + 1 });
      stage = 'begin';
      main = null;
    }
  }

  private async untilRestart(): Promise<void> {
    const left = Math.max(0, (this.entry.restartAt ?? 0) - this.host.clock.now());
    this.nap = new AbortController();
    if (!this.stopping) await waitFor(new Promise(() => undefined), left, this.host.clock, this.nap.signal);
  }

  private get stopping(): boolean {
    return this.halt.signal.aborted;
  }

  private startEnded(failed: boolean, why: string): void {
    if (failed || this.stopping)
      this.up?.reject(
        permanent(`${this.entry.name}: ${why || 'stopped while it was starting'}`, { code: 'failed' }),
      );
    else this.up?.resolve();
    this.up = null;
  }

  /** One activation, to its very end. */
  private async run(stage: Stage, adopted: Running | null): Promise<Ended> {
    let main = adopted;
    let ended: Ended = stage === 'ended' ? { kind: 'unknown' } : (this.entry.ended ?? SUCCESS);
    let wasUp = stage === 'running' || stage === 'exited' || this.entry.sub === 'stop';
    if (stage === 'begin') ({ main, ended } = await this.bringUp());
    if (stage === 'start' && main !== null) ended = await this.mainEnd(main, this.settings.timeoutStartMs);
    if ((stage === 'begin' || stage === 'start' || stage === 'start-post') && this.goesOn(ended))
      ended = await this.commands('ExecStartPost', 'start-post', this.settings.startPost);
    if (stage !== 'ended' && stage !== 'down' && this.goesOn(ended)) {
      wasUp = true;
      ended = await this.stayUp(main, stage === 'exited');
    }
    return this.goDown(main, ended, wasUp);
  }

  private goesOn(ended: Ended): boolean {
    return !this.stopping && isClean(ended, this.settings);
  }

  private async bringUp(): Promise<{ main: Running | null; ended: Ended }> {
    const { host, settings } = this;
    const { name, sub } = this.entry;
    if (sub === 'start-pre' || sub === 'start') await this.killAll(null);
    this.set({
      active: 'activating',
      sub: 'start-pre',
      reason: '',
      invocation: host.newInvocation(),
      main: null,
      leaders: [],
      ended: null,
      exit: null,
      restartAt: null,
      stoppedWith: null,
    });
    rotateUnitLog(host.runDir, name);
    const problem = placeCredentials(host.runDir, name, settings);
    if (problem !== null) return { main: null, ended: problem };
    let ended = await this.commands('ExecStartPre', 'start-pre', settings.startPre);
    let main: Running | null = null;
    for (const command of settings.start) {
      if (!this.goesOn(ended)) break;
      this.set({ sub: 'start', main: null });
      const started = await this.spawn(command, true);
      if (started.kind !== 'running') return { main: null, ended: this.mainEnded(started, command) };
      main = { ...started, ended: started.ended.then((end) => this.mainEnded(end, command)) };
      if (settings.type === 'oneshot') ended = await this.mainEnd(main, settings.timeoutStartMs);
    }
    return { main, ended };
  }

  /** Records the true exit; answers what it counts as. */
  private mainEnded(ended: Ended, command: Command | undefined): Ended {
    this.set({ exit: exitText(ended) });
    return command?.mayFail ? SUCCESS : ended;
  }

  private async mainEnd(main: Running, timeoutMs: number): Promise<Ended> {
    const ended = await waitFor(main.ended, timeoutMs, this.host.clock, this.halt.signal);
    if (ended === 'timeout')
      return { kind: 'timeout', what: `ExecStart= did not end within ${formatMs(timeoutMs)}` };
    return ended === 'stopped' ? SUCCESS : ended;
  }

  private async stayUp(main: Running | null, hasExited: boolean): Promise<Ended> {
    const { type, remainAfterExit } = this.settings;
    let ended = SUCCESS;
    if (type !== 'oneshot' && !hasExited && main !== null) {
      this.set({ active: 'active', sub: 'running', reason: '' });
      this.startEnded(false, '');
      ended = await this.mainEnd(main, Number.POSITIVE_INFINITY);
    }
    if (!remainAfterExit || !this.goesOn(ended)) return ended;
    this.set({ active: 'active', sub: 'exited', reason: '' });
    this.startEnded(false, '');
    await new Promise<void>((resolve) => this.halt.signal.addEventListener('abort', () => resolve()));
    return ended;
  }

  private async goDown(main: Running | null, before: Ended, wasUp: boolean): Promise<Ended> {
    const { settings } = this;
    this.set({ ended: before });
    let ended = before;
    const worse = (next: Ended): void => {
      if (isClean(ended, settings) && !isClean(next, settings)) ended = next;
    };
    if (wasUp && isClean(ended, settings)) worse(await this.commands('ExecStop', 'stop', settings.stop));
    const left = await this.killAll(settings.timeoutStopMs);
    if (left !== null) worse(left);
    if (main !== null && !isAlive(main.identity)) {
      const end = await main.ended;
      if (this.stopping) worse(end.kind === 'unknown' ? SUCCESS : end);
    }
    if (this.entry.exit === null && (ended.kind === 'unknown' || ended.kind === 'resources'))
      this.set({ exit: exitText(ended) });
    worse(await this.commands('ExecStopPost', 'stop-post', settings.stopPost, ended));
    if (settings.stopPost.length > 0) await this.killAll(settings.timeoutStopMs);
    removeCredentials(this.host.runDir, this.entry.name);
    this.set({ main: null, leaders: [] });
    return ended;
  }

  /** Runs the commands one after another until one fails. Those of a start end when a stop is asked for. */
  private async commands(
    by: 'ExecStartPre' | 'ExecStartPost' | 'ExecStop' | 'ExecStopPost',
    sub: string,
    commands: readonly Command[],
    result?: Ended,
  ): Promise<Ended> {
    const { settings, host } = this;
    if (commands.length === 0) return SUCCESS;
    const starting = by.startsWith('ExecStart');
    this.set({ active: starting ? 'activating' : 'deactivating', sub });
    const timeoutMs = starting ? settings.timeoutStartMs : settings.timeoutStopMs;
    for (const command of commands) {
      const running = await this.spawn(command, false, result);
      const ended =
        running.kind === 'running'
          ? await waitFor(running.ended, timeoutMs, host.clock, starting ? this.halt.signal : undefined)
          : running;
      if (ended === 'stopped') return SUCCESS;
      if (ended === 'timeout')
        return { kind: 'timeout', what: `${by}= did not end within ${formatMs(timeoutMs)}` };
      if (ended.kind === 'exit' && ended.code === 0) continue;
      if (!command.mayFail)
        return ended.kind === 'exit' || ended.kind === 'signal' ? { ...ended, by } : ended;
    }
    return SUCCESS;
  }

  private async spawn(
    command: Command,
    isMain: boolean,
    result?: Ended,
  ): Promise<(Running & { kind: 'running' }) | Extract<Ended, { kind: 'resources' }>> {
    const { host, settings } = this;
    const { name, invocation, environment: given, main } = this.entry;
    const environment = environmentOf(settings, host.environment, given, {
      INVOCATION_ID: invocation,
      ...(settings.credentials.length === 0
        ? {}
        : { CREDENTIALS_DIRECTORY: credentialsDir(host.runDir, name) }),
      ...(main === null || isMain ? {} : { MAINPID: String(main.pid) }),
      ...(result === undefined ? {} : aboutResult(result, isClean(result, settings))),
    });
    if (isProblem(environment)) return environment;
    const started = await startCommand(command, { runDir: host.runDir, unit: name, settings, environment });
    if ('kind' in started) return started;
    const leaders = [...this.entry.leaders, started.identity];
    this.set(isMain ? { leaders, main: started.identity } : { leaders });
    return { kind: 'running', ...started };
  }

  /** SIGTERM, then SIGKILL, to whatever is left of this run. Answers what it counts as if SIGTERM did not do. */
  private async killAll(graceMs: number | null): Promise<Ended | null> {
    const { clock, log } = this.host;
    const { invocation, leaders, name } = this.entry;
    const members = (): Identity[] => (invocation === '' ? [] : membersOf(invocation, leaders));
    let left = members();
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      if (left.length === 0) return null;
      if (graceMs === null && signal === 'SIGTERM') continue;
      if (graceMs !== null) this.set({ active: 'deactivating', sub: `stop-${signal.toLowerCase()}` });
      const limit = clock.steady() + (graceMs ?? this.settings.timeoutStopMs);
      const told = new Set<number>();
      while (left.length > 0 && clock.steady() < limit) {
        for (const process of left.filter(({ pid }) => !told.has(pid))) {
          told.add(process.pid);
          signalProcess(process, signal);
          signalProcess(process, 'SIGCONT');
        }
        const gone = new AbortController();
        await waitFor(
          untilGone(left, clock, gone.signal).catch(() => undefined),
          limit - clock.steady(),
          clock,
        );
        gone.abort();
        left = members();
      }
    }
    if (left.length > 0)
      log.error({ unit: name, pids: left.map(({ pid }) => pid) }, 'processes outlive SIGKILL');
    return graceMs === null
      ? null
      : { kind: 'timeout', what: `did not stop within ${formatMs(graceMs)}, killed` };
  }
}

function known(leaders: readonly Identity[], pid: number): boolean {
  return leaders.some((leader) => leader.pid === pid);
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
