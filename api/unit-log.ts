import { ConvoyError } from '../runtime/errors.js';
import { LOG_OUTPUTS, type LogOptions, sinceProblem } from '../units/unit-log.js';
import type { ApiContext } from './context.js';
import { passOn } from './pass-on.js';
import { type Call, type Reply, type Route, refuse } from './route.js';
import { readUnit } from './units.js';
import { isGlobal } from './wire.js';

const MOST_LINES = 100_000;

/** Of the last lines, unless `lines` or `since` asks for others. */
const FEW_LINES = 10;

/**
 * `/v1/units/NAME/log?lines=&follow=&machine=&output=&since=`: the unit's output as text, from whichever machine has
 * it. A global runs on several: `machine` (id or the beginning of one) says which.
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
  const options = optionsOf(call.query);
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
    return { status: 200, lines: refusing(context.localLog(name, options, call.signal)) };
  if (call.passedOn) throw refuse(404, 'not-placed', `unit ${name} is not on this machine`);

  const { machines } = await context.registry.readMachines(call.signal);
  const holder = machines.find(({ id }) => id === machine);
  if (holder === undefined) throw refuse(404, 'machine-gone', `machine ${machine} of unit ${name} is gone`);
  const answer = await passOn(call, holder, { patient: true });
  return answer.status === 200
    ? { status: 200, lines: answer.lines }
    : { status: answer.status, json: await answer.json() };
}

/** What the unit manager refuses was asked wrongly. */
async function* refusing(lines: AsyncIterable<string>): AsyncIterable<string> {
  try {
    yield* lines;
  } catch (error) {
    if (error instanceof ConvoyError && error.code === 'refused')
      throw refuse(400, 'bad-query', error.message);
    throw error;
  }
}

function optionsOf(query: URLSearchParams): LogOptions {
  const since = query.get('since');
  const problem = since === null ? null : sinceProblem(since);
  if (problem !== null) throw refuse(400, 'bad-query', `since: ${problem}`);
  return {
    lines: linesOf(query) ?? (since === null ? FEW_LINES : null),
    follow: oneOf(query, 'follow', ['true', 'false']) === 'true',
    output: oneOf(query, 'output', LOG_OUTPUTS),
    since,
  };
}

function linesOf(query: URLSearchParams): number | null {
  const text = query.get('lines');
  if (text === null) return null;
  const lines = Number(text);
  if (!/^\d+$/.test(text) || lines > MOST_LINES)
    throw refuse(400, 'bad-query', `lines: expected a whole number from 0 to ${MOST_LINES}, got "${text}"`);
  return lines;
}

function oneOf<const Choice extends string>(
  query: URLSearchParams,
  key: string,
  choices: readonly Choice[],
): Choice | null {
  const text = query.get(key);
  if (text !== null && !choices.includes(text as Choice))
    throw refuse(400, 'bad-query', `${key}: expected ${choices.join(' or ')}, got "${text}"`);
  return text as Choice | null;
}
