import type { SubmittedUnit, UnitSubmission } from '../api/schemas.js';
import { ConvoyError, messageOf } from '../runtime/errors.js';
import type { Context } from './command.js';
import { counted } from './table.js';

/** As many as the API takes in one transaction. */
const MOST = 50;

/**
 * Submits units, up to 50 in one transaction: of those either all are written or none. The first lot that is refused
 * ends it; its error says how many were written before.
 */
export async function submitAll({ api }: Context, units: readonly UnitSubmission[]): Promise<void> {
  for (let at = 0; at < units.length; at += MOST) {
    try {
      await api.submitUnits(units.slice(at, at + MOST), false);
    } catch (error) {
      if (!(error instanceof ConvoyError) || at === 0) throw error;
      const before = `${counted(at, 'unit')} before these ${at === 1 ? 'was' : 'were'} written already`;
      throw new ConvoyError(error.kind, `${messageOf(error)} (${before})`, { cause: error });
    }
  }
}

/** What submitting them would come to, each lot of 50 as if it were the only one. Nothing is written. */
export async function rehearseAll(
  { api }: Context,
  units: readonly UnitSubmission[],
): Promise<readonly SubmittedUnit[]> {
  const lots: (readonly SubmittedUnit[])[] = [];
  for (let at = 0; at < units.length; at += MOST)
    lots.push(await api.submitUnits(units.slice(at, at + MOST), true));
  return lots.flat();
}
