/**
 * The scheduler alone, in memory: first placement of everything, and a pass with nothing to do. The clusters are
 * those the original fleet was measured with (docs: 2-core machine, its placements a second given for orientation).
 */

import type { ClusterSnapshot, Machine, UnitRecord } from '../../registry/model.js';
import { apply } from '../../scheduler/decision.js';
import { place } from '../../scheduler/place.js';
import { hashOf, type UnitFile, type UnitOption } from '../../units/unit-file.js';

interface Case {
  readonly machines: number;
  readonly units: number;
  readonly what: string;
  readonly options: (index: number) => readonly UnitOption[];
  readonly globals?: number;
  /** fleet 1.0, placements a second. */
  readonly fleet: number | null;
}

const fleetOption = (name: string, value: string): UnitOption => ({ section: 'X-Fleet', name, value });
const none = (): readonly UnitOption[] => [];

const CASES: readonly Case[] = [
  { machines: 10, units: 100, what: 'plain', options: none, fleet: 8516 },
  {
    machines: 100,
    units: 1000,
    what: 'metadata',
    options: (at) => [fleetOption('MachineMetadata', `az=${at % 3}`)],
    fleet: 2004,
  },
  {
    machines: 100,
    units: 1000,
    what: 'conflicts of 50',
    options: (at) => [fleetOption('Conflicts', `g${at % 20}-*`)],
    fleet: 4419,
  },
  { machines: 1000, units: 1000, what: 'plain', options: none, fleet: 506 },
  { machines: 100, units: 3000, what: 'plain', options: none, fleet: 1285 },
  { machines: 100, units: 1000, what: '+10 globals', options: none, globals: 10, fleet: 50 },
  { machines: 1000, units: 10_000, what: 'plain', options: none, fleet: null },
];

console.log('machines  units  what              first ms   placed/s   idle pass ms   x fleet 1.0');
for (const each of CASES) {
  const empty = cluster(each);
  const first = timed(() => place(empty));
  const placed = first.result.decisions.reduce(apply, empty);
  const idle = timed(() => place(placed));
  if (idle.result.decisions.length > 0) throw new Error('a second pass decided something');
  const rate = each.units / (first.ms / 1000);
  console.log(
    [
      String(each.machines).padStart(8),
      String(each.units).padStart(6),
      ` ${each.what.padEnd(16)}`,
      first.ms.toFixed(0).padStart(9),
      rate.toFixed(0).padStart(10),
      idle.ms.toFixed(0).padStart(14),
      (each.fleet === null ? '-' : (rate / each.fleet).toFixed(1)).padStart(13),
    ].join(' '),
  );
}

function timed<T>(run: () => T): { result: T; ms: number } {
  const start = performance.now();
  const result = run();
  return { result, ms: performance.now() - start };
}

function cluster({ machines, units, options, globals = 0 }: Case): ClusterSnapshot {
  const records = new Map<string, UnitRecord>();
  const add = (name: string, extra: readonly UnitOption[]): void => {
    const unit: UnitFile = {
      options: [{ section: 'Service', name: 'ExecStart', value: '/bin/sleep 1d' }, ...extra],
    };
    records.set(name, {
      name,
      unit,
      hash: hashOf(unit),
      target: 'launched',
      restarts: 0,
      move: null,
      generation: 1,
    });
  };
  for (let at = 0; at < units; at += 1) add(`g${at % 20}-${at}.service`, options(at));
  for (let at = 0; at < globals; at += 1) add(`global-${at}.service`, [fleetOption('Global', 'true')]);
  const live = new Map<string, Machine>();
  for (let at = 0; at < machines; at += 1) {
    const id = at.toString(16).padStart(32, '0');
    live.set(id, {
      id,
      ip: '127.0.0.1',
      metadata: { az: `${at % 3}` },
      apiAddress: '',
      version: '0',
      bootId: '',
    });
  }
  return {
    revision: 1,
    units: records,
    machines: live,
    known: new Map(),
    assigned: new Map(),
    placements: new Map(),
    states: new Map(),
  };
}
