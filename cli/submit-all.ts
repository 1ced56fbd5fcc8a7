import type { SubmittedUnit, UnitSubmission } from '../api/schemas.js';
import { MOST_WRITES } from '../registry/registry.js';
import { ConvoyError, messageOf } from '../runtime/errors.js';
import type { Context } from './command.js';
import { sideBySide } from './side-by-side.js';

/**
 * Submits units, as many in one transaction as the API takes: of those either all are written or none. Several lots are under way
 * at a time, so that the leader places, and a machine reads and starts, many units together. After one that is refused none is
 * begun; its error says how many units are written all the same.
 */
export async function submitAll(
  { api }: Pick<Context, 'api'>,
  units: readonly UnitSubmission[],
): Promise<void> {
  let written = 0;
  try {
    await sideBySide(lotsOf(units), async (lot) => {
      await api.submitUnits(lot, false);
      written += lot.length;
    });
  } catch (error) {
    if (!(error instanceof ConvoyError) || written === 0) throw error;
    const others = `${written} of the ${units.length} units were written all the same`;
    throw new ConvoyError(error.kind, `${messageOf(error)} (${others})`, { cause: error });
  }
}

/** What submitting them would come to, each such lot as if it were the only one. Nothing is written. */
export async function rehearseAll(
  { api }: Context,
  units: readonly UnitSubmission[],
): Promise<readonly SubmittedUnit[]> {
  return (await sideBySide(lotsOf(units), (lot) => api.submitUnits(lot, true))).flat();
}

function lotsOf(units: readonly UnitSubmission[]): readonly UnitSubmission[][] {
  return Array.from({ length: Math.ceil(units.length / MOST_WRITES) }, (_, lot) =>
    units.slice(lot * MOST_WRITES, (lot + 1) * MOST_WRITES),
  );
}
