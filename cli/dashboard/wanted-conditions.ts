import { tablesOf } from './choice.js';
import type { Page } from './page.js';

/** More machines than stand on a screen around the chosen one. */
const AROUND = 40;

/** The machines that may be seen: each is asked for its condition by itself, and of a thousand most are not looked at. */
export function wantedConditions(page: Page): readonly string[] {
  const table = tablesOf(page).find(({ id }) => id === 'machines')?.body;
  if (table === undefined) return [];
  const chosen = Math.max(
    0,
    table.rows.findIndex(({ key }) => key === table.selected),
  );
  return table.rows
    .slice(Math.max(0, chosen - AROUND), chosen + AROUND)
    .flatMap(({ about }) => about.machine ?? []);
}
