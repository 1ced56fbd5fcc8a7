import { rmSync } from 'node:fs';
import { messageOf, permanent } from '../../runtime/errors.js';
import { formatMs } from '../../units/timespan.js';
import type { Command } from '../command.js';
import { afterExit, countStart, describe, type Ended, isClean, limitHit } from '../restart.js';
import type { ServiceSettings } from '../service-settings.js';
import type { Account } from './account.js';
import { placeCredentials, removeCredentials } from './commands.js';
import { type Deferred, deferred } from './deferred.js';
import type { UnitEntry } from './journal.js';
import { endRun } from './kill.js';
import { MainProcess } from './main-process.js';
import { type Member, membersOf, withSession } from './processes.js';
import { leaseOver, UnitCommands } from './unit-commands.js';
import { type ServiceHost, SUCCESS, type UnitContext } from './unit-context.js';
import { lastUnitLines, rotateUnitLog, unitLogSize } from './unit-log.js';
import { waitFor } from './wait.js';

const SIGKILL = 9;
/** How many lines of its log a failed unit's reason ends with. */
const REASON_LINES = 5;

/** Where a life begins: from nothing, or at what a supervisor before this one left behind. */
type Stage = 'begin' | 'wait' | 'start' | 'start-post' | 'running' | 'exited' | 'ended' | 'down';

/**
 * One unit's life: start-pre, start, start-post, up, and down again through stop, signals and stop-post; then, as
 * Restart= says, once more. Its entry is replaced (and journalled) at each step, so that a successor resumes at the
 * step that was interrupted: a main process that lives is kept, any other step is done again from its beginning.
 */
export class Service implements UnitContext {
  private life: Promise<void> | null = null;
  private halt = new AbortController();
  private nap = new AbortController();
  private up: Deferred | null = null;
  private readonly main = new MainProcess(this);
  private readonly commands = new UnitCommands(this);

