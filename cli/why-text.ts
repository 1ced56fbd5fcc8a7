import type { UnitExplanation } from '../api/schemas.js';

/** Why a unit is on one machine, or is not. */
export function whyHere(
  { global, machine: at }: Pick<UnitExplanation, 'global' | 'machine'>,
  { placed, refusal, alive }: UnitExplanation['machines'][number],
): string {
  if (placed !== null) return placed;
  if (!alive) return 'it is not there';
  if (refusal !== null) return refusal;
  return global || at === null ? 'it may run here' : 'it could run here as well';
}
