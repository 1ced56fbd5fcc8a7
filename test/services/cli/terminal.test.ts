import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ground, openGround } from '../../../agent/ground.js';
import { startTerminal } from '../../support/tmux.js';

describe('a terminal of the tests', () => {
  let ground: Ground;
  beforeAll(() => {
    ground = openGround('terminal');
  });
  afterAll(() => ground.close());

  test('shows the screen, takes keys and sizes, and tells how the program ended', async () => {
    const script = `printf '\\033(0lqk\\033(B \\033[31mred\\033[m %s %s\\n' "$TERM" "$GREETING"
      stty -echo; read answer; stty echo; stty size; echo "got $answer"; exit 7`;
    const terminal = await startTerminal(ground, {
      name: 'plain',
      command: ['sh', '-c', script],
      ...{ columns: 40, rows: 10, term: 'xterm-256color', env: { GREETING: 'good day' } },
    });
    const lines = await terminal.untilScreen('the greeting', ([first]) => first?.includes('good'));
    expect(lines).toEqual(['┌─┐ red xterm-256color good day', ...Array(9).fill('')]);
    expect((await terminal.captureStyled())[0]).toContain('\x1b[31m');
    expect(terminal.pid()).toBeGreaterThan(1);

    await terminal.resize(50, 12);
    await terminal.sendKeys('a', 'Space', 'b');
    await terminal.sendText('c\r');
    expect(await terminal.exit()).toBe(7);
    expect(terminal.pid()).toBe(0);
    const after = await terminal.untilScreen('the answer', (rows) => rows.includes('got a bc'));
    expect(after).toContain('12 50');
  });

  test('tells what a program left behind', async () => {
    const command = [
      'sh',
      '-c',
      String.raw`printf '\033[?1049h\033[?25l\033[?1000h\033='; stty -echo; exit 0`,
    ];
    const terminal = await startTerminal(ground, { name: 'left', command });
    await terminal.exit();
    const { line, ...modes } = await terminal.modes();
    expect(modes).toEqual({ alternateScreen: true, cursor: false, keypad: true, mouse: true });
    expect(line.after).not.toBe(line.before);
  });

  test('says what was on the screen when it is not what was awaited, and that a signal ended the program', async () => {
    const command = ['sh', '-c', 'echo here I am; kill -9 $$'];
    const terminal = await startTerminal(ground, { name: 'other', command });
    expect(await terminal.exit()).toBe(137);
    await expect(terminal.untilScreen('a song', (lines) => lines.includes('la la'), 200)).rejects.toThrow(
      /waited 200 ms in vain: a song\nhere I am\n/,
    );
  });
});