  constructor(
    public entry: UnitEntry,
    readonly settings: ServiceSettings,
    readonly account: Account | null,
    readonly host: ServiceHost,
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
    if (this.life === null) this.begin('begin');
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

  /**
   * Runs ExecReload= beside the main process. A failure of it changes nothing for the unit. Not to be called while it
   * starts or stops.
   */
  async reload(): Promise<void> {
    const { name, active, sub } = this.entry;
    const cannot = (why: string) => permanent(`${name} was not reloaded: ${why}`, { code: 'failed' });
    const { reload, timeoutStartMs } = this.settings;
    if (reload.length === 0) throw cannot('it has no ExecReload=');
    if (active !== 'active') throw cannot('it does not run');
    const after = { sub: sub === 'exited' ? sub : 'running' };
    this.set({ sub: 'reload' });
    for (const command of reload) {
      const ended = await this.commands.one('ExecReload', command, timeoutStartMs, this.halt.signal);
      if (this.entry.active !== 'active' || this.stopping) throw cannot('it stopped meanwhile');
      if (command.mayFail || (ended.kind === 'exit' && ended.code === 0)) continue;
      this.set(after);
      throw cannot(describe(ended));
    }
    // Else each reload would add one for as long as the unit runs.
    this.set({ ...after, leaders: withSession(this.entry.leaders) });
  }

  /** Goes on where the supervisor before left off. */
  adopt(): void {
    const { stopping } = this.entry;
    if (this.entry.sub === 'reload')
      this.set({ sub: this.settings.type === 'oneshot' ? 'exited' : 'running' });
    const { sub } = this.entry;
    if (sub === 'dead' || sub === 'failed') return;
    if (stopping) this.halt.abort();
    // Whether it said that it is ready, or forked, while nobody watched, cannot be known.
    const startsAnew = sub === 'start' && ['forking', 'notify'].includes(this.settings.type);
    if (!startsAnew) this.main.adopt();
    if (this.listens && sub !== 'auto-restart') void this.listen();
    if (sub === 'auto-restart') this.begin('wait');
    else if (sub === 'start-pre' || startsAnew) this.begin('begin');
    else if (sub === 'exited') this.begin('exited');
    else if (sub !== 'start' && sub !== 'start-post' && sub !== 'running') this.begin('down');
    else if (this.main.isThere)
      this.begin(sub === 'start' && this.settings.type !== 'oneshot' ? 'start-post' : sub);
    else this.begin(this.entry.main === null && sub !== 'running' ? 'begin' : 'ended');
  }

  members(): Member[] {
    const { invocation, leaders } = this.entry;
    return invocation === '' ? [] : membersOf(invocation, leaders);
  }

  private begin(stage: Stage): void {
    this.life = this.live(stage)
      .catch((error) => {
        this.host.log.error({ unit: this.entry.name }, messageOf(error));
        this.set({ active: 'failed', sub: 'failed', reason: messageOf(error) });
      })
      .finally(() => {
        this.startEnded(this.entry.active === 'failed', this.entry.reason);
        this.life = null;
        this.main.reset();
        this.host.notifier.unbind(this.entry.name);
        this.halt = new AbortController();
        this.set({ stopping: false });
      });
  }

  private async live(from: Stage): Promise<void> {
    for (let stage = from; ; stage = 'begin') {
      if (stage !== 'wait') {
        if (stage === 'begin' && !this.mayStart()) return this.fail(limitHit(this.settings.startLimit));
        const ended = await this.run(stage);
        const decision = afterExit(ended, this.settings);
        if (this.stopping || decision.kind === 'stay-down') {
          const failed = !isClean(ended, this.settings) && !(this.stopping && ended.kind === 'unknown');
          if (failed) this.fail(describe(ended));
          else this.set({ active: 'inactive', sub: 'dead', reason: '' });
          return;
        }
        const restartAt = this.host.clock.now() + decision.afterMs;
        this.set({ active: 'activating', sub: 'auto-restart', restartAt, reason: decision.why });
        this.startEnded(!isClean(ended, this.settings), decision.why);
      }
      await this.untilRestart();
      if (this.stopping) return this.set({ active: 'inactive', sub: 'dead', restartAt: null, reason: '' });
      this.set({ autoRestarts: this.entry.autoRestarts + 1 });
    }
  }

  private mayStart(): boolean {
    const startWindow = countStart(this.entry.startWindow, this.host.uptime(), this.settings.startLimit);
    if (startWindow !== null) this.set({ startWindow });
    return startWindow !== null;
  }

  private fail(why: string): void {
    const { name, logFrom } = this.entry;
    const lines = lastUnitLines(this.host.runDir, name, REASON_LINES, logFrom);
    this.set({ active: 'failed', sub: 'failed', restartAt: null, reason: [why, ...lines].join('\n') });
  }

  private async untilRestart(): Promise<void> {
    const left = Math.max(0, (this.entry.restartAt ?? 0) - this.host.clock.now());
    this.nap = new AbortController();
    if (!this.stopping) await waitFor(new Promise(() => undefined), left, this.host.clock, this.nap.signal);
  }

  private get listens(): boolean {
    return this.settings.notifyAccess !== 'none';
  }

  get halted(): AbortSignal {
    return this.halt.signal;
  }

  private get stopping(): boolean {
    return this.halt.signal.aborted;
  }

  private startEnded(failed: boolean, reason: string): void {
    const why = reason.split('\n')[0] || 'stopped while it was starting';
    if (this.entry.leaseBound && !this.host.leaseHeld()) this.up?.reject(leaseOver(this.entry.name));
    else if (failed || this.stopping)
      this.up?.reject(permanent(`${this.entry.name}: ${why}`, { code: 'failed' }));
    else this.up?.resolve();
    this.up = null;
  }

  /** One activation, to its very end. */
  private async run(stage: Stage): Promise<Ended> {
    let ended: Ended = stage === 'ended' ? { kind: 'unknown' } : (this.entry.ended ?? SUCCESS);
    let wasUp = stage === 'running' || stage === 'exited' || this.entry.sub === 'stop';
    if (stage === 'begin') ended = await this.bringUp();
    if (stage === 'start') ended = await this.main.untilExit();
    if ((stage === 'begin' || stage === 'start' || stage === 'start-post') && this.goesOn(ended))
      ended = await this.commands.all('ExecStartPost', 'start-post', this.settings.startPost);
    if (stage !== 'ended' && stage !== 'down' && this.goesOn(ended)) {
      wasUp = true;
      ended = await this.stayUp(stage === 'exited');
    }
    return this.goDown(ended, wasUp);
  }

  private goesOn(ended: Ended): boolean {
    return !this.stopping && isClean(ended, this.settings);
  }

  private async bringUp(): Promise<Ended> {
    const { host, settings, account } = this;
    const { name, sub } = this.entry;
    if (sub === 'start-pre' || sub === 'start') await this.killLeftovers();
    rotateUnitLog(host.runDir, name);
    this.main.reset();
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
      logFrom: unitLogSize(host.runDir, name),
    });
    const problem = placeCredentials(host.runDir, name, settings, account) ?? (await this.listen());
    if (problem !== null) return problem;
    let ended = await this.commands.all('ExecStartPre', 'start-pre', settings.startPre);
    for (const command of settings.start) {
      if (!this.goesOn(ended)) break;
      ended = await this.startMain(command);
    }
    return ended;
  }

  /** Answers when ExecStart= has done what Type= says a start is, or has failed to. */
  private async startMain(command: Command): Promise<Ended> {
    const { type } = this.settings;
    this.set({ sub: 'start', main: null });
    const started = await this.commands.spawn(command, type === 'forking' ? 'forks' : 'main');
    if (started.kind !== 'running') return command.mayFail ? SUCCESS : this.main.noted(started);
    if (type === 'forking') return this.main.untilForked(started, command);
    this.main.take(started, command);
    switch (type) {
      case 'oneshot':
        return this.main.untilExit();
      case 'notify':
        return this.main.untilReady();
      case 'simple':
      case 'exec':
        return SUCCESS;
    }
  }

  private async stayUp(hasExited: boolean): Promise<Ended> {
    const { type, remainAfterExit } = this.settings;
    let ended = SUCCESS;
    if (type !== 'oneshot' && !hasExited && this.main.isThere) {
      this.set({ active: 'active', sub: 'running', reason: '' });
      this.startEnded(false, '');
      ended = await this.main.untilDone();
    }
    if (!remainAfterExit || !this.goesOn(ended)) return ended;
    this.set({ active: 'active', sub: 'exited', reason: '' });
    this.startEnded(false, '');
    await new Promise<void>((resolve) => this.halt.signal.addEventListener('abort', () => resolve()));
    return ended;
  }

  private async goDown(before: Ended, wasUp: boolean): Promise<Ended> {
    const { settings } = this;
    this.set({ ended: before });
    let ended = before;
    const worse = (next: Ended): void => {
      if (isClean(ended, settings) && !isClean(next, settings)) ended = next;
    };
    if (wasUp && isClean(ended, settings)) worse(await this.commands.all('ExecStop', 'stop', settings.stop));
    worse(await this.endProcesses());
    const end = await this.main.end();
    if (end !== null && this.stopping) worse(end.kind === 'unknown' ? SUCCESS : end);
    if (this.entry.exit === null && (ended.kind === 'unknown' || ended.kind === 'resources'))
      this.main.noted(ended);
    worse(await this.commands.all('ExecStopPost', 'stop-post', settings.stopPost, ended));
    if (settings.stopPost.length > 0) await this.endProcesses();
    removeCredentials(this.host.runDir, this.entry.name);
    if (settings.pidFile !== null) removePidFile(settings.pidFile);
    this.set({ main: null, leaders: [] });
    return ended;
  }

  /** From now on what the unit says on $NOTIFY_SOCKET is heard. */
  private async listen(): Promise<Extract<Ended, { kind: 'resources' }> | null> {
    if (!this.listens) return null;
    const uid = this.account?.uid ?? process.geteuid?.() ?? 0;
    const { clock, notifier } = this.host;
    const bound = notifier.bind(this.entry.name, uid, (message) => this.main.hear(message));
    const problem = await waitFor(bound, this.settings.timeoutStartMs, clock, this.halt.signal);
    if (problem === null || problem === 'stopped') return null;
    return { kind: 'resources', status: null, what: `$NOTIFY_SOCKET cannot be made: ${problem}` };
  }

  /** Ends whatever KillMode= means to end. Answers what it counts as. */
  private async endProcesses(): Promise<Ended> {
    const { clock } = this.host;
    const { settings } = this;
    const graceMs = settings.timeoutStopMs;
    const done = await endRun({
      members: () => this.members(),
      named: [this.entry.main, this.commands.control].filter((one) => one !== null),
      settings,
      graceMs,
      clock,
      onPhase: (sub) => this.set({ active: 'deactivating', sub }),
    });
    if (done === 'asked') return SUCCESS;
    const what = `did not stop within ${formatMs(graceMs)}, ${done === 'killed' ? 'killed' : 'left running'}`;
    return { kind: 'timeout', what };
  }

  /** Of a start that another supervisor did not bring to its end. */
  private async killLeftovers(): Promise<void> {
    await endRun({
      members: () => this.members(),
      named: [],
      settings: {
        killMode: 'control-group',
        killSignal: SIGKILL,
        finalKillSignal: SIGKILL,
        sendSigkill: true,
      },
      graceMs: this.settings.timeoutStopMs,
      clock: this.host.clock,
      onPhase: () => undefined,
    });
  }
}

function removePidFile(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // What cannot be removed names no living process; it is in nobody's way.
  }
}
