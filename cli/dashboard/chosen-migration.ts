import type { Picture } from '../stats.js';

/** The name of the migration that the page shows: the one wanted, else the first that runs, else the first; null: there is none. */
export function chosenMigration(
  { migrations }: Pick<Picture, 'migrations'>,
  wanted: string | null,
): string | null {
  if (wanted !== null && migrations.has(wanted)) return wanted;
  const names = [...migrations.keys()];
  const running = names.find((name) => {
    const found = migrations.get(name);
    return found !== undefined && !('trouble' in found) && found.state === 'running' && !found.finished;
  });
  return running ?? names[0] ?? null;
}
