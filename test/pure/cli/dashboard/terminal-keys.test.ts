import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { givenUp, keysOf } from '../../../../cli/dashboard/terminal-keys.js';
import { seeded } from '../../../support/seed.js';

const namesOf = (text: string): string[] => keysOf(text).keys.map(({ name }) => name);

const SEQUENCES = {
  ...{ '\x1b[A': 'up', '\x1bOB': 'down', '\x1b[1;5C': 'right', '\x1bOD': 'left' },
  ...{ '\x1b[H': 'home', '\x1b[1~': 'home', '\x1b[7~': 'home', '\x1bOF': 'end', '\x1b[4~': 'end' },
  ...{ '\x1b[5~': 'pageup', '\x1b[6;2~': 'pagedown', '\x1b[Z': 'backtab', '\t': 'tab' },
  ...{ '\r': 'enter', '\n': 'enter', '\x7f': 'backspace', '\b': 'backspace', ' ': 'space' },
  ...{
    '\x03': 'ctrl-c',
    '\x15': 'ctrl-u',
    '\x1a': 'ctrl-z',
    q: 'q',
    Q: 'Q',
    '[': '[',
    ']': ']',
    図: '図',
    '🎉': '🎉',
  },
};

describe('keys', () => {
  test.each(Object.entries(SEQUENCES))('%j is %s', (sequence, name) => {
    expect(namesOf(sequence)).toEqual([name]);
  });

  test('add to a text what they show', () => {
    expect(keysOf('a \x1b[A\x01é').keys.map(({ text }) => text)).toEqual(['a', ' ', '', '', 'é']);
  });

  test('are not made of function keys, answers, mice and other sequences', () => {
    expect(
      namesOf(
        '\x1b[15~\x1bOP\x1b[[A\x1b[?1;2c\x1b]11;rgb:00/00/00\x07\x1bP1+r\x1b\\\x1b[M !!\x1b[<0;3;4M\x1b[Iq',
      ),
    ).toEqual(['q']);
  });

  test('are Escape, and what follows it, if that begins no sequence', () => {
    expect(namesOf('\x1bq')).toEqual(['escape', 'q']);
    expect(namesOf('\x1b\x1b[A')).toEqual(['escape', 'up']);
    expect(keysOf('\x1b')).toEqual({ keys: [], rest: '\x1b' });
    expect(givenUp('\x1b').map(({ name }) => name)).toEqual(['escape']);
    expect(givenUp('\x1b[1')).toEqual([]);
  });

  test('are the same in however many pieces they come', () => {
    const typed = fc.array(fc.constantFrom(...Object.entries(SEQUENCES)), { maxLength: 20 });
    fc.assert(
      fc.property(typed, fc.array(fc.integer({ min: 1, max: 4 })), (keys, pieces) => {
        let text = keys.map(([sequence]) => sequence).join('');
        const names: string[] = [];
        let rest = '';
        for (const length of [...pieces, Number.POSITIVE_INFINITY]) {
          // A piece is of whole characters: the decoder before sees to that.
          const piece = [...text].slice(0, length).join('');
          text = text.slice(piece.length);
          const read = keysOf(rest + piece);
          names.push(...read.keys.map(({ name }) => name));
          rest = read.rest;
        }
        expect(rest).toBe('');
        expect(names).toEqual(keys.map(([, name]) => name));
      }),
      seeded(1000),
    );
  });

  test('never throw, and never keep more than a beginning', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.constantFrom('', '\x1b', '\x1b[', '\x1bO'),
        (text, begun) => {
          const { keys, rest } = keysOf(text + begun);
          expect(rest === '' || rest.startsWith('\x1b')).toBe(true);
          for (const { text: shown } of keys) expect(shown).not.toMatch(/\p{C}/u);
        },
      ),
      seeded(2000),
    );
  });
});
