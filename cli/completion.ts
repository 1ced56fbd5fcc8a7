import { UsageError } from '../runtime/errors.js';
import { command } from './command.js';
import { completionScript, SHELLS } from './completion-scripts.js';

export const completion = command({
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
