import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ground, openGround } from '../../../agent/ground.js';
import { ROOT } from '../../support/programs.js';
import { type OnTerminal, startTerminal, type Terminal } from '../../support/tmux.js';
import { until } from '../../support/until.js';

const PROGRAM = [process.execPath, '--import', 'tsx', join(import.meta.dirname, 'view-process.ts')];

describe('the view', () => {
  let ground: Ground;
  let count = 0;
  beforeAll(() => {
    ground = openGround('view');
    process.chdir(ROOT);
  });
  afterAll(() => ground.close());

  async function open(more: Partial<OnTerminal> = {}): Promise<Terminal> {
    count += 1;
    const terminal = await startTerminal(ground, {
      name: `t${count}`,
      command: PROGRAM,
      columns: 70,
      rows: 24,
      ...more,
    });
    await terminal.untilScreen('the first frame', ([first]) => first?.startsWith('the view'), 30_000);
    return terminal;
  }

  /** Cursor, screen, keypad and line as before. */
  async function expectRestored(terminal: Terminal): Promise<void> {
    const { line, ...modes } = await terminal.modes();
    expect(modes).toEqual({ alternateScreen: false, cursor: true, keypad: false, mouse: false });
    expect(line.after).toBe(line.before);
  }

  const isAfter =
    (keys: string) =>
    (lines: string[]): boolean =>
      lines[0]?.endsWith(` after ${keys}`) ?? false;

  test('paints panels, curves and wide characters, inverts the chosen row, and gives the terminal back at q', async () => {
    const terminal = await open();
    await terminal.sendKeys('Down', 'Down');
    const lines = await terminal.untilScreen('the third row', isAfter('down down'));
    expect(lines[1]).toBe('source unreachable');
    expect(lines[2]).toMatch(/^┌ 遅延 latency ─+┐$/);
    expect(lines[3]).toMatch(/^│\* p50 4 ms {3}\+ p99 5 ms +│$/);
    expect(lines[4]).toMatch(/^│ {2}5 ms┤.*[\u2801-\u28ff]/);
    expect(lines).toContain(`│>worker 2 図書館${' '.repeat(52)}│`);
    expect(lines.at(-1)).toBe('q quit');
    const styled = await terminal.captureStyled();
    expect(styled.find((row) => row.includes('worker 2'))).toMatch(/\x1b\[(?:1;)?7m.*worker 2/);
    expect(styled[1]).toMatch(/\x1b\[1m\x1b\[38;5;160msource/);
    await terminal.sendKeys('q');
    expect(await terminal.exit()).toBe(0);
    await expectRestored(terminal);
  });

  test('follows the terminal to any size and back', async () => {
    const terminal = await open();
    for (const [columns, rows] of [
      [20, 5],
      [3, 2],
      [1, 1],
      [200, 60],
      [59, 15],
      [60, 15],
    ] as const) {
      await terminal.resize(columns, rows);
      await terminal.untilScreen(`${columns} x ${rows}`, (lines) => {
        const filled = lines.findLastIndex((row) => row !== '') === (rows === 1 ? 0 : rows - 1);
        return lines.length === rows && filled && lines[0] !== '';
      });
    }
    await terminal.untilScreen('a block', (lines) => lines[2]?.startsWith('┌ workers 1-'));
    await terminal.sendKeys('C-c');
    expect(await terminal.exit()).toBe(0);
    await expectRestored(terminal);
  });

  test('reads a key that comes in parts, and Escape when nothing follows', async () => {
    const terminal = await open();
    for (const part of ['\x1b', '[', 'B', 'é']) await terminal.sendText(part);
    await terminal.sendKeys('Escape');
    await terminal.untilScreen('the keys', isAfter('down é escape'));
  });

  test('shows what text holds, and obeys none of it', async () => {
    const terminal = await open();
    await terminal.sendKeys('l');
    const [first] = await terminal.untilScreen('the title', ([row]) => row?.startsWith('log'));
    expect(first).toBe('log �]0;owned��[2J�{red-fg}{bold} after l');
  });

  test('of a program that fails lets the error be seen, on a restored terminal, with status 1', async () => {
    const terminal = await open();
    await terminal.sendKeys('x');
    expect(await terminal.exit()).toBe(1);
    await expectRestored(terminal);
    expect((await terminal.capture()).join('\n')).toContain('Error: a mistake of ours');
  });

  test.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('gives the terminal back when %s ends the program', async (signal, status) => {
    const terminal = await open();
    process.kill(terminal.pid(), signal);
    expect(await terminal.exit()).toBe(status);
    await expectRestored(terminal);
  });

  test('stops at Ctrl-Z with the terminal given back, and paints all again in the foreground', async () => {
    const terminal = await startTerminal(ground, {
      ...{ name: 'jobs', columns: 70, rows: 24, env: { PS1: 'shell: ' } },
      command: ['bash', '--norc', '--noediting', '-i'],
    });
    await terminal.sendKeys(PROGRAM.join(' '), 'Enter');
    await terminal.untilScreen('the first frame', ([first]) => first?.startsWith('the view'), 30_000);
    await terminal.sendKeys('C-z');
    await terminal.untilScreen('the shell', (lines) => lines.some((row) => row.includes('Stopped')));
    const { line: _line, ...modes } = await terminal.modes();
    expect(modes).toEqual({ alternateScreen: false, cursor: true, keypad: false, mouse: false });
    await terminal.sendKeys('fg', 'Enter');
    await terminal.untilScreen('the frame again', (lines) => lines.at(-1) === 'q quit');
    await terminal.sendKeys('Down', 'q');
    await terminal.untilScreen(
      'the shell again',
      (lines) => lines.at(-1)?.startsWith('shell:') || lines.includes('shell:'),
    );
    await terminal.sendKeys('exit', 'Enter');
    expect(await terminal.exit()).toBe(0);
    await expectRestored(terminal);
  });

  test('ends with its terminal', async () => {
    const terminal = await open();
    const pid = terminal.pid();
    await terminal.hangUp();
    await until('the program is gone', () => {
      try {
        return !process.kill(pid, 0);
      } catch {
        return true;
      }
    });
  });

  test.each([
    ['vt100', { LC_ALL: 'C' }],
    ['screen', {}],
    ['no-such-terminal', {}],
    ['../../etc/passwd', {}],
    ['xterm-256color', { NO_COLOR: '1' }],
  ] as const)('paints without noise on %s with %j', async (term, env) => {
    const terminal = await open({ term, env });
    await terminal.sendKeys('Down');
    const lines = await terminal.untilScreen('the second row', isAfter('down'));
    const wide = term === 'vt100' ? '??????' : '図書館';
    expect(lines).toContain(`│>worker 1 ${wide}${' '.repeat(52)}│`);
    expect(lines.filter((row) => /^└─+┘$/.test(row))).toHaveLength(2);
    if (term === 'vt100' || 'NO_COLOR' in env)
      expect((await terminal.captureStyled()).join('')).not.toMatch(/\x1b\[[0-9;]*[349][0-8][;m]/);
    await terminal.sendKeys('q');
    expect(await terminal.exit()).toBe(0);
    await expectRestored(terminal);
    const left = (await terminal.capture()).filter((row) => row !== '');
    expect(left).toEqual([]);
  });
});
