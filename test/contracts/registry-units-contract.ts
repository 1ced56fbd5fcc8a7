import { describe, expect, it } from 'vitest';
import { MOST_WRITES, type Registry, type UnitWrite } from '../../registry/registry.js';
import { hashOf } from '../../units/unit-file.js';
import { aPlace, aUnit, TTL_MS, type Use } from './registry-contract.js';

/** Many units in one transaction, and changes that are based on what was read. */
export function manyUnitsContract(use: Use): void {
  const recordOf = async (registry: Registry, name: string) => (await registry.readUnit(name))?.record;

  describe('many units at once', () => {
    it('are written in one revision, in the order given, and say which are new', async () => {
      const { registry } = await use().client();
      const a = await registry.submitUnit('a.service', aUnit('old'), 'inactive');
      await registry.requestRestart('a.service');
      const b = await registry.submitUnit('b.service', aUnit(), 'inactive');
      const { revision } = await registry.readAll();
      const written = await registry.writeUnits([
        { name: 'c.service', unit: aUnit('same'), target: 'launched', expected: 0 },
        { name: 'a.service', unit: aUnit('same'), target: 'loaded' },
        { name: 'b.service', target: 'launched', expected: b.generation },
      ]);
      expect(written).toEqual([
        { name: 'c.service', generation: revision + 1, outcome: 'created' },
        { name: 'a.service', generation: revision + 1, outcome: 'changed' },
        { name: 'b.service', generation: revision + 1, outcome: 'changed' },
      ]);
      const same = { unit: aUnit('same'), hash: hashOf(aUnit('same')), generation: revision + 1 };
      expect(a.generation).toBeLessThan(revision);
      expect(await recordOf(registry, 'a.service')).toMatchObject({ ...same, target: 'loaded', restarts: 1 });
      expect(await recordOf(registry, 'c.service')).toMatchObject({ ...same, target: 'launched' });
      expect(await recordOf(registry, 'b.service')).toMatchObject({ unit: aUnit(), target: 'launched' });
      expect((await registry.readAll()).revision).toBe(revision + 1);
    });

    it.each<[string, UnitWrite, object]>([
      [
        'is there though it must be new',
        { name: 'a.service', unit: aUnit(), target: 'loaded', expected: 0 },
        {},
      ],
      ['was changed', { name: 'a.service', target: 'loaded', expected: 1 }, {}],
      ['is gone', { name: 'z.service', unit: aUnit(), target: 'loaded', expected: 1 }, {}],
      [
        'has no content and does not exist',
        { name: 'z.service', target: 'loaded', expected: 1 },
        { kind: 'permanent', code: 'not-found' },
      ],
    ])('are none of them written if one %s, which is named', async (_, wrong, error) => {
      const { registry } = await use().client();
      const { generation } = await registry.submitUnit('a.service', aUnit(), 'inactive');
      const { revision } = await registry.readAll();
      const writes = [
        { name: 'n.service', unit: aUnit(), target: 'launched' } as const,
        wrong,
        { name: 'o.service', target: 'loaded', expected: 7 } as const,
      ];
      await expect(registry.writeUnits(writes)).rejects.toMatchObject({
        ...{ kind: 'conflict', code: 'generation', message: expect.stringContaining(wrong.name) },
        ...error,
      });
      const { units, revision: now } = await registry.readAll();
      expect([...units.keys()]).toEqual(['a.service']);
      expect(units.get('a.service')).toMatchObject({ generation, target: 'inactive' });
      expect(now).toBe(revision);
    });

    it('change nothing if they are as they should be, or none', async () => {
      const { registry } = await use().client();
      const { generation } = await registry.submitUnit('a.service', aUnit(), 'loaded');
      const { revision } = await registry.readAll();
      expect(await registry.writeUnits([])).toEqual([]);
      for (const write of [{ expected: generation }, { unit: aUnit() }]) {
        const written = await registry.writeUnits([{ name: 'a.service', target: 'loaded', ...write }]);
        expect(written).toEqual([{ name: 'a.service', generation, outcome: 'unchanged' }]);
      }
      expect(await registry.submitUnit('a.service', aUnit(), 'loaded')).toEqual({
        generation,
        created: false,
      });
      expect((await registry.readAll()).revision).toBe(revision);
    });

    it('are refused if they are too many, or one is there twice; as many as may be fit', async () => {
      const { registry } = await use().client();
      const many = (count: number): UnitWrite[] =>
        Array.from({ length: count }, (_, i) => ({
          name: `u${i}.service`,
          unit: aUnit(`${i}`),
          target: 'loaded',
        }));
      await expect(registry.writeUnits(many(MOST_WRITES + 1))).rejects.toMatchObject({
        ...{ kind: 'permanent', code: 'too-many' },
      });
      const twice = [...many(2), ...many(1)];
      await expect(registry.writeUnits(twice)).rejects.toMatchObject({
        ...{ kind: 'permanent', code: 'twice' },
      });
      expect((await registry.readAll()).units.size).toBe(0);
      const written = await registry.writeUnits(many(MOST_WRITES));
      expect(new Set(written.map(({ generation }) => generation)).size).toBe(1);
      expect((await registry.readAll()).units.size).toBe(MOST_WRITES);
    });

    it('fit as well if each has a move that stands', async () => {
      const { registry } = await use().client();
      const names = Array.from({ length: MOST_WRITES }, (_, i) => `u${i}.service`);
      const first = await registry.writeUnits(
        names.map((name) => ({ name, unit: aUnit(), target: 'launched' as const })),
      );
      const term = await registry.campaign('m1', TTL_MS, new AbortController().signal);
      await registry.commit(
        first.map(({ name, generation }) => aPlace(name, 'm1', generation)),
        term,
      );
      await Promise.all(names.map((name) => registry.requestMove(name, 'm2')));
      await registry.writeUnits(
        names.map((name, i) => ({ name, unit: aUnit(`${i}`), target: 'launched' as const })),
      );
      const { units } = await registry.readAll();
      expect(names.map((name) => units.get(name)?.move?.to)).toEqual(names.map(() => 'm2'));
    });

    it('of two writers at once both take effect, and of two that expect the same only one', async () => {
      const [one, two] = [(await use().client()).registry, (await use().client()).registry];
      const names = ['a.service', 'b.service', 'c.service'];
      await one.writeUnits(names.map((name) => ({ name, unit: aUnit(), target: 'inactive' as const })));
      await Promise.all([
        ...names.map((name) => two.requestRestart(name)),
        one.writeUnits(names.map((name) => ({ name, unit: aUnit('x'), target: 'launched' as const }))),
        ...names.map((name) => two.requestRestart(name)),
      ]);
      for (const name of names)
        expect(await recordOf(one, name)).toMatchObject({ restarts: 2, unit: aUnit('x') });

      const generation = (await recordOf(one, 'a.service'))!.generation;
      const results = await Promise.allSettled(
        [one, two].map((registry, i) =>
          registry.writeUnits([
            { name: 'a.service', unit: aUnit(`by ${i}`), target: 'launched', expected: generation },
            { name: `new-${i}.service`, unit: aUnit(), target: 'launched' },
          ]),
        ),
      );
      const won = results.findIndex(({ status }) => status === 'fulfilled');
      expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      const { units } = await one.readAll();
      expect(units.get('a.service')?.unit).toEqual(aUnit(`by ${won}`));
      expect([...units.keys()].filter((name) => name.startsWith('new-'))).toEqual([`new-${won}.service`]);
    });
  });

  describe('a change based on what was read', () => {
    const changes: [string, (registry: Registry, expected: number) => Promise<unknown>][] = [
      ['target state', (registry, expected) => registry.setTargetState('a.service', 'launched', expected)],
      ['restart', (registry, expected) => registry.requestRestart('a.service', expected)],
      ['end', (registry, expected) => registry.destroyUnit('a.service', expected)],
    ];

    it.each(changes)('is refused if the unit was changed since: %s', async (_, change) => {
      const { registry } = await use().client();
      const first = await registry.submitUnit('a.service', aUnit(), 'inactive');
      const { generation } = await registry.submitUnit('a.service', aUnit('x'), 'inactive');
      for (const expected of [0, first.generation])
        await expect(change(registry, expected)).rejects.toMatchObject({
          ...{ kind: 'conflict', code: 'generation', message: expect.stringContaining('a.service') },
        });
      expect(await recordOf(registry, 'a.service')).toMatchObject({
        ...{ generation, target: 'inactive', restarts: 0 },
      });
      await change(registry, generation);
      expect(await recordOf(registry, 'a.service')).not.toMatchObject({ generation });
    });

    it('is refused if the unit was changed since: move', async () => {
      const { registry } = await use().client();
      const first = await registry.submitUnit('a.service', aUnit(), 'launched');
      const term = await registry.campaign('m1', TTL_MS, new AbortController().signal);
      await registry.commit([aPlace('a.service', 'm1', first.generation)], term);
      const { generation } = await registry.submitUnit('a.service', aUnit('x'), 'launched');
      await expect(registry.requestMove('a.service', 'm2', first.generation)).rejects.toMatchObject({
        ...{ kind: 'conflict', code: 'generation', message: expect.stringContaining('a.service') },
      });
      await registry.requestMove('a.service', 'm2', generation);
      expect(await recordOf(registry, 'a.service')).toMatchObject({ move: { to: 'm2' } });
    });

    it('finds that the unit is gone', async () => {
      const { registry } = await use().client();
      const { generation } = await registry.submitUnit('a.service', aUnit(), 'inactive');
      await registry.destroyUnit('a.service', generation);
      const gone = { kind: 'permanent', code: 'not-found' };
      await expect(registry.setTargetState('a.service', 'loaded', generation)).rejects.toMatchObject(gone);
      await expect(registry.requestRestart('a.service', generation)).rejects.toMatchObject(gone);
      expect(await registry.destroyUnit('a.service', generation)).toBe(false);
    });
  });
}
