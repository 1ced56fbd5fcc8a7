import type { ApiContext } from './context.js';
import { passOn } from './pass-on.js';
import { type Call, type Reply, type Route, refuse } from './route.js';
import { readUnit } from './units.js';
import { isGlobal } from './wire.js';

const MOST_LINES = 100_000;

/**
 * `/v1/units/NAME/log?lines=&follow=&machine=`: the unit's output as text, from whichever machine has it. A
 * global runs on several: `machine` (id or the beginning of one) says which.
 */
export function unitLogRoutes(context: ApiContext): Route[] {
  return [
    {
      dialect: 'native',
      path: '/v1/units/:name/log',
      otherMethods: 'a log can only be read (GET)',
      methods: { GET: (call) => readLog(context, call) },
    },
  ];
}

async function readLog(context: ApiContext, call: Call): Promise<Reply> {
  const options = { lines: linesOf(call.query), follow: followOf(call.query) };
  const view = await readUnit(context, call);
  const { name } = view.record;
  const holders = view.states.map((state) => state.machine);
  const asked = call.query.get('machine') ?? '';
  const matching = holders.filter((id) => id.startsWith(asked));
  const placed = isGlobal(view.record) || asked !== '' ? undefined : view.machine;
  const machine = matching.length === 1 ? matching[0] : placed;
  if (machine === undefined || machine === null) {
    if (matching.length > 1)
      throw refuse(400, 'ambiguous', `unit ${name} runs on ${matching.length} machines: say which one`);
    const where = asked === '' ? 'anywhere' : `on a machine ${asked}`;
    throw refuse(404, 'not-placed', `unit ${name} is not loaded ${where}`);
  }
  if (machine === context.machineId)
    return { status: 200, lines: context.localLog(name, options, call.signal) };
  if (call.passedOn) throw refuse(404, 'not-placed', `unit ${name} is not on this machine`);

  const { machines } = await context.registry.readMachines(call.signal);
  const holder = machines.find(({ id }) => id === machine);
  if (holder === undefined) throw refuse(404, 'machine-gone', `machine ${machine} of unit ${name} is gone`);
  const answer = await passOn(call, holder, { patient: true });
  return answer.status === 200
    ? { status: 200, lines: answer.lines }
    : { status: answer.status, json: await answer.json() };
}

function linesOf(query: URLSearchParams): number {
  const text = query.get('lines') ?? '10';
  const lines = Number(text);
  if (!/^\d+$/.test(text) || lines > MOST_LINES)
    throw refuse(400, 'bad-query', `lines: expected a whole number from 0 to ${MOST_LINES}, got "${text}"`);
  return lines;
}

function followOf(query: URLSearchParams): boolean {
  const text = query.get('follow') ?? 'false';
  if (text !== 'true' && text !== 'false')
    throw refuse(400, 'bad-query', `follow: expected true or false, got "${text}"`);
  return text === 'true';
}
