import { expect, test } from 'vitest';
import type { MachineReport, UnitReport } from '../../../api/schemas.js';
import { clusterLine } from '../../../cli/cluster-text.js';
import type { Fleet } from '../../../cli/dashboard/snapshot.js';

const machine = (id: string, change: Partial<MachineReport> = {}): MachineReport => ({
  ...{ id, alive: true, cordoned: false, draining: false, away: null, ip: '', metadata: {} },
  ...{ apiAddress: '', version: '1', bootId: 'b', leader: false },
  ...change,
});
const pending = { record: { target: 'launched' }, states: [], machine: null, pending: 'no room' };
const LED = { machine: 'a'.repeat(32), term: 7, refusals: {}, frozen: null, hold: null };

function fleet(change: Partial<Fleet>): Fleet {
  const empty = { revision: 1, machines: [], units: [], hold: null, conditions: new Map(), events: [] };
  return { ...empty, leader: LED, ...change };
}

test('counts machines and units by how they stand, and tells what stands still', () => {
  expect(clusterLine(fleet({}))).toBe('cluster: 0 machines, 0 units, aaaaaaaa... leads, term 7');
  const machines = [
    machine('a'),
    machine('b', { cordoned: true, draining: true }),
    machine('c', { alive: false }),
  ];
  const units = [pending, pending] as unknown as UnitReport[];
  expect(clusterLine(fleet({ machines, units }))).toBe(
    'cluster: 3 machines (1 draining, 1 gone), 2 units (2 pending), aaaaaaaa... leads, term 7',
  );
  const leader = { ...LED, machine: null, term: null };
  expect(clusterLine(fleet({ machines: [machine('a')], leader, hold: 'another registry' }))).toBe(
    'cluster: 1 machine, 0 units; nobody leads: no unit is placed or moved until a machine does; the convoyd that answers holds: another registry',
  );
});
