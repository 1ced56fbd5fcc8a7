/**
 * The language of the scripts. Machines are named by their ids; a name longer than eight characters is shown short.
 *
 *     machine add NAME... [KEY=VALUE...]   hosts with a convoyd; the first one added leads
 *     machine clone NAME AS                another host with the same machine id
 *     machine kill|boot NAME               power cut: no leave, units gone; power is back
 *     machine cut|heal NAME|all            the registry is out of reach, everything on the host goes on
 *     convoyd kill|start NAME              SIGKILL, units go on; started again on whatever runs
 *     convoyd freeze|thaw NAME             SIGSTOP, SIGCONT
 *     convoyd stop NAME [drain]            SIGTERM
 *     kill leader [after N]                kills the convoyd that leads, now or when its next commit is N decisions far
 *     hold NAME|all WHY...                 the registry that is reached is not the one known before
 *     accept NAME|all                      the operator says it is the right one
 *     unit submit|load|start NAME...       with the unit's text below, if it is new or changes; text without a
 *                                          [Service] section gets one that runs until it is ended
 *     unit stop|unload|restart|destroy NAME...
 *     unit unchecked NAME...               started by a writer that checks nothing
 *     unit end NAME exit CODE | signal SIG [on MACHINE]
 *     stops hang|go UNIT MACHINE           stopping this unit there takes until `go`
 *     loads fail|go UNIT MACHINE           loading this unit there fails until `go`, as with a full disk
 *     manager away|back MACHINE            its unit manager does not answer; it goes on
 *     cordon|uncordon|drain|evict MACHINE
 *     metadata MACHINE KEY=VALUE|KEY=...   what the operator lays over the machine's own; `KEY=` hides the key
 *     move UNIT [MACHINE]
 *     rebalance                            makes the moves that `show rebalance` plans
 *     tick 5s                              time passes
 *     mark                                 `show log` and `show calls` show what comes after this
 *     show units|machines|running|leader|refusals|agents|rebalance|log|calls
 *
 * A command whose wish is refused prints `refused: ` and the reason. Every command lets the cluster come to rest
 * before the next; only `tick` lets time pass.
 */
import { messageOf } from '../../runtime/errors.js';
import { parseDuration } from '../../runtime/options.js';
import { planRebalance } from '../../scheduler/rebalance.js';
import type { ScriptedMachine } from './machine.js';
import { asked, Refused, type Run } from './run.js';
import type { Scenario } from './scenario.js';
import type { Command } from './script.js';
import { SHOWS } from './show.js';
import { UNIT_COMMANDS } from './unit-commands.js';

/** Runs a command to its end; answers what it prints. Throws for what is not a command. */
export async function perform(scenario: Scenario, { words, text, line }: Command): Promise<string[]> {
  const [first = '', second = ''] = words;
  const two = COMMANDS[`${first} ${second}`];
  const run = two ?? COMMANDS[first];
  if (first === 'show') return show(scenario, words.slice(1));
  if (run === undefined) throw new Error(`line ${line}: there is no command ${words.join(' ')}`);
  try {
    await run(scenario, words.slice(two === undefined ? 1 : 2), text);
    return [];
  } catch (error) {
    if (error instanceof Refused) return error.message.split('\n').map((reason) => `refused: ${reason}`);
    throw new Error(`line ${line}: ${words.join(' ')}: ${messageOf(error)}`, { cause: error });
  } finally {
    await scenario.settle();
  }
}

