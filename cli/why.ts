import type { UnitExplanation } from '../api/schemas.js';
import type { UnitState } from '../registry/model.js';
import { ConvoyError, UsageError } from '../runtime/errors.js';
import { type Context, command } from './command.js';
import { describeState, indented } from './goals.js';
import { MachineNames } from './machine-names.js';
import { selectUnits } from './select.js';
import { formatTable } from './table.js';
import { whyHere } from './why-text.js';

/** So many lines of its output, where a unit does not run. */
const LOG_LINES = 5;

export const why = command({
  options: {},
  examples: ['convoyctl why web.service', "convoyctl why 'web@*'"],
  run: async (context, args) => {
    if (args.length === 0) throw new UsageError('which unit? (see convoyctl list-unit-files)');
    const names = new MachineNames(context.api);
    let code = 0;
    const units = (await selectUnits(context, args, { templates: true })).names;
    for (const [at, name] of units.entries()) {
      if (at > 0) context.out('');
      const found = await context.api.why(name);
      if (found !== null) await explain(context, found, names);
      else {
        context.err(`Unit ${name} does not exist.`);
        code = 1;
      }
    }
    return code;
  },
});

async function explain(context: Context, found: UnitExplanation, names: MachineNames): Promise<void> {
  const { unit, target, global, pending, machines } = found;
  context.out(`${unit}: ${target} is wanted${global ? ', on every machine that may run it' : ''}`);
  if (pending !== null) context.out(pending);
  const rows = await Promise.all(
    machines.map(async (row) => [
      await names.short(row.machine),
      row.placed === null ? 'no' : 'yes',
      whyHere(found, row),
    ]),
  );
  if (target !== 'inactive' && rows.length > 0)
    await context.write(formatTable([['MACHINE', 'HERE', 'WHY'], ...rows]));
  for (const { machine, state } of machines)
    if (state !== null) await tellState(context, state, await names.short(machine));
}

/** How it is on one machine; of one that does not run, the end of its output. */
async function tellState(context: Context, state: UnitState, machine: string): Promise<void> {
  context.out(`On ${machine}: ${describeState(state)}`);
  if (state.active === 'active') return;
  const [, ...told] = state.reason.split('\n');
  const lines = told.length > 0 ? told : await lastLines(context, state);
  for (const line of lines) context.out(indented(line));
}

async function lastLines({ api, err }: Context, { unit, machine }: UnitState): Promise<string[]> {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of await api.log(unit, { lines: LOG_LINES, follow: false, machine }))
      chunks.push(chunk);
  } catch (error) {
    if (!(error instanceof ConvoyError)) throw error;
    err(`No output: ${error.message}`);
  }
  return Buffer.concat(chunks).toString('utf8').split('\n').filter(Boolean);
}
