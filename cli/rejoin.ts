import { parseSwitch } from '../runtime/options.js';
import { command } from './command.js';
import { shortId } from './machine-label.js';

export const rejoin = command({
  options: {
    accept: {
      flag: '--accept',
      help: 'take that registry for the right one',
      parse: parseSwitch,
      default: false,
    },
  },
  examples: ['convoyctl rejoin', 'convoyctl rejoin --accept'],
  run: async (context, _args, options) => {
    const { machine, hold } = await context.api.hold();
    const name = shortId(machine);
    if (options.accept) {
      const { clusterId, revision } = await context.api.accept();
      context.out(`Machine ${name} now belongs to cluster ${clusterId}, accepted at revision ${revision}`);
      return 0;
    }
    if (hold === null) {
      context.out(`Machine ${name} does not hold: there is nothing to accept`);
      return 0;
    }
    context.err(
      `Machine ${name} holds: ${hold}\n` +
        'Its units go on as they are; none is started, stopped or moved. If etcd comes back as it was, this ends by itself.\n' +
        'If what etcd has now is right, say so with "convoyctl rejoin --accept" on each machine that holds: from then on\n' +
        'this machine does what that registry says, and stops those of its units that are not in it.',
    );
    return 1;
  },
});
