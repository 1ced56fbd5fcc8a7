import { expect, test } from 'vitest';
import type { Page, Row } from '../../../../cli/dashboard/page.js';
import { wantedConditions } from '../../../../cli/dashboard/wanted-conditions.js';

const row = (machine: string): Row => ({
  ...{ key: machine, cells: [], opens: null, marked: false },
  about: { machine },
});
const ALL = Array.from({ length: 1_000 }, (_, at) => `m${at}`);

function page(id: 'machines' | 'units', selected: string | null): Page {
  const body = { kind: 'table', columns: [], rows: ALL.map(row), empty: '', selected } as const;
  const size = { grow: { width: 1, height: 1 }, least: { width: 1, height: 1 } };
  const block = { id, title: '', band: 0, ...size, spare: 0, body };
  return { title: [], alarms: [], blocks: [block], about: {}, keys: [], brief: [] };
}

test('those around the chosen machine, in the order shown; nothing where no machines are', () => {
  expect(wantedConditions(page('machines', null))).toEqual(ALL.slice(0, 40));
  expect(wantedConditions(page('machines', 'm500'))).toEqual(ALL.slice(460, 540));
  expect(wantedConditions(page('machines', 'm999'))).toEqual(ALL.slice(959));
  expect(wantedConditions(page('units', null))).toEqual([]);
});
