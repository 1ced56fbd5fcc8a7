import { formatMs } from '../../units/timespan.js';
import type { Command } from '../command.js';
import { describe, type Ended, exitText, isClean } from '../restart.js';
import type { Running } from './commands.js';
import { deferred } from './deferred.js';
import { findForkedMain, pidFileProblem, untilAllGone } from './forked-main.js';
import type { Message } from './notify.js';
import { type Identity, identify, isAlive, membersOf, sessionLeaderOf, untilGone } from './processes.js';
import { isKnown, SUCCESS, type UnitContext } from './unit-context.js';
import { waitFor } from './wait.js';

/** The main process. Without an identity, nobody knows which it is; it ends with the last process of the run. */
interface Main {
  readonly identity: Identity | null;
  /** Never rejects. */
  readonly ended: Promise<Ended>;
}

/** Which process is the main one of a unit's run, what it says of itself, and how it ends. */
export class MainProcess {
  private current: Main | null = null;
  /** Settled and replaced when there is something new to know. */
  private news = deferred();
  private ready = false;
  private saysStopping = false;

  constructor(private readonly unit: UnitContext) {}

  get isThere(): boolean {
    return this.current !== null;
  }

  /** Of a new run nothing is known yet. */
  reset(): void {
    this.current = null;
    this.ready = false;
    this.saysStopping = false;
  }

  /** Takes over what a supervisor before this one started, if it lives. */
  adopt(): void {
    this.current = this.living();
  }

  /** Takes over what was just started. */
  take(started: Running, command: Command): void {
    const main: Main = {
      identity: started.identity,
      ended: started.ended.then((end) => this.mainEnded(main, end, command)),
    };
    this.current = main;
  }

  /** How it ended, once nothing of it is left; null if there is none, or it goes on. */
  async end(): Promise<Ended | null> {
    const main = this.current;
    if (main === null) return null;
    const goesOn = main.identity === null ? this.unit.members().length > 0 : isAlive(main.identity);
    return goesOn ? null : main.ended;
  }

  /** The main process, if it lives: the journalled one, or one spawned just before the end of the supervisor. */
  private living(): Main | null {
    const { main, invocation, leaders, sub } = this.unit.entry;
    if (main === null && this.unit.settings.type === 'forking') {
      return sub === 'running' && this.unit.members().length > 0 ? this.groupAsMain() : null;
    }
    const found =
      main ?? membersOf(invocation, []).find(({ leads, pid }) => leads && !isKnown(leaders, pid)) ?? null;
    if (found === null || !isAlive(found)) return null;
    const identity = { pid: found.pid, startTime: found.startTime };
    this.unit.set({
      main: identity,
      leaders: isKnown(leaders, identity.pid) ? leaders : [...leaders, identity],
    });
    return this.foreignMain(identity);
  }

  /** A main process that is no child of ours: how it ended remains unknown. */
  private foreignMain(identity: Identity): Main {
    const gone = untilGone([identity], this.unit.host.clock);
    const main: Main = { identity, ended: gone.then(() => this.mainEnded(main, { kind: 'unknown' })) };
    return main;
  }

  private groupAsMain(): Main {
    const { clock } = this.unit.host;
    return { identity: null, ended: untilAllGone(() => this.unit.members(), clock).then(() => SUCCESS) };
  }

  async untilForked(started: Running, command: Command): Promise<Ended> {
    const { clock } = this.unit.host;
    const { timeoutStartMs, pidFile, guessMainPid } = this.unit.settings;
    const limit = clock.steady() + timeoutStartMs;
    const late = (what: string): Ended => ({
      kind: 'timeout',
      what: `${what} within ${formatMs(timeoutStartMs)}`,
    });
    const parent = await waitFor(started.ended, timeoutStartMs, clock, this.unit.halted);
    if (parent === 'stopped') return SUCCESS;
    if (parent === 'timeout') return late('ExecStart= did not fork and end');
    if (!command.mayFail && !(parent.kind === 'exit' && parent.code === 0)) return this.noted(parent);
    const forked = { pidFile, guessMainPid, members: () => this.unit.members(), clock };
    const enough = new AbortController();
    const signal = AbortSignal.any([this.unit.halted, enough.signal]);
    const finding = findForkedMain(forked, signal).catch(() => 'stopped' as const);
    const found = await waitFor(finding, limit - clock.steady(), clock, this.unit.halted);
    enough.abort();
    if (found === 'stopped') return SUCCESS;
    if (found === 'timeout') return late(`no main process: ${pidFileProblem(forked)}`);
    if (found === null) this.current = this.groupAsMain();
    else this.takeMain(found);
    return SUCCESS;
  }

