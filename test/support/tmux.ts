import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Ground } from '../../agent/ground.js';
import { readStyledScreen } from './styled-screen.js';
import { until } from './until.js';

/** A program on a terminal of its own: a private tmux with one pane. Its screen is read, its keys are pressed. */
export interface Terminal {
  /** Of the program; 0 before it runs or after it ended. */
  pid(): number;
  /** Keys by tmux's names (`Enter`, `Escape`, `Up`, `PageDown`, `BTab`, `C-c`) or as they are typed (`q`, `/`). */
  sendKeys(...keys: readonly string[]): Promise<void>;
  /** Characters as they would come over a line, all at once: for sequences that come in parts, or pasted text. */
  sendText(text: string): Promise<void>;
  /** The screen, row by row, without spaces at the ends. */
  capture(): Promise<string[]>;
  /** As `capture`, with the sequences of colour and weight. */
  captureStyled(): Promise<string[]>;
  resize(columns: number, rows: number): Promise<void>;
  /** Reads the screen until it is as wanted; tells the last one when it never is. */
  untilScreen(what: string, wanted: (lines: string[]) => unknown, timeoutMs?: number): Promise<string[]>;
  /** The exit status, 128 + N after signal N. The terminal stays, as the program left it. */
  exit(timeoutMs?: number): Promise<number>;
  modes(): Promise<Modes>;
  /** The terminal goes away under the program, as when the line to it is cut. */
  hangUp(): Promise<void>;
}

/** What a program may leave behind. */
export interface Modes {
  readonly alternateScreen: boolean;
  readonly cursor: boolean;
  readonly keypad: boolean;
  readonly mouse: boolean;
  /** As `stty -g` says it, before the program and, once it ended, after it. */
  readonly line: { readonly before: string; readonly after: string | null };
}

export interface OnTerminal {
  /** Of the terminal and its files, unique on its ground. */
  readonly name: string;
  readonly command: readonly string[];
  readonly columns?: number;
  readonly rows?: number;
  /** What the program is told its terminal is. */
  readonly term?: string;
  /** Besides PATH, HOME and a UTF-8 locale. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Its first words tell how the line is set; what follows the program keeps the terminal as it was left. */
const RUN = `dir=$1; shift; stty -g > "$dir/before"; "$@"; status=$?
stty -g > "$dir/after"; echo "$status" > "$dir/status.new"; mv "$dir/status.new" "$dir/status"; exec sleep 1000000`;

/** Starts a program on a terminal, 140 x 45 if nothing else is said. It ends with the ground. */
export async function startTerminal(
  ground: Ground,
  { name, command, columns = 140, rows = 45, term = 'tmux-256color', env = {} }: OnTerminal,
): Promise<Terminal> {
  const dir = join(ground.dir, name);
  mkdirSync(dir);
  const settings = join(dir, 'tmux.conf');
  writeFileSync(settings, `set -g status off\nset -g default-terminal ${term}\n`);
  const socket = join(dir, 'socket');
  const surroundings = { PATH: process.env.PATH, HOME: dir, LC_ALL: 'C.UTF-8' };
  ground.spawn(`${name}-tmux`, 'tmux', ['-D', '-S', socket, '-f', settings], surroundings);
  const tmux = async (...args: readonly string[]): Promise<string> =>
    (await execute('tmux', ['-u', '-S', socket, ...args], { env: surroundings })).stdout;
  const answers = (): Promise<boolean> =>
    tmux('show-options', '-g').then(
      () => true,
      () => false,
    );
  await until('tmux answers', answers);
  const variables = Object.entries(env).map(([key, value]) => `${key}=${value}`);
  await tmux(
    ...['new-session', '-d', '-x', String(columns), '-y', String(rows)],
    ...['env', ...variables, `TERM=${term}`, '/bin/sh', '-c', RUN, 'run', dir, ...command],
  );

  const told = (format: string): Promise<string> => tmux('display-message', '-p', format);
  const shell = Number(await told('#{pane_pid}'));
  const file = (of: string): string | null => {
    try {
      return readFileSync(join(dir, of), 'utf8').trim();
    } catch {
      return null;
    }
  };
  const captureStyled = async (): Promise<string[]> =>
    (await tmux('capture-pane', '-p', '-e')).split('\n').slice(0, -1);
  const capture = async (): Promise<string[]> =>
    readStyledScreen(await captureStyled()).map((row) =>
      row
        .map(({ text }) => text)
        .join('')
        .trimEnd(),
    );

  return {
    pid: () =>
      file('status') === null
        ? Number(readFileSync(`/proc/${shell}/task/${shell}/children`, 'utf8').split(' ')[0])
        : 0,
    async sendKeys(...keys) {
      for (const key of keys) await tmux('send-keys', '--', key);
    },
    async sendText(text) {
      await tmux('send-keys', '-l', '--', text);
    },
    capture,
    captureStyled,
    async resize(width, height) {
      await tmux('resize-window', '-x', String(width), '-y', String(height));
    },
    async untilScreen(what, wanted, timeoutMs) {
      let last: string[] = [];
      const probe = async (): Promise<string[] | false> => {
        last = await capture();
        return wanted(last) ? last : false;
      };
      return until(what, probe, timeoutMs).catch((error: Error) => {
        throw new Error(`${error.message}\n${last.join('\n')}`);
      });
    },
    async exit(timeoutMs) {
      return Number(await until(`${name} ends`, () => file('status'), timeoutMs));
    },
    async hangUp() {
      await tmux('kill-server');
    },
    async modes() {
      const flags = await told('#{alternate_on}#{cursor_flag}#{keypad_flag}#{mouse_any_flag}');
      const [alternateScreen, cursor, keypad, mouse] = [...flags].map((flag) => flag === '1');
      return {
        alternateScreen: alternateScreen === true,
        cursor: cursor === true,
        keypad: keypad === true,
        mouse: mouse === true,
        line: { before: file('before') ?? '', after: file('after') },
      };
    },
  };
}

const execute = promisify(execFile);
