import type { MigrationStatus } from '../../jobs/work-queue.js';
import { failureCount } from '../migration-text.js';
import type { Tone } from './page.js';

/** How the state of a migration looks. */
export function toneOf(status: MigrationStatus): Tone {
  const { state, finished } = status;
  if (state === 'cancelled') return 'dim';
  if (finished) return failureCount(status) === 0 ? 'good' : 'bad';
  return state === 'paused' ? 'warn' : 'good';
}
