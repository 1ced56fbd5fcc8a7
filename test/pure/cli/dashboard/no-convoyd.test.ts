import { expect, test } from 'vitest';
import { textOf } from '../../../../cli/dashboard/cells.js';
import type { Detail } from '../../../../cli/dashboard/detail.js';
import { layOut } from '../../../../cli/dashboard/layout.js';
import { NO_CONVOYD } from '../../../../cli/dashboard/opened-look.js';
import { pageOf } from '../../../../cli/dashboard/pages.js';
import { failedAt, UNREAD } from '../../../../cli/dashboard/reading.js';
import { FIRST_STATE, type State } from '../../../../cli/dashboard/state.js';

const FLEET: State = { ...FIRST_STATE, page: 'fleet' };
const opened = (detail: Detail): State => ({ ...FLEET, details: [detail] });
const STATES: readonly (readonly [string, State])[] = [
  ['the fleet', FLEET],
  ['a unit', opened({ kind: 'unit', unit: 'a.service', machine: null })],
  ['a machine', opened({ kind: 'machine', machine: 'a' })],
];

test.each(STATES)(
  'without a convoyd %s says whole how to get one, also on the smallest screen',
  (_what, state) => {
    const snapshot = { now: 1_000, cargo: UNREAD, fleet: failedAt(UNREAD, NO_CONVOYD, 0), opened: null };
    const { panels } = layOut(pageOf(snapshot, state), state, { columns: 60, rows: 15 });
    const lines = panels.flatMap(({ body }) => (body.kind === 'lines' ? body.lines.map(textOf) : []));
    expect(lines.join(' ').replaceAll(/ +/g, ' ')).toContain(NO_CONVOYD.replace(': ', ' '));
  },
);
