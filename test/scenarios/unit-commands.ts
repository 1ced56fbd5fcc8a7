import { decidePut } from '../../api/put-unit.js';
import { isRefused, isSettled } from '../../cli/goals.js';
import { messageOf, permanent } from '../../runtime/errors.js';
import { templateOf } from '../../units/name.js';
import { parse } from '../../units/parse.js';
import type { TargetState } from '../../units/state.js';
import type { UnitOption } from '../../units/unit-file.js';
import type { ScriptedMachine } from './machine.js';
import { Refused, type Run } from './run.js';
import type { Scenario } from './scenario.js';

/** What an operator does about units, with the rules of convoyctl and of the API. */
export const UNIT_COMMANDS: Readonly<Record<string, Run>> = {
  'unit submit': (scenario, names, text) => bringUp(scenario, names, text, 'inactive'),
  'unit load': (scenario, names, text) => bringUp(scenario, names, text, 'loaded'),
  'unit start': (scenario, names, text) => bringUp(scenario, names, text, 'launched'),
  'unit stop': (scenario, names) => takeDown(scenario, names, 'loaded'),
  'unit unload': (scenario, names) => takeDown(scenario, names, 'inactive'),
  'unit restart': ({ operator }, names) =>
    eachUnit(names, async (name) => {
      const view = await operator.readUnit(name);
      if (view?.record.target === 'inactive')
        throw permanent(`Unable to restart unit ${name} in state inactive`);
      await operator.requestRestart(name);
    }),
  'unit destroy': (scenario, names) =>
    eachUnit(names, async (name) => {
      if (!(await scenario.operator.destroyUnit(name))) throw permanent(`there is no unit ${name}`);
    }),
  'unit unchecked': ({ operator }, names, text) =>
    eachUnit(names, async (name) => {
      await operator.submitUnit(name, { options: optionsOf(name, text) }, 'launched');
    }),
  async 'unit end'(scenario, [unit = '', how, value = '', , on]) {
    const machines = on === undefined ? await whereActive(scenario, unit) : [scenario.machine(on)];
    const [machine] = machines;
    if (machine === undefined || machines.length > 1)
      throw new Error(`${unit} is active on ${machines.length} machines`);
    if (how === 'exit') machine.units.end(unit, { kind: 'exit', code: Number(value) });
    else machine.units.end(unit, { kind: 'signal', signal: value });
  },
};

/** One after the other; a refusal of one does not keep the others from being asked for. */
async function eachUnit(names: readonly string[], call: (name: string) => Promise<void>): Promise<void> {
  const refusals: string[] = [];
  for (const name of names)
    await call(name).catch((error) => {
      const reason = messageOf(error);
      refusals.push(reason.includes(name) ? reason : `${name}: ${reason}`);
    });
  if (refusals.length > 0) throw new Refused(refusals.join('\n'));
}

async function whereActive({ machines }: Scenario, unit: string): Promise<ScriptedMachine[]> {
  const found: ScriptedMachine[] = [];
  for (const machine of machines.values())
    for (const { name, active } of await machine.units.manager().list())
      if (name === unit && active === 'active') found.push(machine);
  return found;
}

/** As convoyctl and the API: instances are made of their template, `start` of a unit that has ended starts it. */
function bringUp(
  { operator }: Scenario,
  names: readonly string[],
  text: string,
  target: TargetState,
): Promise<void> {
  return eachUnit(names, async (name) => {
    const view = await operator.readUnit(name);
    const template = await operator.readUnit(templateOf(name) ?? name);
    const known = (view ?? template)?.record.unit.options;
    const options = known === undefined || text !== '' ? optionsOf(name, text) : known;
    const decision = decidePut(name, { name, options, desiredState: target }, view?.record ?? null);
    if (decision.kind === 'refuse') throw permanent(decision.message);
    if (decision.kind === 'submit') await operator.submitUnit(name, decision.unit, decision.target);
    else if (target === 'launched' && view?.record.target === 'launched') {
      const ended = view.states.some((state) =>
        state.reached === 'launched' ? isSettled(state) : isRefused(state),
      );
      if (ended) await operator.requestRestart(name);
    } else if (target !== 'inactive') await operator.setTargetState(name, target);
  });
}

function takeDown(
  { operator }: Scenario,
  names: readonly string[],
  target: 'inactive' | 'loaded',
): Promise<void> {
  return eachUnit(names, async (name) => {
    const view = await operator.readUnit(name);
    if (target === 'loaded' && view?.record.target === 'inactive')
      throw permanent(`Unable to stop unit ${name} in state inactive`);
    await operator.setTargetState(name, target);
  });
}

function optionsOf(name: string, text: string): readonly UnitOption[] {
  const { unit, problems } = parse(text);
  if (problems[0] !== undefined) throw permanent(`line ${problems[0].line}: ${problems[0].what}`);
  if (!name.endsWith('.service') || unit.options.some(({ section }) => section === 'Service'))
    return unit.options;
  return [...unit.options, { section: 'Service', name: 'ExecStart', value: '/bin/server' }];
}
