import { UsageError } from '../runtime/errors.js';
import { type Command, command } from './command.js';
import { completionScript, SHELLS } from './completion-scripts.js';

const completion = command({
  name: 'completion',
  arguments: '<shell>',
  summary: `print what makes ${SHELLS.join(', ')} complete commands, units and machines`,
  options: {},
  examples: [
    'source <(convoyctl completion bash)',
    'convoyctl completion bash >/etc/bash_completion.d/convoyctl',
    'convoyctl completion zsh >/usr/local/share/zsh/site-functions/_convoyctl',
    'convoyctl completion fish >~/.config/fish/completions/convoyctl.fish',
  ],
  run: async (context, [name]) => {
    const shell = SHELLS.find((one) => one === name);
    if (shell === undefined)
      throw new UsageError(`completion is for ${SHELLS.join(', ')}, not for "${name}"`);
    await context.write(completionScript(shell, context.fleet ? 'fleetctl' : 'convoyctl'));
    return 0;
  },
});

export const completionCommands: readonly Command[] = [completion];
