import { messageOf } from '../runtime/errors.js';
import { type Context, command } from './command.js';
import { MachineNames } from './machine-names.js';
import { selectUnits } from './select.js';

/** From then on it is said what is waited for. */
const SILENT_MS = 2_000;

export const reload = command({
  options: {},
  examples: ['convoyctl reload web.service', "convoyctl reload 'web@*'"],
  run: async (context, args) => {
    if (args.length === 0) {
      context.err('No units given');
      return 0;
    }
    const names = new MachineNames(context.api);
    let code = 0;
    for (const unit of (await selectUnits(context, args, { templates: false })).names) {
      try {
        const machines = await patiently(context, unit);
        const where = await Promise.all(machines.map((machine) => names.short(machine)));
        context.out(`Unit ${unit} reloaded on ${where.join(', ')}`);
      } catch (error) {
        context.err(`Error reloading units: ${messageOf(error)}`);
        code = 1;
      }
    }
    return code;
  },
});

async function patiently({ api, clock, err }: Context, unit: string): Promise<readonly string[]> {
  const done = new AbortController();
  clock.sleep(SILENT_MS, done.signal).then(
    () => err(`Waiting for unit ${unit} to reload: its ExecReload has not ended yet`),
    () => undefined,
  );
  try {
    return await api.reloadUnit(unit);
  } finally {
    done.abort();
  }
}
