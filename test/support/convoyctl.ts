import { spawn } from 'node:child_process';
import { program } from './programs.js';

export interface CliResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: number | null;
}

export interface CliRun {
  /** Absent: convoyctl by its own name. */
  readonly program?: string;
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Ends the process with SIGKILL when it fires. */
  readonly signal?: AbortSignal;
  /** Called with all that has been printed so far. */
  readonly onStdout?: (soFar: string) => void;
}

/** Runs the built convoyctl as a process, with nothing of our environment but PATH. */
export function convoyctl(
  args: readonly string[],
  { program: path = program('cli/main.js'), cwd, env = {}, signal, onStdout }: CliRun,
): Promise<CliResult> {
  const child = spawn(process.execPath, [path, ...args], {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    killSignal: 'SIGKILL',
    ...(signal === undefined ? {} : { signal }),
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    onStdout?.(stdout);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', (error) => (error.name === 'AbortError' ? undefined : reject(error)));
    child.once('close', (exit) => resolve({ stdout, stderr, exit }));
  });
}
