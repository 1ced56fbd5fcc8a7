import { keysOf } from './keys.js';
import type { Page } from './page.js';
import type { Cargo } from './snapshot.js';
import type { View } from './state.js';

/** The keys of a view about a migration (null: there is none), without those that would do nothing now. */
export function migrationKeys(
  view: View,
  cargo: Pick<Cargo, 'migrations'> | null,
  migration: string | null,
): Page['keys'] {
  const status = migration === null ? undefined : cargo?.migrations.get(migration);
  const isRead = status !== undefined && !('trouble' in status);
  const isOver =
    !isRead || status.state === 'cancelled' || (status.finished && status.verification?.finished !== false);
  const means: Readonly<Record<string, boolean>> = {
    p: !isOver && status.state === 'running',
    r: isRead && status.state === 'paused',
    f: isRead,
    t: isRead,
    Space: isRead,
    a: isRead,
    '[': (cargo?.migrations.size ?? 0) > 1,
    ']': (cargo?.migrations.size ?? 0) > 1,
  };
  return keysOf(view).filter(([key]) => means[key] ?? true);
}
