import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Decision, Machine, UnitState } from '../../registry/model.js';
import type { Registry, RegistryMemory } from '../../registry/registry.js';
import { kindOf } from '../../runtime/errors.js';
import { hashOf, type UnitFile } from '../../units/unit-file.js';
import { eventsContract } from './registry-events-contract.js';
import { machinesContract } from './registry-machines-contract.js';
import { operatorContract } from './registry-operator-contract.js';
import { placementContract } from './registry-placement-contract.js';
import { sessionContract } from './registry-session-contract.js';
import { manyUnitsContract } from './registry-units-contract.js';

/** One convoyd's registry, with its way to the store under control. */
export interface RegistryClient {
  readonly registry: Registry;
  /** From now on nothing it sends arrives and nothing is answered. */
  cut(): void;
  restore(): void;
}

/** A cluster without any record, for one test. */
export interface RegistryHarness {
  /** `memory` absent: a machine that remembers nothing. */
  client(memory?: RegistryMemory): Promise<RegistryClient>;
  /** Makes the store forget what happened before a revision, the present one. */
  compact(revision: number): Promise<void>;
  /** Lets time pass until the probe answers; fails after at least 30 s of the registry's time. */
  pass(what: string, probe: () => Promise<boolean> | boolean): Promise<void>;
  close(): Promise<void>;
}

/** The shortest lease both implementations grant as asked. */
export const TTL_MS = 3000;

export function aUnit(text = 'sleep 1'): UnitFile {
  return { options: [{ section: 'Service', name: 'ExecStart', value: text }] };
}

export function aMachine(id: string): Machine {
  return { id, ip: '127.0.0.1', metadata: { az: 'a' }, apiAddress: '', version: '1', bootId: 'boot' };
}

export function aState(machine: string, unit: string, active = 'active'): UnitState {
  return {
    ...{ unit, machine, hash: hashOf(aUnit()), reached: 'launched', since: 1, exit: null },
    ...{ autoRestarts: 0, reason: '', heard: 0, load: 'loaded', active, sub: 'running' },
  };
}

/** A placement of a non-global unit that nothing is known of yet, unless `more` says so. */
export function aPlace(
  unit: string,
  machine: string,
  generation: number,
  more: Partial<Decision> = {},
): Decision {
  const why = 'fewest units';
  const placement = { unit, machine, hash: hashOf(aUnit()), target: 'launched' as const, restarts: 0, why };
  const base = {
    kind: 'place',
    unit,
    machine,
    global: false,
    generation,
    revision: 0,
    why,
    placement,
  } as const;
  return { ...base, ...more } as Decision;
}

export type Use = () => RegistryHarness;

/** Every implementation of the registry keeps these promises. */
export function registryContract(name: string, open: () => Promise<RegistryHarness>): void {
  describe(`registry: ${name}`, () => {
    let harness: RegistryHarness;
    beforeEach(async () => {
      harness = await open();
    });
    afterEach(() => harness.close());

    unitContract(() => harness);
    manyUnitsContract(() => harness);
    sessionContract(() => harness);
    placementContract(() => harness);
    operatorContract(() => harness);
    machinesContract(() => harness);
    eventsContract(() => harness);
  });
}

