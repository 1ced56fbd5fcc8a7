import { describe, expect, it } from 'vitest';
import type { ClusterSnapshot, UnitState } from '../../../registry/model.js';
import { placingChanges } from '../../../scheduler/changes.js';
import { sketch } from './cluster.js';

const snapshot = sketch({
  machines: { aaaaaaaa1: {}, bbbbbbbb2: {} },
  units: { 'a.service': { on: ['aaaaaaaa1'] }, 'b.service': { on: ['bbbbbbbb2'] } },
});

/** The same cluster with another state of a.service. */
function withState(change: Partial<UnitState>): ClusterSnapshot {
  const rows = new Map(snapshot.states.get('aaaaaaaa1'));
  for (const [unit, state] of rows) rows.set(unit, { ...state, ...change });
  return { ...snapshot, revision: 2000, states: new Map([...snapshot.states, ['aaaaaaaa1', rows]]) };
}

const copies = (at: ClusterSnapshot): ClusterSnapshot => ({
  ...at,
  units: new Map(at.units),
  machines: new Map(at.machines),
  known: new Map(at.known),
  assigned: new Map(at.assigned),
  placements: new Map(at.placements),
  states: new Map(at.states),
});

const samePlacing = (one: ClusterSnapshot, other: ClusterSnapshot): boolean => {
  const { machines, units } = placingChanges(one, other);
  return !machines && units.size === 0;
};

describe('placingChanges', () => {
  it('takes no notice of what units say of themselves but content and failures', () => {
    expect(samePlacing(snapshot, copies(snapshot))).toBe(true);
    const busy = { active: 'activating', sub: 'start', since: 5, reason: 'x', exit: '0' };
    expect(samePlacing(snapshot, withState(busy))).toBe(true);
    expect(samePlacing(snapshot, withState({ active: 'failed' }))).toBe(false);
    expect(samePlacing(snapshot, withState({ autoRestarts: 1 }))).toBe(false);
    expect(samePlacing(snapshot, withState({ hash: 'x' }))).toBe(false);
  });

  it('sees a unit come or go in what a machine reports', () => {
    const states = new Map(snapshot.states);
    states.delete('bbbbbbbb2');
    expect(samePlacing(snapshot, { ...snapshot, states })).toBe(false);
    expect(samePlacing({ ...snapshot, states }, snapshot)).toBe(false);
  });

  it.each([
    ['units', { generation: 3000 }],
    ['machines', { ip: '::1' }],
    ['known', { cordoned: true }],
    ['assigned', { revision: 3000 }],
  ] as const)('sees a change of %s', (table, change) => {
    const [first, ...rest] = snapshot[table];
    const [key, value] = first ?? ['', {}];
    const changed = new Map<string, unknown>([[key, { ...value, ...change }], ...rest]);
    expect(samePlacing(snapshot, { ...snapshot, [table]: changed })).toBe(false);
    expect(samePlacing(snapshot, { ...snapshot, [table]: new Map<string, unknown>(rest) })).toBe(false);
  });

  it('sees a change of placements', () => {
    const [first, ...rest] = snapshot.placements.get('aaaaaaaa1')?.values() ?? [];
    if (first === undefined) throw new Error('nothing is placed');
    const placements = (rows: readonly (typeof first)[]) =>
      new Map([...snapshot.placements, ['aaaaaaaa1', new Map(rows.map((row) => [row.unit, row]))]]);
    const having = (rows: readonly (typeof first)[]) => ({ ...snapshot, placements: placements(rows) });
    expect(samePlacing(snapshot, having([first, ...rest]))).toBe(true);
    expect(samePlacing(snapshot, having([{ ...first, revision: 3000 }, ...rest]))).toBe(false);
    expect(samePlacing(snapshot, having(rest))).toBe(false);
  });
});
