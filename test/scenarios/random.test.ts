import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { messageOf } from '../../runtime/errors.js';
import { seeded } from '../support/seed.js';
import { perform } from './commands.js';
import { Scenario } from './scenario.js';
import { parseScript } from './script.js';

/** A stop takes nearly as long as the units with OnPartition=stop say it may. */
const STOP_MS = 4900;
const MACHINES = ['a', 'b', 'c', 'd'] as const;
const SINGLE = [
  '    [Service]',
  '    ExecStart=/bin/server',
  '    Restart=always',
  '    TimeoutStopSec=5s',
  '    [X-Convoy]',
  '    OnPartition=stop',
];
const TEXTS: Readonly<Record<string, readonly string[]>> = {
  'single-1.service': SINGLE,
  'single-2.service': [...SINGLE, '    Require=disk=ssd'],
  'plain.service': [],
  'greedy.service': ['    [X-Fleet]', '    Conflicts=single-*.service'],
  'global.service': ['    [X-Fleet]', '    Global=true'],
};
const UNITS = Object.keys(TEXTS);

const anyMachine = fc.constantFrom(...MACHINES);
const anyUnit = fc.constantFrom(...UNITS);
const step = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(0.2, 0.7, 1.5, 3, 4, 6, 9, 13).map((s) => ['tick', `${s}s`]) },
  { weight: 6, arbitrary: fc.tuple(fc.constantFrom('cut', 'kill', 'die', 'freeze', 'hold'), anyMachine) },
  { weight: 4, arbitrary: fc.tuple(fc.constant('mend'), anyMachine) },
  {
    weight: 4,
    arbitrary: fc.tuple(fc.constantFrom('start', 'start', 'stop', 'unload', 'destroy', 'restart'), anyUnit),
  },
  { weight: 2, arbitrary: fc.tuple(fc.constant('move'), anyUnit, anyMachine) },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom('drain', 'uncordon'), anyMachine) },
);

const WHAT_MENDS = {
  cut: (machine: string) => `machine heal ${machine}`,
  kill: (machine: string) => `machine boot ${machine}`,
  die: (machine: string) => `convoyd start ${machine}`,
  freeze: (machine: string) => `convoyd thaw ${machine}`,
  hold: (machine: string) => `accept ${machine}`,
};
const WHAT_HURTS = {
  cut: 'machine cut',
  kill: 'machine kill',
  die: 'convoyd kill',
  freeze: 'convoyd freeze',
  hold: 'hold',
};

/** Steps -> a script in which each machine has one trouble at a time, and none in the end. */
function scriptOf(steps: readonly (readonly string[])[]): string {
  const lines = ['machine add a b', 'machine add c d disk=ssd'];
  const troubles = new Map<string, keyof typeof WHAT_MENDS>();
  const mend = (machine: string): void => {
    const trouble = troubles.get(machine);
    if (trouble !== undefined) lines.push(WHAT_MENDS[trouble](machine));
    troubles.delete(machine);
  };
  const start = (unit: string): void => void lines.push(`unit start ${unit}`, ...(TEXTS[unit] ?? []));
  for (const unit of UNITS) start(unit);
  for (const [what = '', which = '', where = ''] of steps) {
    if (what === 'tick') lines.push(`tick ${which}`);
    else if (what === 'mend') mend(which);
    else if (what === 'start') start(which);
    else if (what === 'move') lines.push(`move ${which} ${where}`);
    else if (what === 'drain' || what === 'uncordon') lines.push(`${what} ${which}`);
    else if (what in WHAT_HURTS) {
      const trouble = what as keyof typeof WHAT_HURTS;
      if (!troubles.has(which)) lines.push(`${WHAT_HURTS[trouble]} ${which}`);
      if (!troubles.has(which)) troubles.set(which, trouble);
    } else lines.push(`unit ${what} ${which}`);
  }
  for (const machine of MACHINES) {
    mend(machine);
    lines.push(`uncordon ${machine}`);
  }
  return `${[...lines, 'tick 2m', 'mark', 'tick 1m', 'show calls log', 'show running'].join('\n')}\n`;
}

/** Everything that is to run runs where it is placed, nothing else runs anywhere. */
async function whatIsWrong(scenario: Scenario): Promise<string[]> {
  const { units, assigned, placements } = await scenario.snapshot();
  const wanted = [...placements].flatMap(([machine, rows]) =>
    [...rows.values()].flatMap(({ unit, target }) =>
      target === 'launched' ? [`${unit} on ${machine}`] : [],
    ),
  );
  const there: string[] = [];
  for (const [name, machine] of scenario.machines)
    for (const { name: unit, active } of await machine.units.manager().list())
      if (active === 'active') there.push(`${unit} on ${name}`);
  const lacking = [...units.values()].filter(
    ({ name, target }) => target !== 'inactive' && name !== 'global.service' && !assigned.has(name),
  );
  const refused = scenario.leader()?.status.refusals;
  return [
    ...wanted.filter((seat) => !there.includes(seat)).map((seat) => `${seat} does not run`),
    ...there.filter((seat) => !wanted.includes(seat)).map((seat) => `${seat} runs`),
    ...lacking.filter(({ name }) => !refused?.has(name)).map(({ name }) => `${name} is nowhere, unexplained`),
  ];
}

let scenario: Scenario;
beforeEach(() => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
});
afterEach(() => vi.restoreAllMocks());

it('after any weather every unit is where it belongs, and none of those with OnPartition=stop ever ran twice', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
      const script = scriptOf(steps);
      scenario = new Scenario(STOP_MS);
      try {
        for (const command of parseScript(script).flatMap(({ commands }) => commands)) {
          const printed = await perform(scenario, command);
          if (command.words.includes('calls')) expect(printed).toEqual(['no calls', 'nothing said']);
        }
        expect(await whatIsWrong(scenario)).toEqual([]);
      } catch (error) {
        throw new Error(`${messageOf(error)}\n\n${script}`, { cause: error });
      } finally {
        await scenario.close();
      }
    }),
    seeded(6),
  );
}, 60_000);