const COMMANDS: Readonly<Record<string, Run>> = {
  async 'machine add'(scenario, args) {
    const [names, pairs] = [
      args.filter((arg) => !arg.includes('=')),
      args.filter((arg) => arg.includes('=')),
    ];
    for (const name of names) await scenario.addMachine(name, name, Object.fromEntries(pairs.map(pairOf)));
  },
  async 'machine clone'(scenario, [name = '', as = '']) {
    await scenario.addMachine(as, scenario.machine(name).id, {});
  },
  'machine kill': (scenario, [name = '']) => scenario.machine(name).powerCut(),
  'machine boot': (scenario, [name = '']) => scenario.machine(name).boot(),
  'machine cut': (scenario, args) => each(scenario, args, (machine) => machine.cut(true)),
  'machine heal': (scenario, args) => each(scenario, args, (machine) => machine.cut(false)),
  'convoyd kill': (scenario, [name = '']) => scenario.machine(name).kill(),
  'convoyd start': (scenario, [name = '']) => scenario.machine(name).start(),
  'convoyd freeze': (scenario, [name = '']) => scenario.machine(name).freeze(),
  'convoyd thaw': (scenario, [name = '']) => scenario.machine(name).thaw(),
  'convoyd stop': (scenario, [name = '', drain]) => scenario.machine(name).stop(drain === 'drain'),
  'kill leader'(scenario, [after, decisions]) {
    const leader = scenario.machine(scenario.leader()?.name ?? '');
    if (after === 'after') leader.killAfter(Number(decisions));
    else leader.kill();
  },
  hold: (scenario, [name = '', ...why]) =>
    each(scenario, [name], (machine) => machine.setHold(why.join(' '))),
  accept: (scenario, args) => asked(() => each(scenario, args, (machine) => machine.accept())),

  ...UNIT_COMMANDS,
  'stops hang': (scenario, [unit = '', name = '']) => scenario.machine(name).units.holdStop(unit),
  'stops go': (scenario, [unit = '', name = '']) => scenario.machine(name).units.letStop(unit),
  'loads fail': (scenario, [unit = '', name = '']) => scenario.machine(name).units.holdLoad(unit),
  'loads go': (scenario, [unit = '', name = '']) => scenario.machine(name).units.letLoad(unit),
  'manager away': (scenario, [name = '']) => scenario.machine(name).units.cut(),
  'manager back': (scenario, [name = '']) => scenario.machine(name).units.restore(),

  cordon: (scenario, [name = '']) => asked(() => change(scenario, name, { cordoned: true })),
  uncordon: (scenario, [name = '']) =>
    asked(() => change(scenario, name, { cordoned: false, draining: false })),
  drain: (scenario, [name = '']) => asked(() => change(scenario, name, { cordoned: true, draining: true })),
  evict: (scenario, [name = '']) => asked(() => scenario.operator.evictMachine(idOf(scenario, name))),
  metadata: (scenario, [name = '', ...pairs]) =>
    asked(() =>
      change(scenario, name, {
        metadata: Object.fromEntries(
          pairs.map(pairOf).map(([key, value]) => [key, value === '' ? null : value]),
        ),
      }),
    ),
  move: (scenario, [unit = '', to]) =>
    asked(() => scenario.operator.requestMove(unit, to === undefined ? null : idOf(scenario, to))),
  async rebalance(scenario) {
    for (const { unit, to } of planRebalance(await scenario.snapshot()))
      await asked(() => scenario.operator.requestMove(unit, to));
  },

  mark(scenario) {
    scenario.takeLog();
    scenario.takeCalls();
  },
  tick: (scenario, [time = '']) => scenario.tick(parseDuration(time)),
};

async function show(scenario: Scenario, whats: readonly string[]): Promise<string[]> {
  const printed: string[] = [];
  for (const what of whats) {
    const printer = SHOWS[what];
    if (printer === undefined) throw new Error(`there is no ${what} to show`);
    printed.push(...(await printer(scenario)));
  }
  return printed;
}

async function each(
  { machines }: Scenario,
  [name = '']: readonly string[],
  call: (machine: ScriptedMachine) => Promise<void> | void,
): Promise<void> {
  const found = name === 'all' ? [...machines.values()] : [machines.get(name)];
  for (const machine of found) {
    if (machine === undefined) throw new Error(`there is no machine ${name}`);
    await call(machine);
  }
}

/** A machine of the script, or an id that no machine ever had. */
function idOf({ machines }: Scenario, name: string): string {
  return machines.get(name)?.id ?? name;
}

function change(
  scenario: Scenario,
  name: string,
  wish: Parameters<Scenario['operator']['changeMachine']>[1],
): Promise<void> {
  return scenario.operator.changeMachine(idOf(scenario, name), wish);
}

function pairOf(text: string): [key: string, value: string] {
  const at = text.indexOf('=');
  return [text.slice(0, at), text.slice(at + 1)];
}
