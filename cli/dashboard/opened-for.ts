import type { Detail } from './detail.js';
import type { Opened, Snapshot } from './snapshot.js';

/** What was looked up for this detail; null: nothing yet, as what is known is of another. */
export function openedFor<Kind extends Detail['kind']>(
  { opened }: Pick<Snapshot, 'opened'>,
  detail: Extract<Detail, { kind: Kind }>,
): Extract<Opened, { kind: Kind }> | null {
  if (opened === null || JSON.stringify(opened.of) !== JSON.stringify(detail)) return null;
  return opened as Extract<Opened, { kind: Kind }>;
}
