import { messageOf } from '../../runtime/errors.js';
import type { Log } from '../../runtime/log.js';
import type { Bus } from './bus.js';
import type { UnitFiles } from './files.js';
import type { Journal } from './journal.js';
import { controlExit, type End, endOf, isEnded, isPristine, saidSoFar, whyOf } from './states.js';
import { typeInterface } from './unit-text.js';
import { readProperty, type UnitWatch } from './unit-watch.js';

/**
 * Its processes may write before systemd has noted that the unit left `inactive`: seen up to a millisecond early, the
 * journal's time being that of its own loop.
 */
const FIRST_WORDS_MS = 50;

/** Writes down how units end, because systemd forgets it, and finds out why they failed. */
export interface Endings {
  /** Something about the unit has changed. To be called while messages are read: looks a little later. */
  look(name: string): void;
  /** Why a start failed whose job ended so, when all that can be known of it is known. */
  startFailed(name: string, result: string): Promise<string>;
  settled(): Promise<void>;
}

export interface EndingsOptions {
  readonly bus: () => Bus;
  readonly files: UnitFiles;
  readonly watch: UnitWatch;
  readonly journal: Journal;
  readonly wake: () => void;
  readonly log: Log;
}

const CONTROLS = ['ExecCondition', 'ExecStartPre', 'ExecStart', 'ExecStartPost', 'ExecStop', 'ExecStopPost'];
const MOUNT_CONTROLS = ['ExecMount', 'ExecUnmount', 'ExecRemount'];
const JOB_RESULTS: Readonly<Record<string, string>> = {
  dependency: 'a unit it requires could not be started (dependency)',
  timeout: 'its job took longer than its time limit (timeout)',
  assert: 'one of its Assert*= does not hold (assert)',
  unsupported: 'this machine cannot run units of its type (unsupported)',
};

export function createEndings({ bus, files, watch, journal, wake, log }: EndingsOptions): Endings {
  const changed = new Set<string>();
  const underWay = new Map<string, Promise<void>>();
  let soon: NodeJS.Immediate | null = null;

  function look(name: string): void {
    changed.add(name);
    // What one message says is corrected by the next: on its way to a restart a unit has failed for a moment.
    soon ??= setImmediate(() => {
      soon = null;
      for (const one of changed) settle(one);
      changed.clear();
      wake();
    });
  }

  function settle(name: string): void {
    const found = files.remembered.get(name);
    const now = watch.properties(name);
    if (found === undefined) return;
    if (!isEnded(now)) {
      if (found.end !== null) files.remember(name, { ...found, end: null });
      return;
    }
    if (isPristine(now)) return;
    const end = endOf(now, saidSoFar(now));
    const explained = end.active !== 'failed' || found.end?.reason !== '' || underWay.has(name);
    if (found.end !== null && isSame(found.end, end) && explained) return;
    files.remember(name, { ...found, end });
    if (end.active === 'failed') startExplaining(name, end);
  }

  function startExplaining(name: string, end: End): void {
    const explained = explain(name, end)
      .catch((error) => {
        log.warn({ unit: name }, `why it failed: ${messageOf(error)}`);
        conclude(name, end, { exit: end.exit, reason: whyOf(watch.properties(name), null) });
      })
      .finally(() => {
        if (underWay.get(name) === explained) underWay.delete(name);
      });
    underWay.set(name, explained);
  }

  /** Adds what has to be asked for. */
  async function explain(name: string, end: End): Promise<void> {
    const now = watch.properties(name);
    const [control, lines, tooOften] = await Promise.all([
      end.exit === null || end.exit === '0' ? badControl(name) : null,
      journal.ofUnit(name, Number(now.InactiveExitTimestamp ?? 0n) / 1000 - FIRST_WORDS_MS),
      end.autoRestarts > 0 && startedTooOften(name, end),
    ]);
    const why = whyOf(tooOften ? { ...now, Result: 'start-limit-hit' } : now, control);
    conclude(name, end, { exit: end.exit ?? control, reason: [why, ...lines].join('\n') });
  }

  function conclude(name: string, end: End, known: Pick<End, 'exit' | 'reason'>): void {
    const found = files.remembered.get(name);
    // Started again meanwhile, or gone, or its exit has come: then that is being explained.
    if (found === undefined || found.end === null || !isSame(end, found.end)) return;
    files.remember(name, { ...found, end: { ...end, ...known } });
    wake();
  }

  /** Result= goes on saying how it ended before; nothing but the journal tells. */
  async function startedTooOften(name: string, end: End): Promise<boolean> {
    const said = await journal.aboutUnit(name, end.since - 1000);
    return said.some((line) => line.includes('Start request repeated too quickly'));
  }

  async function badControl(name: string): Promise<string | null> {
    const of = typeInterface(name);
    const names = name.endsWith('.service') ? CONTROLS : /\.(mount|swap)$/.test(name) ? MOUNT_CONTROLS : [];
    const commands = await Promise.all(
      names.map((property) => readProperty<unknown>(bus(), name, of, property)),
    );
    return controlExit(commands);
  }

  return {
    look,
    async startFailed(name, result) {
      settle(name);
      await underWay.get(name);
      const found = files.remembered.get(name);
      if (found === undefined) return result;
      if (found.end !== null && found.end.reason !== '') return found.end.reason;
      // It never ran.
      const reason = JOB_RESULTS[result] ?? result;
      files.remember(name, {
        ...found,
        end: { ...endOf(watch.properties(name), reason), since: found.touched },
      });
      return reason;
    },
    async settled() {
      if (soon !== null) clearImmediate(soon);
      await Promise.allSettled(underWay.values());
    },
  };
}

/** The exit may come later than the rest, or be that of a control process, which only `explain` finds. */
function isSame(known: End, now: End): boolean {
  return (
    known.active === now.active &&
    known.since === now.since &&
    known.autoRestarts === now.autoRestarts &&
    (now.exit === null || now.exit === known.exit)
  );
}
