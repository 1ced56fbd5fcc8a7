import { expect, test } from 'vitest';
import type { SubmittedUnit, UnitSubmission } from '../../../api/schemas.js';
import type { ApiClient } from '../../../cli/client.js';
import { rehearseAll, submitAll } from '../../../cli/submit-all.js';
import { permanent, transient } from '../../../runtime/errors.js';

const units = Array.from(
  { length: 120 },
  (_, at): UnitSubmission => ({ name: `${at}.service`, target: 'launched' }),
);
const names = (lot: readonly { readonly name: string }[]): string[] => lot.map(({ name }) => name);

/** An API that says no more than what became of each unit. */
function stub(refuses: (lot: readonly UnitSubmission[]) => Promise<unknown> = async () => undefined) {
  const lots: (readonly UnitSubmission[])[] = [];
  const dryRuns = new Set<boolean>();
  const submitUnits: ApiClient['submitUnits'] = async (lot, dryRun) => {
    lots.push(lot);
    dryRuns.add(dryRun);
    await refuses(lot);
    return lot.map(({ name }): SubmittedUnit => ({ name, outcome: 'created', generation: 1, refusal: null }));
  };
  return { api: { submitUnits } as ApiClient, lots, dryRuns };
}

test('all are submitted, in lots that one transaction takes', async () => {
  const { api, lots, dryRuns } = stub();
  await submitAll({ api }, units);
  expect(lots.map((lot) => lot.length)).toEqual([50, 50, 20]);
  expect(names(lots.flat())).toEqual(names(units));
  expect([...dryRuns]).toEqual([false]);
  await submitAll({ api }, []);
  expect(lots).toHaveLength(3);
});

test('a rehearsal answers in the order asked for, whichever lot is answered first', async () => {
  let last = (): void => undefined;
  const answered = new Promise<void>((resolve) => {
    last = resolve;
  });
  const { api, dryRuns } = stub(async (lot) => (lot.length === 20 ? last() : answered));
  const all = await rehearseAll({ api } as Parameters<typeof rehearseAll>[0], units);
  expect(names(all)).toEqual(names(units));
  expect([...dryRuns]).toEqual([true]);
});

test('what is refused is told with how many units are written all the same', async () => {
  const refusal = permanent('50.service: no', { code: 'bad-unit' });
  const one = stub(async ([first]) => {
    if (first?.name === '50.service') throw refusal;
  });
  await expect(submitAll(one, units)).rejects.toMatchObject({
    ...{ kind: 'permanent', cause: refusal },
    message: '50.service: no (70 of the 120 units were written all the same)',
  });
});

test('where nothing was written the error is as it came, and nothing more is begun', async () => {
  const error = transient('convoyd does not answer');
  const { api, lots } = stub(async () => {
    throw error;
  });
  const many = Array.from({ length: 20 }, () => units.slice(0, 50)).flat();
  await expect(submitAll({ api }, many)).rejects.toBe(error);
  expect(lots).toHaveLength(16);
});
