import { existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import type { ManagedUnit, UnitManager } from '../../../agent/unit-manager.js';
import { type Clock, systemClock } from '../../../runtime/clock.js';
import { unitOf } from '../../contracts/unit-manager.js';
import { useGround } from '../../support/services.js';
import { openSupervisor } from '../../support/supervisor.js';
import { until } from '../../support/until.js';

/** A supervisor of its own for each test, and what tests ask it. */
export interface SupervisorKit {
  readonly dir: string;
  readonly clock: Clock;
  readonly manager: UnitManager;
  /** After the manager was closed. */
  reopen(): Promise<void>;
  load(name: string, service: string, unit?: string): Promise<void>;
  loadBound(name: string, service: string): Promise<void>;
  start(name: string): Promise<void>;
  find(name: string): Promise<ManagedUnit>;
  untilUnit(name: string, what: string, holds: (state: ManagedUnit) => boolean): Promise<ManagedUnit>;
  /** A file for units to write to. */
  file(name: string): string;
  linesOf(name: string): string[];
  /** The last number in a file, as soon as there is one. */
  pidIn(name: string): Promise<number>;
}

export function useSupervisor(name: string): SupervisorKit {
  const ground = useGround(name);
  let dir: string;
  let manager: UnitManager;
  const clock = systemClock();
  beforeEach(async () => {
    dir = mkdtempSync(join(ground.dir, 'run-'));
    mkdirSync(join(dir, 'root', 'run'), { recursive: true });
    manager = await openSupervisor(ground, dir, clock);
  });
  afterEach(async () => {
    for (const { name: unit } of await manager.list()) await manager.unload(unit);
    await manager.close();
  });
  const file = (path: string): string => join(dir, path);
  const linesOf = (path: string): string[] =>
    existsSync(file(path)) ? readFileSync(file(path), 'utf8').split('\n').slice(0, -1) : [];
  const find = async (unit: string): Promise<ManagedUnit> =>
    (await manager.list()).find((other) => other.name === unit) as ManagedUnit;
  return {
    get dir() {
      return dir;
    },
    clock,
    get manager() {
      return manager;
    },
    async reopen() {
      manager = await openSupervisor(ground, dir, clock);
    },
    load: (unit, service, about) => manager.load(unitOf(unit, service, about)),
    loadBound: (unit, service) => manager.load({ ...unitOf(unit, service), leaseBound: true }),
    start: (unit) => manager.start(unit, { environment: {}, restarts: 0 }),
    find,
    untilUnit: (unit, what, holds) =>
      until(`${unit} ${what}`, async () => {
        const state = await find(unit);
        return holds(state) ? state : undefined;
      }),
    file,
    linesOf,
    pidIn: (path) =>
      until(`a pid in ${path}`, () => (linesOf(path).length > 0 ? Number(linesOf(path).at(-1)) : undefined)),
  };
}

/** A command for /bin/sh, which must be free of single quotes. */
export const sh = (script: string): string => `/bin/sh -c '${script}'`;
