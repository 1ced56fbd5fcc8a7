import type { Clock } from '../runtime/clock.js';
import type { OptionTable, OptionValues } from '../runtime/options.js';
import type { ApiClient } from './client.js';
import type { Ssh } from './ssh.js';

/** What a command works with. Nothing else of the process is touched. */
export interface Context {
  readonly api: ApiClient;
  readonly ssh: Ssh;
  /** Lists and progress: a line (or several) on stdout. */
  out(text: string): void;
  /** Bytes or text on stdout as they are; resolves when there is room for more. */
  write(chunk: Uint8Array | string): Promise<void>;
  /** Errors and warnings: a line on stderr. */
  err(text: string): void;
  /** Asks whoever sits at the terminal and answers whether they said yes; null without a terminal. */
  readonly ask: ((question: string) => Promise<boolean>) | null;
  /** Called by the name `fleetctl`: fleet's exact texts and exit codes, and nothing it did not say. */
  readonly fleet: boolean;
  /** Of this program. */
  readonly version: string;
  /** What stdout and stderr are, where they are terminals: then colours and lines that are drawn over may be used. */
  readonly terminal: { readonly out: Terminal | null; readonly err: Terminal | null };
  /** From the first call on, Ctrl-C no longer ends the program but fires this: it is how the user says enough. */
  interrupted(): AbortSignal;
  readonly clock: Clock;
  readonly env: NodeJS.ProcessEnv;
  /** Where relative unit files are looked for. */
  readonly cwd: string;
}

/** As it is now: its size changes with the window. */
export interface Terminal {
  readonly columns: number;
  readonly rows: number;
  /** Text as it is, without a newline: for a line that is drawn over. */
  write(text: string): void;
  /** False where NO_COLOR is set or the terminal is dumb. */
  readonly colours: boolean;
}

/** What is behind an entry of the command table. */
export interface Command<Table extends OptionTable = OptionTable> {
  readonly options: Table;
  /** Command lines for --help. */
  readonly examples: readonly string[];
  /** Exit codes beyond 0 done, 1 failed, 2 usage. */
  readonly exitCodes?: string;
  /** Options that it does not have are arguments: they belong to a command line of their own. */
  readonly extraOptions?: true;
  /** Answers the exit code. */
  readonly run: (context: Context, args: readonly string[], values: OptionValues<Table>) => Promise<number>;
}

/** Ties a command's `run` to its own option table. */
export function command<Table extends OptionTable>(row: Command<Table>): Command {
  return row as unknown as Command;
}