  private takeMain(identity: Identity): void {
    const { leaders } = this.unit.entry;
    const leader = sessionLeaderOf(identity);
    this.unit.set({ main: identity, leaders: isKnown(leaders, leader.pid) ? leaders : [...leaders, leader] });
    this.current = this.foreignMain(identity);
  }

  noted(ended: Ended): Ended {
    this.unit.set({ exit: exitText(ended) });
    return ended;
  }

  /** Records the true exit, if it is still the main process; answers what it counts as. */
  private mainEnded(main: Main, ended: Ended, command?: Command): Ended {
    if (this.current === main) this.noted(ended);
    return command?.mayFail ? SUCCESS : ended;
  }

  /** How the main process ended, or the first that happens: `enough` says so, the time is up, a stop is asked for. */
  private async mainEnd(
    timeoutMs: number,
    enough: () => boolean = () => false,
  ): Promise<Ended | 'enough' | 'timeout' | 'stopped'> {
    const { clock } = this.unit.host;
    const limit = clock.steady() + timeoutMs;
    for (;;) {
      if (enough()) return 'enough';
      const main = this.current;
      if (main === null) return SUCCESS;
      const next = Promise.race([main.ended, this.news.promise.then(() => 'news' as const)]);
      const end = await waitFor(next, limit - clock.steady(), clock, this.unit.halted);
      if (end === 'timeout' || end === 'stopped') return end;
      if (end !== 'news' && this.current === main) return end;
    }
  }

  async untilExit(): Promise<Ended> {
    const { timeoutStartMs } = this.unit.settings;
    const end = await this.mainEnd(timeoutStartMs);
    if (end === 'timeout')
      return { kind: 'timeout', what: `ExecStart= did not end within ${formatMs(timeoutStartMs)}` };
    return end === 'stopped' || end === 'enough' ? SUCCESS : end;
  }

  async untilReady(): Promise<Ended> {
    const { timeoutStartMs } = this.unit.settings;
    const end = await this.mainEnd(timeoutStartMs, () => this.ready);
    if (end === 'enough' || end === 'stopped') return SUCCESS;
    if (end === 'timeout')
      return { kind: 'timeout', what: `READY=1 did not come within ${formatMs(timeoutStartMs)}` };
    if (!isClean(end, this.unit.settings)) return end;
    return { kind: 'protocol', what: `${describe(end)} before it said READY=1` };
  }

  /** Until the main process has ended; once it says that it stops, it has the time of a stop for that. */
  async untilDone(): Promise<Ended> {
    let end = await this.mainEnd(Number.POSITIVE_INFINITY, () => this.saysStopping);
    const { timeoutStopMs } = this.unit.settings;
    if (end === 'enough') {
      this.unit.set({ active: 'deactivating', sub: 'stop-sigterm' });
      end = await this.mainEnd(timeoutStopMs);
    }
    if (end === 'timeout')
      return { kind: 'timeout', what: `did not end within ${formatMs(timeoutStopMs)} of STOPPING=1` };
    return end === 'stopped' || end === 'enough' ? SUCCESS : end;
  }

  hear({ pid, lines }: Message): void {
    const { notifyAccess } = this.unit.settings;
    const { main, leaders, name } = this.unit.entry;
    const counts =
      notifyAccess === 'all' || pid === main?.pid || (notifyAccess === 'exec' && isKnown(leaders, pid));
    if (!counts) {
      this.unit.host.log.warn(
        { unit: name, pid },
        'a message of a process that NotifyAccess= does not allow',
      );
      return;
    }
    for (const line of lines) {
      const named = /^MAINPID=(\d+)$/.exec(line)?.[1];
      if (line === 'READY=1') this.ready = true;
      if (line === 'READY=1' && this.unit.entry.sub === 'reload') this.unit.set({ sub: 'running' });
      if (line === 'RELOADING=1' && this.unit.entry.sub === 'running') this.unit.set({ sub: 'reload' });
      if (line === 'STOPPING=1') this.saysStopping = true;
      if (named !== undefined) this.followMain(Number(named));
    }
    this.news.resolve();
    this.news = deferred();
  }

  private followMain(pid: number): void {
    const identity = identify(pid);
    const isOurs = this.unit.members().some((member) => member.pid === pid);
    if (identity !== null && isOurs && pid !== this.unit.entry.main?.pid) this.takeMain(identity);
  }
}
