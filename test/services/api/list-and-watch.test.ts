import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Event } from '../../../api/event-schemas.js';
import type { MachineReport, Placement, ServiceEntry, UnitReport, UnitState } from '../../../api/schemas.js';
import { isEnd, openStream } from '../../support/event-stream.js';
import { type FakeFleet, startFakeFleet } from '../../support/fake-fleet.js';
import { seeded } from '../../support/seed.js';
import { askOver } from '../../support/unix-get.js';
import { until } from '../../support/until.js';

const MACHINES = ['a', 'b', 'c'].map((id, i) => ({ id: id.repeat(32), ip: `10.0.0.${i + 1}`, metadata: {} }));

let fleet: FakeFleet;
beforeAll(async () => {
  fleet = await startFakeFleet(MACHINES);
});
afterAll(() => fleet.stop());

/** What lists show and events tell alike, by what it is about. */
type Shown = Map<string, unknown>;

async function list<Row>(name: string): Promise<{ rows: readonly Row[]; revision: number }> {
  const { body, headers } = await askOver(fleet.socket, `/v1/${name}`);
  const rows = (JSON.parse(body) as Record<string, Row[]>)[name] ?? [];
  return { rows, revision: Number(headers['x-convoy-revision']) };
}

/** All lists, each of its own moment; `revision` is the first of these. */
async function listAll(): Promise<{ shown: Shown; revision: number }> {
  const shown: Shown = new Map();
  const units = await list<UnitReport>('units');
  for (const { record } of units.rows) {
    const { global, options, ...rest } = record;
    shown.set(`unit ${record.name}`, rest);
  }
  const placements = await list<Placement>('placements');
  for (const row of placements.rows) shown.set(`placement ${row.unit} ${row.machine}`, row);
  const states = await list<UnitState>('states');
  for (const row of states.rows) shown.set(`state ${row.unit} ${row.machine}`, row);
  const services = await list<ServiceEntry>('services');
  for (const row of services.rows) shown.set(`service ${row.service} ${row.unit} ${row.machine}`, row);
  const machines = await list<MachineReport>('machines');
  for (const { id, alive, cordoned, draining, leader } of machines.rows) {
    if (alive) shown.set(`machine ${id}`, id);
    shown.set(`known ${id}`, { cordoned, draining });
    if (leader) shown.set('leader', id);
  }
  return { shown, revision: units.revision };
}

/** Takes in an event, again if it has to be. */
function apply(shown: Shown, event: Event): void {
  const set = (key: string, value: unknown): void => {
    if (event.value === null) shown.delete(key);
    else shown.set(key, value);
  };
  switch (event.kind) {
    case 'unit':
      set(`unit ${event.unit}`, event.value);
      break;
    case 'placement':
    case 'state':
      set(`${event.kind} ${event.unit} ${event.machine}`, event.value);
      break;
    case 'service':
      set(`service ${event.service} ${event.unit} ${event.machine}`, event.value);
      break;
    case 'machine':
      set(`machine ${event.machine}`, event.machine);
      break;
    case 'known': {
      const { cordoned, draining } = event.value ?? {};
      set(`known ${event.machine}`, { cordoned, draining });
      break;
    }
    case 'leader':
      set('leader', event.value?.machine);
  }
}

/** Lists once, then watches over one cut connection after another; `stop` ends it. */
function watch(shown: Shown, after: number, cuts: readonly number[], stop: AbortSignal) {
  const sizes = [...cuts];
  let connections = 0;
  let lastId: string | undefined;
  const over = (async () => {
    while (!stop.aborted) {
      connections += 1;
      const most = sizes.shift() ?? Number.POSITIVE_INFINITY;
      const stream = await openStream(fleet.socket, `/v1/events?after=${after}`, { lastId, most });
      stop.addEventListener('abort', stream.cut, { once: true });
      if (stop.aborted) stream.cut();
      for await (const frame of stream.frames()) {
        if (isEnd(frame)) throw new Error(`the stream ended: ${JSON.stringify(frame.data)}`);
        apply(shown, frame.data as Event);
      }
      stop.removeEventListener('abort', stream.cut);
      lastId = stream.lastId();
    }
  })();
  return { over, connections: () => connections };
}

const NAMES = ['web@1.service', 'web@2.service', 'db.service', 'job.service'];
const name = fc.constantFrom(...NAMES);
const target = fc.constantFrom('inactive', 'loaded', 'launched');
const change = fc.oneof(
  fc.record({ kind: fc.constant('submit'), name, target, salt: fc.nat(3) }),
  fc.record({ kind: fc.constant('many'), target, salt: fc.nat(3) }),
  fc.record({ kind: fc.constant('destroy'), name }),
  fc.record({ kind: fc.constant('restart'), name }),
  fc.record({ kind: fc.constant('move'), name }),
  fc.record({ kind: fc.constant('cordon'), machine: fc.nat(2), cordoned: fc.boolean() }),
  fc.record({ kind: fc.constant('announce'), machine: fc.nat(2), port: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ kind: fc.constant('rest') }),
);
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

async function make(one: Change): Promise<unknown> {
  const { registry, sessions } = fleet;
  const unit = (salt: number) => ({
    options: [{ section: 'Service', name: 'ExecStart', value: `/bin/sleep ${salt}` }],
  });
  const wanted = (text: string) => text as 'inactive' | 'loaded' | 'launched';
  if ('port' in one) {
    const { machineId: machine } = sessions[one.machine]!;
    const entry = { service: 'web', unit: NAMES[0]!, machine, host: 'h', port: one.port };
    return sessions[one.machine]!.announce(one.port === 0 ? [] : [entry]);
  }
  if ('cordoned' in one) return registry.changeMachine(MACHINES[one.machine]!.id, { cordoned: one.cordoned });
  if ('salt' in one) {
    const names = 'name' in one ? [one.name] : NAMES;
    return registry.writeUnits(
      names.map((each) => ({ name: each, unit: unit(one.salt), target: wanted(one.target) })),
    );
  }
  if (!('name' in one)) return fleet.rest();
  // What is not there cannot be changed, which is no matter here.
  if (one.kind === 'destroy') return registry.destroyUnit(one.name);
  const asked =
    one.kind === 'restart' ? registry.requestRestart(one.name) : registry.requestMove(one.name, null);
  return asked.catch(() => undefined);
}

test('whoever lists once and then follows events over cut connections ends with what a list shows', async () => {
  let cut = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 25 }),
      fc.array(fc.integer({ min: 1, max: 1500 }), { minLength: 3, maxLength: 12 }),
      async (changes, cuts) => {
        const stop = new AbortController();
        const { shown, revision } = await listAll();
        const { over, connections } = watch(shown, revision, cuts, stop.signal);
        try {
          for (const one of changes) await make(one);
          await fleet.rest();
          const last = await listAll();
          const sorted = (rows: Shown): string =>
            JSON.stringify([...rows].sort(([a], [b]) => (a < b ? -1 : 1)));
          await Promise.race([
            until('what was told is what is shown', () => sorted(shown) === sorted(last.shown)),
            over,
          ]).catch(() => expect(Object.fromEntries(shown)).toEqual(Object.fromEntries(last.shown)));
        } finally {
          stop.abort();
          await over;
          cut += connections() - 1;
        }
      },
    ),
    seeded(25),
  );
  expect(cut).toBeGreaterThan(0);
});
