import type { Machine } from '../registry/model.js';
import type { LeaseUse, MachineSession, Membership } from '../registry/registry.js';
import { backoffMs } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { ConvoyError, kindOf, messageOf } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';

export interface SessionOptions {
  readonly registry: Membership;
  readonly machine: Machine;
  readonly ttlMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly onJoin: () => void;
  readonly use: LeaseUse;
}

/** The machine's presence, for as long as the signal has not fired: joined, and joined again when it was lost. */
export interface SessionKeeper {
  current(): MachineSession | null;
  /** Why the machine is not joined, in words. */
  problem(): string | null;
  /** What is placed on this machine id is meant for this machine: it has joined, and nobody else was found under its id since. */
  entitled(): boolean;
  /** Ends it once the signal has fired: the machine counts as there for a while yet, or as gone for good. */
  stop(how: 'suspend' | 'leave'): Promise<void>;
}

const RETRY = { firstMs: 500, factor: 2, maxMs: 10_000 };

export function keepSession(options: SessionOptions): SessionKeeper {
  const { registry, machine, clock, log, signal } = options;
  let session: MachineSession | null = null;
  let problem: string | null = null;
  let entitled = false;

  async function keep(): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      try {
        session = await registry.join(machine, options.ttlMs, options.use);
      } catch (error) {
        problem = whyNotJoined(error, machine.id);
        if (isDuplicate(error)) entitled = false;
        if (failures++ === 0) log.warn({ machine: machine.id }, problem);
        await clock.sleep(backoffMs(failures, RETRY, Math.random()), signal).catch(() => undefined);
        continue;
      }
      failures = 0;
      problem = null;
      entitled = true;
      log.info({ machine: machine.id }, 'joined');
      options.onJoin();
      const { lost } = session;
      await fired(AbortSignal.any([lost, signal]));
      if (signal.aborted) return;
      session = null;
      problem = 'the session was lost; joining again';
      log.warn({ machine: machine.id }, 'session lost: units are left alone, joining again');
    }
  }
  const kept = keep();

  return {
    current: () => session,
    problem: () => problem,
    entitled: () => entitled,
    async stop(how) {
      await kept;
      await session?.[how]().catch((error) => log.warn({ machine: machine.id }, messageOf(error)));
    },
  };
}

function whyNotJoined(error: unknown, id: string): string {
  return isDuplicate(error)
    ? `machine id ${id} is held by another machine: give each machine an id of its own (${messageOf(error)})`
    : `cannot join: ${messageOf(error)}`;
}

function isDuplicate(error: unknown): boolean {
  return error instanceof ConvoyError && error.code === 'duplicate-machine-id';
}

function fired(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** For what is tried again in every round: the first failure of a row is logged, and that it works again. */
export function createAttempts(
  what: string,
  log: Log,
): { attempt(call: () => Promise<void>): Promise<boolean> } {
  let failing = false;
  return {
    async attempt(call) {
      try {
        await call();
        if (failing) log.info({}, `over: ${what}`);
        failing = false;
        return true;
      } catch (error) {
        if (!failing && kindOf(error) !== 'aborted') log.warn({}, `${what} for now: ${messageOf(error)}`);
        failing = true;
        return false;
      }
    },
  };
}
