import * as v from 'valibot';
import { ConvoyError } from '../runtime/errors.js';
import { LOG_OUTPUTS, type LogOptions, sinceProblem } from '../units/unit-log.js';
import type { ApiContext } from './context.js';
import { operation, resource, stream } from './operation.js';
import { passOn, refusalOf } from './pass-on.js';
import { type Call, type Route, refuse } from './route.js';
import { wholeNumber } from './schemas.js';
import { readUnit } from './units.js';
import { isGlobal } from './wire.js';

const MOST_LINES = 100_000;

/** Of the last lines, unless `lines` or `since` asks for others. */
const FEW_LINES = 10;

const query = {
  lines: v.optional(
    wholeNumber(MOST_LINES, `How many of the last; ${FEW_LINES} if \`since\` is not given either.`),
  ),
  follow: v.optional(v.picklist(['true', 'false']), 'false'),
  output: v.optional(v.picklist(LOG_OUTPUTS)),
  since: v.optional(
    v.pipe(
      v.string(),
      v.rawCheck(({ dataset, addIssue }) => {
        const problem = dataset.typed ? sinceProblem(dataset.value) : null;
        if (problem !== null) addIssue({ message: problem });
      }),
      v.description('Nothing older, as journalctl reads times: `2026-11-20 18:00`, `yesterday`, `-1h`.'),
    ),
  ),
  machine: v.optional(
    v.pipe(v.string(), v.description('An id or the beginning of one: for a unit that runs on several.')),
    '',
  ),
};

/** `/v1/units/NAME/log`: the unit's output as text, from whichever machine has it. */
export function unitLogRoutes(context: ApiContext): Route[] {
  const read = operation({
    id: 'readLog',
    summary: 'The output of a unit, a line each, from whichever machine has it.',
    query,
    answer: stream('text/plain'),
    errors: ['not-found', 'not-placed', 'ambiguous', 'machine-gone', 'machine-unreachable'],
    handle: (call, { query: { machine, lines, follow, output, since } }) =>
      readLog(context, call, machine, {
        lines: lines ?? (since === undefined ? FEW_LINES : null),
        follow: follow === 'true',
        output: output ?? null,
        since: since ?? null,
      }),
  });
  return [resource('/v1/units/:name/log', { GET: read })];
}

/** `asked`: an id or the beginning of one; empty: whichever. */
async function readLog(
  context: ApiContext,
  call: Call,
  asked: string,
  options: LogOptions,
): Promise<AsyncIterable<string>> {
  const view = await readUnit(context, call);
  const { name } = view.record;
  const holders = view.states.map((state) => state.machine);
  const matching = holders.filter((id) => id.startsWith(asked));
  const placed = isGlobal(view.record) || asked !== '' ? undefined : view.machine;
  const machine = matching.length === 1 ? matching[0] : placed;
  if (machine === undefined || machine === null) {
    if (matching.length > 1)
      throw refuse(400, 'ambiguous', `unit ${name} runs on ${matching.length} machines: say which one`);
    const where = asked === '' ? 'anywhere' : `on a machine ${asked}`;
    throw refuse(409, 'not-placed', `unit ${name} is not loaded ${where}`);
  }
  if (machine === context.machineId) return refusing(context.localLog(name, options, call.ending));
  if (call.passedOn) throw refuse(409, 'not-placed', `unit ${name} is not on this machine`);

  const { machines } = await context.registry.readMachines(call.signal);
  const holder = machines.find(({ id }) => id === machine);
  if (holder === undefined) throw refuse(404, 'machine-gone', `machine ${machine} of unit ${name} is gone`);
  const answer = await passOn(call, holder, { patient: true });
  if (answer.status === 200) return answer.lines;
  throw refusalOf(answer.status, await answer.json());
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
