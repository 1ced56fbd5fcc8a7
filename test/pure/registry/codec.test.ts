import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as codec from '../../../registry/codec.js';
import type { KnownMachine, Machine, ServiceEntry, UnitState } from '../../../registry/model.js';
import { hashOf, type UnitFile } from '../../../units/unit-file.js';
import { seeded } from '../../support/seed.js';

const text = fc.string();
const count = fc.nat();
const metadata = fc.dictionary(text, text);
const machine: fc.Arbitrary<Machine> = fc.record({
  ...{ id: text, ip: text, metadata, apiAddress: text, version: text, bootId: text },
});
const known: fc.Arbitrary<KnownMachine> = fc.record({
  ...{ id: text, firstSeen: count, cordoned: fc.boolean(), draining: fc.boolean() },
  away: fc.option(fc.constantFrom('left' as const, 'evicted' as const)),
  metadata: fc.dictionary(text, fc.option(text)),
});
const state: fc.Arbitrary<UnitState> = fc.record({
  ...{ unit: text, machine: text, hash: text, load: text, active: text, sub: text, reason: text },
  ...{
    reached: fc.constantFrom('loaded' as const, 'launched' as const),
    since: count,
    exit: fc.option(text),
  },
  ...{ autoRestarts: count, heard: count },
});
const service: fc.Arbitrary<ServiceEntry> = fc.record({
  ...{ service: text, unit: text, machine: text, host: text, port: count },
});
const unit: fc.Arbitrary<UnitFile> = fc.record({
  options: fc.array(fc.record({ section: text, name: text, value: text })),
});

describe('records', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(machine, known, state, service, unit, count, text, (m, k, s, e, u, n, why) => {
        expect(codec.decodeMachine(m.id, codec.encodeMachine(m))).toEqual(m);
        expect(codec.decodeKnown(k.id, codec.encodeKnown(k))).toEqual(k);
        expect(codec.decodeUnjoined(k.id, codec.encodeUnjoined(k.metadata))).toEqual(k.metadata);
        expect(codec.decodeState(s.machine, s.unit, codec.encodeState(s))).toEqual(s);
        expect(codec.decodeService(e, codec.encodeService(e))).toEqual(e);
        expect(codec.decodeContent(hashOf(u), codec.encodeContent(u))).toEqual(u);
        const record = {
          hash: why,
          target: 'loaded' as const,
          restarts: n,
          move: { assignment: n, to: why },
        };
        expect(codec.decodeUnit('a', codec.encodeUnit(record), 7)).toEqual({
          ...record,
          name: 'a',
          generation: 7,
        });
        const { move: _, ...placed } = record;
        const placement = { ...placed, why, unit: 'a', machine: 'm' };
        expect(codec.decodePlacement('m', 'a', codec.encodePlacement(placement), 5, 7)).toEqual({
          ...{ ...placement, fence: 5, revision: 7 },
        });
        const assigned = { machine: why, stopBoundMs: n, failedOn: [why] };
        const written = codec.encodeAssigned({ ...assigned, fence: n });
        expect(codec.decodeAssigned('a', written, 5, 7)).toEqual({
          ...{ unit: 'a', ...assigned, created: 5, revision: 7 },
        });
        for (const leader of [why, null].map((frozen) => ({ machine: why, frozen })))
          expect(codec.decodeLeader(codec.encodeLeader(leader), n)).toEqual({ ...leader, term: n });
        const cluster = { id: why, format: n };
        expect(codec.decodeCluster(codec.encodeCluster(cluster))).toEqual(cluster);
      }),
      seeded(),
    );
  });

  it('of a later minor version are read without their new fields', () => {
    const json = JSON.stringify({ v: 1.5, hash: 'h', target: 'loaded', restarts: 0, later: true });
    expect(codec.decodeUnit('a', json, 1)).toEqual({
      ...{ name: 'a', hash: 'h', target: 'loaded', restarts: 0, move: null, generation: 1 },
    });
  });

  it('of a higher major format are refused by name, even if they look right', () => {
    const json = JSON.stringify({ v: 2, hash: 'h', target: 'loaded', restarts: 0 });
    expect(() => codec.decodeUnit('a.service', json, 1)).toThrow(/units\/a\.service has format 2/);
  });

  it.each([
    '',
    'null',
    '[]',
    '{}',
    '{"v":1}',
    '{"v":"1","hash":"h"}',
    '{"v":1,"hash":1,"target":"x","restarts":-1}',
  ])('that cannot be read say which they are: %s', (json) => {
    expect(() => codec.decodeUnit('a.service', json, 1)).toThrow(/units\/a\.service cannot be read/);
  });

  it('contents are what their hash says', () => {
    const other = codec.encodeContent({ options: [] });
    expect(() => codec.decodeContent('abc', other)).toThrow(/contents\/abc holds another content/);
  });
});
