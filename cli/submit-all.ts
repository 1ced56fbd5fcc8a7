import type { SubmittedUnit, UnitSubmission } from '../api/schemas.js';
import { MOST_WRITES } from '../registry/registry.js';
import { ConvoyError, messageOf } from '../runtime/errors.js';
import type { Context } from './command.js';

/**
 * Submits units, as many in one transaction as the API takes: of those either all are written or none. The first lot that is refused
 * ends it; its error says how many were written before.
 */
export async function submitAll(
  { api }: Pick<Context, 'api'>,
  units: readonly UnitSubmission[],
): Promise<void> {
  for (let at = 0; at < units.length; at += MOST_WRITES) {
    try {
      await api.submitUnits(units.slice(at, at + MOST_WRITES), false);
    } catch (error) {
      if (!(error instanceof ConvoyError) || at === 0) throw error;
      const before = `${at} units before these were written already`;
      throw new ConvoyError(error.kind, `${messageOf(error)} (${before})`, { cause: error });
    }
  }
}

/** What submitting them would come to, each such lot as if it were the only one. Nothing is written. */
export async function rehearseAll(
  { api }: Context,
  units: readonly UnitSubmission[],
): Promise<readonly SubmittedUnit[]> {
  const lots: (readonly SubmittedUnit[])[] = [];
  for (let at = 0; at < units.length; at += MOST_WRITES)
    lots.push(await api.submitUnits(units.slice(at, at + MOST_WRITES), true));
  return lots.flat();
}
