/** Whether this process has somebody in front of it who sees what is painted and presses keys. */
export function isPaintable(env: NodeJS.ProcessEnv, { stdin, stdout }: NodeJS.Process = process): boolean {
  return stdin.isTTY && stdout.isTTY && !['', 'dumb'].includes(env.TERM ?? '');
}
