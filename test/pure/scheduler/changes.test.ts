import { describe, expect, it } from 'vitest';
import type { ClusterSnapshot, UnitState } from '../../../registry/model.js';
import { samePlacing } from '../../../scheduler/changes.js';
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

describe('samePlacing', () => {
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

  it.each(['units', 'machines', 'known', 'assigned', 'placements'] as const)(
    'sees a change of %s',
    (table) => {
      const less = new Map<string, unknown>([...snapshot[table]].slice(1));
      const other = new Map<string, unknown>(
        [...snapshot[table]].map(([key, value]: [string, object]) => [key, { ...value }]),
      );
      expect(samePlacing(snapshot, { ...snapshot, [table]: less })).toBe(false);
      expect(samePlacing(snapshot, { ...snapshot, [table]: other })).toBe(false);
    },
  );
});
