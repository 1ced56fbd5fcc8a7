/**
 * Parameters for `fc.assert`: a seed from TEST_SEED or from the time, printed so that any run can be repeated.
 * fast-check names the counter-example's path itself.
 */
export function seeded(numRuns = 200): { seed: number; numRuns: number } {
  const seed = Number(process.env.TEST_SEED ?? Date.now() % 2_147_483_647);
  console.log(`TEST_SEED=${seed}`);
  return { seed, numRuns };
}
