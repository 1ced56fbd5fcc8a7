import type { Decision, UnitState } from '../../../registry/model.js';
import type { FakeFleet } from '../../support/fake-fleet.js';
import type { RecordedState, RecordedUnit } from './fleet-recording.js';

/**
 * Leader and agents of a recorded conversation: they have done, before each request, what its recorded answer shows
 * of their doing - where a unit is placed, how far it has come, what systemd says of it - and nothing else. All the
 * rest of an answer is the API's own.
 */
export class PlayedFleet {
  readonly #fleet: FakeFleet;
  readonly #states = new Map<string, Map<string, UnitState>>();

  constructor(fleet: FakeFleet) {
    this.#fleet = fleet;
  }

  /** Has units placed and reported as they are shown. A global one has no machine of its own: its states tell. */
  async playUnits(units: readonly RecordedUnit[]): Promise<void> {
    for (const { name, machineID, currentState } of units) {
      await this.#place(name, machineID);
      if (machineID === undefined) continue;
      if (currentState === 'inactive' || currentState === undefined) this.#of(machineID).delete(name);
      else await this.#report(name, machineID, { reached: currentState });
    }
    await this.#publish();
  }

  /** Has these states reported, and with `all` no others. */
  async playStates(states: readonly RecordedState[], all: boolean): Promise<void> {
    const shown = new Set(states.map(({ name, machineID }) => `${machineID} ${name}`));
    for (const [machine, rows] of all ? this.#states : [])
      for (const name of rows.keys()) if (!shown.has(`${machine} ${name}`)) rows.delete(name);
    for (const { name, machineID, systemdLoadState, systemdActiveState, systemdSubState } of states)
      await this.#report(name, machineID, {
        load: systemdLoadState,
        active: systemdActiveState,
        sub: systemdSubState,
      });
    await this.#publish();
  }

  async #place(unit: string, machine: string | undefined): Promise<void> {
    const { registry, leader } = this.#fleet;
    const { units, assigned } = await registry.readAll();
    const record = units.get(unit);
    const here = assigned.get(unit);
    if (here?.machine === machine) return;
    const generation = record?.generation ?? 0;
    const decisions: Decision[] = [];
    const base = { unit, global: false, generation, why: 'recorded so' };
    if (here !== undefined)
      decisions.push({ ...base, kind: 'unplace', machine: here.machine, revision: here.revision });
    if (machine !== undefined && record !== undefined) {
      const { hash, restarts } = record;
      const target = record.target === 'inactive' ? 'loaded' : record.target;
      const placement = { unit, machine, hash, target, restarts, why: 'recorded so' };
      const fresh = { stopBoundMs: null, failedOn: [], placement };
      decisions.push({ ...base, kind: 'place', machine, revision: 0, ...fresh });
    }
    await registry.commit(decisions, leader);
  }

  /** The hash is that of the unit as it is submitted: as an agent has it that was told of it. */
  async #report(name: string, machine: string, change: Partial<UnitState>): Promise<void> {
    const known = this.#of(machine).get(name);
    const hash = (await this.#fleet.registry.readUnit(name))?.record.hash ?? known?.hash ?? '';
    this.#of(machine).set(name, {
      ...(known ?? {
        load: 'loaded',
        active: 'inactive',
        sub: 'dead',
        reached: 'loaded',
        since: 0,
        exit: null,
      }),
      ...{ autoRestarts: 0, reason: '', heard: 0, ...change, unit: name, machine, hash },
    });
  }

  async #publish(): Promise<void> {
    const { states } = await this.#fleet.registry.readAll();
    for (const session of this.#fleet.sessions) {
      const now = this.#of(session.machineId);
      const gone = [...(states.get(session.machineId)?.keys() ?? [])].filter((name) => !now.has(name));
      await session.publish([...now.values()], gone);
    }
  }

  #of(machine: string): Map<string, UnitState> {
    const rows = this.#states.get(machine) ?? new Map<string, UnitState>();
    this.#states.set(machine, rows);
    return rows;
  }
}