function unitContract(use: Use): void {
  describe('desired state', () => {
    it('stores a unit and says whether it is new', async () => {
      const { registry } = await use().client();
      expect(await registry.readUnit('a.service')).toBeNull();
      const first = await registry.submitUnit('a.service', aUnit(), 'inactive');
      expect(first.created).toBe(true);
      expect(await registry.readUnit('a.service')).toEqual({
        revision: first.generation,
        record: {
          ...{ name: 'a.service', hash: hashOf(aUnit()), unit: aUnit() },
          ...{ target: 'inactive', restarts: 0, move: null, generation: first.generation },
        },
        machine: null,
        why: null,
        states: [],
      });
      const second = await registry.submitUnit('a.service', aUnit('sleep 2'), 'launched');
      expect(second.created).toBe(false);
      expect(second.generation).toBeGreaterThan(first.generation);
      expect((await registry.readAll()).units.get('a.service')?.unit).toEqual(aUnit('sleep 2'));
    });

    it('refuses a submit that expected another generation, and changes nothing', async () => {
      const { registry } = await use().client();
      const { generation } = await registry.submitUnit('a.service', aUnit(), 'inactive', 0);
      for (const expected of [0, generation - 1, generation + 1])
        await expect(registry.submitUnit('a.service', aUnit('x'), 'loaded', expected)).rejects.toMatchObject({
          kind: 'conflict',
        });
      expect((await registry.readUnit('a.service'))?.record).toMatchObject({
        generation,
        target: 'inactive',
      });
      await registry.submitUnit('a.service', aUnit('x'), 'loaded', generation);
      expect((await registry.readUnit('a.service'))?.record.target).toBe('loaded');
    });

    it('sets a target state; the same again changes nothing', async () => {
      const { registry } = await use().client();
      await registry.submitUnit('a.service', aUnit(), 'inactive');
      await registry.setTargetState('a.service', 'launched');
      const { revision } = await registry.readAll();
      await registry.setTargetState('a.service', 'launched');
      expect((await registry.readAll()).revision).toBe(revision);
      expect((await registry.readUnit('a.service'))?.record.target).toBe('launched');
    });

    it('counts requests to restart, keeps the count over a new submit, and starts what was stopped', async () => {
      const { registry } = await use().client();
      await registry.submitUnit('a.service', aUnit(), 'loaded');
      await registry.requestRestart('a.service');
      await registry.requestRestart('a.service');
      await registry.submitUnit('a.service', aUnit('x'), 'launched');
      expect((await registry.readUnit('a.service'))?.record).toMatchObject({
        restarts: 2,
        target: 'launched',
      });
    });

    it('says not-found for a unit that is not there', async () => {
      const { registry } = await use().client();
      const expected = { kind: 'permanent', code: 'not-found' };
      await expect(registry.setTargetState('a.service', 'loaded')).rejects.toMatchObject(expected);
      await expect(registry.requestRestart('a.service')).rejects.toMatchObject(expected);
    });

    it('destroys a unit once', async () => {
      const { registry } = await use().client();
      await registry.submitUnit('a.service', aUnit(), 'launched');
      expect(await registry.destroyUnit('a.service')).toBe(true);
      expect(await registry.destroyUnit('a.service')).toBe(false);
      expect(await registry.readUnit('a.service')).toBeNull();
      expect((await registry.readAll()).units.size).toBe(0);
    });

    it('lets concurrent changes of one unit all take effect', async () => {
      const [one, two] = [await use().client(), await use().client()];
      await one.registry.submitUnit('a.service', aUnit(), 'inactive');
      const clients = [one, two, one, two];
      await Promise.all(clients.map(({ registry }) => registry.requestRestart('a.service')));
      expect((await one.registry.readUnit('a.service'))?.record.restarts).toBe(4);
    });
  });

  describe('faults', () => {
    it('answers transient while the store does not, and works again afterwards', async () => {
      const client = await use().client();
      await client.registry.submitUnit('a.service', aUnit(), 'inactive');
      client.cut();
      await expect(client.registry.readAll()).rejects.toMatchObject({ kind: 'transient' });
      await expect(client.registry.setTargetState('a.service', 'loaded')).rejects.toMatchObject({
        kind: 'transient',
      });
      client.restore();
      await use().pass('the store answers again', () =>
        client.registry.setTargetState('a.service', 'launched').then(
          () => true,
          (error) => {
            if (kindOf(error) !== 'transient') throw error;
            return false;
          },
        ),
      );
      expect((await client.registry.readUnit('a.service'))?.record.target).toBe('launched');
    });

    it('rejects an aborted read, and every call after close, as aborted', async () => {
      const { registry } = await use().client();
      await expect(registry.readAll(AbortSignal.abort())).rejects.toMatchObject({ kind: 'aborted' });
      await registry.close();
      await expect(registry.readAll()).rejects.toMatchObject({ kind: 'aborted' });
      await expect(registry.submitUnit('a.service', aUnit(), 'loaded')).rejects.toMatchObject({
        kind: 'aborted',
      });
    });
  });
}
