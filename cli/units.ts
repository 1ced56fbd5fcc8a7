import { serialize } from '../units/unit-file.js';
import { command } from './command.js';
import { selectUnits } from './select.js';
import { isGlob } from './unit-args.js';

export const cat = command({
  options: {},
  examples: ['convoyctl cat web.service', "convoyctl cat 'web@*'"],
  run: async (context, args) => {
    const [arg] = args;
    if (arg === undefined || args.length > 1) {
      context.err('One unit file must be provided');
      return 1;
    }
    const { names } = await selectUnits(context, [arg], { templates: true });
    for (const [at, name] of names.entries()) {
      const unit = await context.api.unit(name);
      if (unit === null) {
        context.err(`Unit ${name} not found`);
        return 1;
      }
      // What a pattern found is told apart by its name, in a comment.
      if (isGlob(arg)) await context.write(`${at === 0 ? '' : '\n'}# ${name}\n`);
      await context.write(serialize({ options: unit.record.options }));
    }
    return 0;
  },
});
