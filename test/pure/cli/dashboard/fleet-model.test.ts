import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Event } from '../../../../api/event-schemas.js';
import { pendingReason } from '../../../../api/pending.js';
import { recordReport, unitToReport } from '../../../../api/reports.js';
import type { LeaderReport, MachineReport, UnitReport, UnitState } from '../../../../api/schemas.js';
import { createFleetModel, type FleetModel } from '../../../../cli/dashboard/fleet-model.js';
import type { EventBatch } from '../../../../cli/read-events.js';
import type { UnitRecord } from '../../../../registry/model.js';
import { seeded } from '../../../support/seed.js';

const NOBODY: LeaderReport = { machine: null, refusals: {}, term: null, frozen: null, hold: null };
const LEADER: LeaderReport = { ...NOBODY, machine: 'm1', term: 3 };
const machine = (id: string, more: Partial<MachineReport> = {}): MachineReport => ({
  ...{ id, alive: true, cordoned: false, draining: false, away: null, leader: false },
  ...{ ip: '', metadata: {}, apiAddress: '', version: '', bootId: '' },
  ...more,
});

/** What the registry holds of units, as far as a list shows it, with the events of each revision. */
class Registry {
  revision = 10;
  readonly batches: EventBatch[] = [];
  readonly units = new Map<string, UnitRecord>();
  /** By unit: where it is assigned, with the reason. */
  readonly assigned = new Map<string, { machine: string; why: string }>();
  /** By unit: machines that have a global one. */
  readonly everywhere = new Map<string, Set<string>>();
  readonly states = new Map<string, Map<string, UnitState>>();

  private write(events: readonly object[]): void {
    this.revision += 1;
    const { revision } = this;
    if (events.length > 0)
      this.batches.push({ revision, events: events.map((one) => ({ ...one, revision }) as Event) });
  }

  submit(name: string, salt: number, global: boolean, target: UnitRecord['target']): void {
    const options = [
      { section: 'Service', name: 'ExecStart', value: `/bin/sleep ${salt}` },
      ...(global ? [{ section: 'X-Fleet', name: 'Global', value: 'true' }] : []),
    ];
    const record: UnitRecord = {
      ...{ name, hash: JSON.stringify(options), unit: { options }, target },
      ...{ restarts: 0, move: null, generation: this.revision + 1 },
    };
    this.units.set(name, record);
    this.write([{ kind: 'unit', unit: name, value: recordReport(record) }]);
  }
  destroy(name: string): void {
    if (this.units.delete(name)) this.write([{ kind: 'unit', unit: name, value: null }]);
  }
  /** As the leader does: what leaves is written first. `atOnce`: a move in one revision. */
  place(name: string, on: string, atOnce: boolean): void {
    const record = this.units.get(name);
    if (record === undefined) return;
    const global = record.unit.options.length > 1;
    const { machine: at } = this.assigned.get(name) ?? {};
    if (!global && at !== undefined && at !== on && atOnce) {
      this.assigned.set(name, { machine: on, why: 'moved' });
      this.write([this.placement(name, on, 'moved'), this.placement(name, at, null)]);
      return;
    }
    if (global ? at !== undefined : at !== on || this.everywhere.has(name)) this.unplace(name);
    const why = `fewest units at ${this.revision}`;
    if (!global) this.assigned.set(name, { machine: on, why });
    else this.everywhere.set(name, new Set([...(this.everywhere.get(name) ?? []), on]));
    this.write([this.placement(name, on, why)]);
  }
  unplace(name: string): void {
    const machines = [...(this.everywhere.get(name) ?? []), this.assigned.get(name)?.machine];
    this.everywhere.delete(name);
    this.assigned.delete(name);
    this.write(machines.flatMap((on) => (on === undefined ? [] : [this.placement(name, on, null)])));
  }
  private placement(unit: string, on: string, why: string | null): object {
    return { kind: 'placement', unit, machine: on, value: why === null ? null : { unit, machine: on, why } };
  }
  publish(unit: string, on: string, active: string | null, reason: string): void {
    const ofUnit = this.states.get(unit) ?? new Map<string, UnitState>();
    this.states.set(unit, ofUnit);
    const value = active === null ? null : ({ unit, machine: on, active, reason } as UnitState);
    if (value === null) ofUnit.delete(on);
    else ofUnit.set(on, value);
    this.write([{ kind: 'state', unit, machine: on, value }]);
  }
  report(name: string, leader: LeaderReport): UnitReport | null {
    const record = this.units.get(name);
    if (record === undefined) return null;
    const { machine: on = null, why = null } = this.assigned.get(name) ?? {};
    const states = [...(this.states.get(name)?.values() ?? [])];
    const global = record.unit.options.length > 1;
    const pending = pendingReason(
      { name, target: record.target, global, machine: on, states },
      { ...leader, leader: leader.machine, refusals: new Map(Object.entries(leader.refusals)) },
    );
    return unitToReport({ record, machine: on, why, states }, pending);
  }
  list(leader: LeaderReport): UnitReport[] {
    return [...this.units.keys()].sort().map((name) => this.report(name, leader) as UnitReport);
  }
}

