import { spawn } from 'node:child_process';
import { program } from './programs.js';

/**
 * Runs the built convoyctl on a terminal of its own, and types the answer once the question is there; null: the end of
 * the input.
 */
export function onTerminal(
  args: string,
  answer: string | null,
  env: Readonly<Record<string, string>> = {},
): Promise<{ text: string; exit: number | null }> {
  const command = `${process.execPath} ${program('cli/main.js')} ${args}`;
  const child = spawn('/usr/bin/script', ['-qec', command, '/dev/null'], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  let answered = false;
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (answered || !text.includes('[y/N]')) return;
    answered = true;
    child.stdin.write(answer === null ? '\u0004' : `${answer}\n`);
  });
  return new Promise((resolve) => child.once('close', (exit) => resolve({ text, exit })));
}
