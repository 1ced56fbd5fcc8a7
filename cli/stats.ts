import { type Progress, progressOf, settledOf } from '../jobs/progress.js';
import type { MigrationStatus, OperatorQueue } from '../jobs/work-queue.js';
import { kindOf, messageOf } from '../runtime/errors.js';
import { stateWords } from './migration-text.js';
import { duration, megabytes } from '../jobs/quantities.js';

export interface StatsOptions {
  readonly queue: OperatorQueue;
  readonly json: boolean;
  readonly say: (line: string) => void;
}

/**
 * Prints a line about every migration per call. What does not change any more (finished, cancelled, lost, Redis away)
 * is said once, so that a service that runs for ever does not fill its log.
 */
export function createStats({ queue, json, say }: StatsOptions): { round(): Promise<void> } {
  const known = new Set<string>();
  const lastSaid = new Map<string, string>();

  function sayOnce(about: string, text: string, line: string): void {
    if (lastSaid.get(about) === text) return;
    lastSaid.set(about, text);
    say(line);
  }
  function trouble(migration: string, error: unknown): void {
    if (kindOf(error) === 'aborted') throw error;
    const problem = messageOf(error);
    const name = migration === '' ? '' : `${migration}: `;
    sayOnce(migration, problem, json ? JSON.stringify({ migration, problem }) : `${name}${problem}`);
  }

  async function one(name: string): Promise<void> {
    const status = await queue.status(name);
    if (status === null) return;
    known.add(name);
    const progress = progressOf(status);
    const line = json ? jsonLine(status, progress) : plainLine(status, progress);
    const resting = status.finished || status.state === 'cancelled';
    const key = resting
      ? `${stateWords(status)} ${settledOf(status.tiles)} ${status.bytes}`
      : `at ${status.now}`;
    sayOnce(name, key, line);
  }

  return {
    async round() {
      let names: readonly string[];
      try {
        names = await queue.migrations();
        lastSaid.delete('');
      } catch (error) {
        trouble('', error);
        return;
      }
      for (const name of new Set([...known, ...names])) {
        try {
          await one(name);
        } catch (error) {
          trouble(name, error);
        }
      }
      if (names.length === 0 && known.size === 0)
        sayOnce('none', 'none', json ? '{"migrations":0}' : 'there is no migration yet');
    },
  };
}

/** `demo: 1034 of 2070 tiles, 59.1 tiles/s, 0.5 MB/s, 2 failed, 18 s left` */
function plainLine(status: MigrationStatus, { last10s, leftMs }: Progress): string {
  const { definition, tiles, planClosed, finished, state } = status;
  const rate =
    last10s === null || finished
      ? []
      : [`${last10s.tilesPerSecond.toFixed(1)} tiles/s`, `${megabytes(last10s.bytesPerSecond)}/s`];
  const left =
    finished || state !== 'running'
      ? stateWords(status)
      : !planClosed
        ? 'still planning'
        : leftMs === null
          ? 'time left not known yet'
          : `${duration(leftMs)} left`;
  const parts = [`${settledOf(tiles)} of ${tiles.total} tiles`, ...rate, `${tiles.failed} failed`, left];
  return `${definition.name}: ${parts.join(', ')}`;
}

function jsonLine(status: MigrationStatus, { last10s, share, leftMs }: Progress): string {
  const { definition, now, ...shown } = status;
  return JSON.stringify({
    at: new Date(now).toISOString(),
    migration: definition.name,
    ...shown,
    tilesPerSecond: last10s?.tilesPerSecond ?? null,
    bytesPerSecond: last10s?.bytesPerSecond ?? null,
    share,
    leftMs,
  });
}