const unit = fc.constantFrom('a.service', 'b.service');
const on = fc.constantFrom('m1', 'm2');
const step = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('submit' as const),
      ...{ unit, salt: fc.nat(1), global: fc.boolean() },
      target: fc.constantFrom('inactive' as const, 'loaded' as const, 'launched' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('destroy' as const), unit }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('place' as const), unit, on, atOnce: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('unplace' as const), unit }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      ...{ unit, on },
      active: fc.constantFrom('active', 'failed', null),
      reason: fc.constantFrom('', 'exited with code 1\nlast words'),
    }),
  },
  // What the dashboard does meanwhile: hears of so many revisions, asks for what is unread, gets the answers late.
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('hear' as const), revisions: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 4, arbitrary: fc.constant({ kind: 'ask' as const }) },
  { weight: 4, arbitrary: fc.constant({ kind: 'answer' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'listen anew' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('lead' as const),
      report: fc.constantFrom(
        LEADER,
        NOBODY,
        { ...LEADER, hold: 'etcd was replaced' },
        { ...LEADER, refusals: { 'a.service': 'pending: 0 of 2 machines' } },
      ),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

test('units are those of a fresh list after any events, however late the answers to what was read in between', () => {
  let late = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 80 }), (steps) => {
      const registry = new Registry();
      const model = createFleetModel();
      let leader = LEADER;
      let answers: { readonly from: number; come(): void }[] = [];
      const hear = (most: number): void => {
        for (const batch of registry.batches.splice(0, most)) model.take(batch, 0);
      };
      const ask = (): void => {
        const { revision } = registry;
        for (const name of model.unread()) {
          const report = registry.report(name, NOBODY);
          if (report !== null) answers.push({ from: revision, come: () => model.read(report, revision) });
        }
      };
      const answer = (): void => {
        for (const { from, come } of answers.splice(0)) {
          if (from < (model.fleet()?.revision ?? 0)) late += 1;
          come();
        }
      };
      const perform: { [Kind in Step['kind']]: (one: Extract<Step, { kind: Kind }>) => void } = {
        submit: (one) => registry.submit(one.unit, one.salt, one.global, one.target),
        destroy: (one) => registry.destroy(one.unit),
        place: (one) => registry.place(one.unit, one.on, one.atOnce),
        unplace: (one) => registry.unplace(one.unit),
        publish: (one) => registry.publish(one.unit, one.on, one.active, one.reason),
        hear: (one) => hear(one.revisions),
        ask,
        answer,
        'listen anew': () => {
          // Events from before the list are told after it.
          answers = [];
          model.list(registry.list(NOBODY), registry.revision);
        },
        lead: (one) => {
          leader = one.report;
          model.stand({ machines: [], leader, hold: null });
        },
      };
      model.list(registry.list(NOBODY), registry.revision);
      model.stand({ machines: [], leader, hold: null });
      for (const one of steps) {
        (perform[one.kind] as (one: Step) => void)(one);
        const units = model.fleet()?.units ?? [];
        expect(units.map(({ record }) => record.name)).toEqual(units.map(({ record }) => record.name).sort());
      }
      hear(Number.POSITIVE_INFINITY);
      answer();
      ask();
      answer();
      expect(model.unread()).toEqual([]);
      expect(model.fleet()?.units).toEqual(registry.list(leader));
    }),
    seeded(300),
  );
  expect(late).toBeGreaterThan(0);
});

/** Listed at revision 10, with one unit that runs on m1. */
function following(): FleetModel {
  const registry = new Registry();
  registry.submit('a.service', 1, false, 'launched');
  registry.place('a.service', 'm1', false);
  registry.publish('a.service', 'm1', 'active', '');
  const model = createFleetModel();
  model.list(registry.list(LEADER), 20);
  model.stand({ machines: [machine('m1', { leader: true }), machine('m2')], leader: LEADER, hold: null });
  return model;
}
const batch = (revision: number, ...events: object[]): EventBatch => ({
  revision,
  events: events.map((one) => ({ ...one, revision }) as Event),
});

describe('a fleet', () => {
  test('is known once both units and what convoyd says are', () => {
    const model = createFleetModel();
    expect(model.fleet()).toBeNull();
    model.list([], 7);
    expect(model.fleet()).toBeNull();
    model.stand({ machines: [machine('m1')], leader: NOBODY, hold: 'etcd is another one' });
    expect(model.fleet()).toEqual({
      ...{ revision: 7, units: [], machines: [machine('m1')], leader: NOBODY, hold: 'etcd is another one' },
      ...{ conditions: new Map(), events: [] },
    });
  });

  test('is led by whom the last event names, before the leader itself was asked', () => {
    const model = following();
    model.take(
      batch(21, { kind: 'leader', value: { machine: 'm2', term: 21, frozen: '3 of 5 are missing' } }),
      0,
    );
    expect(model.fleet()).toMatchObject({
      leader: { machine: 'm2', term: 21, frozen: '3 of 5 are missing' },
      machines: [
        { id: 'm1', leader: false },
        { id: 'm2', leader: true },
      ],
    });
    model.take(batch(22, { kind: 'leader', value: null }), 0);
    expect(model.fleet()).toMatchObject({ leader: NOBODY, machines: [{ leader: false }, { leader: false }] });
  });

  test('names what the leader refuses, and no longer once it does not', () => {
    const model = following();
    const refusals = { 'a.service': 'pending: machine m1 is gone', 'nosuch.service': 'pending' };
    const machines = model.fleet()?.machines ?? [];
    model.stand({ machines, leader: { ...LEADER, refusals }, hold: null });
    const [unit] = model.fleet()?.units ?? [];
    expect(unit).toMatchObject({ pending: refusals['a.service'], reason: refusals['a.service'] });
    model.stand({ machines, leader: LEADER, hold: null });
    expect(model.fleet()?.units).toMatchObject([{ pending: null, reason: null }]);
  });

  test('has a unit as it was read, whatever of before is told after that', () => {
    const model = following();
    const [unit] = model.fleet()?.units ?? [];
    const record = { ...unit!.record, hash: 'another' };
    model.take(batch(21, { kind: 'unit', unit: 'a.service', value: record }), 0);
    expect(model.unread()).toEqual(['a.service']);
    const read = { ...unit!, record, machine: null, why: null, states: [] };
    model.read(read, 24);
    const placement = { target: 'launched', why: 'fewest units', fence: 22 };
    model.take(batch(22, { kind: 'placement', unit: 'a.service', machine: 'm2', value: placement }), 0);
    expect(model.fleet()?.units).toMatchObject([{ record: { hash: 'another' }, machine: null, why: null }]);
    model.take(batch(25, { kind: 'placement', unit: 'a.service', machine: 'm2', value: placement }), 0);
    expect(model.fleet()?.units).toMatchObject([{ machine: 'm2', why: 'fewest units' }]);
  });

  test('keeps the conditions it was given', () => {
    const model = following();
    const before = model.fleet();
    const conditions = new Map([['m1', { machine: 'm1' } as never]]);
    model.feel(conditions);
    expect(model.fleet()).toEqual({ ...before, conditions });
  });

  test('remembers the newest events with the time they were heard of, also those from before a list', () => {
    const model = following();
    const service = (at: number) => ({
      kind: 'service',
      service: `s${at}`,
      unit: 'a.service',
      machine: 'm1',
    });
    model.take(batch(15, service(15)), 500);
    for (let at = 21; at <= 1020; at++) model.take(batch(at, service(at)), at);
    const events = model.fleet()?.events ?? [];
    expect(events).toHaveLength(300);
    expect(events[0]).toEqual({ at: 1020, event: { ...service(1020), revision: 1020 } });
    expect(events[299]).toMatchObject({ at: 721 });
    const other = following();
    other.take(batch(15, service(15)), 500);
    expect(other.fleet()).toMatchObject({ revision: 20, events: [{ at: 500, event: { revision: 15 } }] });
  });

  test('is the same object while nothing has changed, and so is each part that has not', () => {
    const model = following();
    const first = model.fleet();
    const again = () => structuredClone({ machines: first?.machines ?? [], leader: LEADER, hold: null });
    model.stand(again());
    model.take(batch(20), 0);
    expect(model.fleet()).toBe(first);
    model.take(batch(21), 0);
    const quiet = model.fleet();
    expect(quiet).toMatchObject({ revision: 21 });
    for (const part of ['units', 'machines', 'leader', 'events'] as const)
      expect(quiet?.[part]).toBe(first?.[part]);
    model.take(batch(22, { kind: 'state', unit: 'a.service', machine: 'm1', value: null }), 0);
    const changed = model.fleet();
    expect(changed?.units).not.toBe(first?.units);
    expect(changed?.machines).toBe(first?.machines);
  });
});
