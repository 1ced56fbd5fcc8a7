import type { Key } from './view.js';

/** What was typed, and what may be the beginning of a key whose rest is still on its way. */
export interface Typed {
  readonly keys: readonly Key[];
  readonly rest: string;
}

/**
 * Keys out of what a terminal sends, in pieces of any length. Arrows and the like come as escape sequences (ECMA-48, 5.4;
 * of xterm, the Linux console, rxvt and PuTTY alike); modifiers of theirs are not told apart, answers and unknown
 * sequences are passed over. Escape before another character is the key Escape, then that character.
 */
export function keysOf(text: string): Typed {
  const keys: Key[] = [];
  let at = 0;
  while (at < text.length) {
    const left = text.slice(at);
    if (left.startsWith(ESCAPE)) {
      const [sequence] = SEQUENCE.exec(left) ?? [];
      if (sequence !== undefined) {
        const name = nameOf(sequence);
        if (name !== undefined) keys.push({ name, text: '' });
        at += sequence.length;
        continue;
      }
      if (BEGUN.test(left)) return { keys, rest: left };
    }
    const character = String.fromCodePoint(left.codePointAt(0) ?? 0);
    const key = keyOf(character);
    if (key !== null) keys.push(key);
    at += character.length;
  }
  return { keys, rest: '' };
}

/** What the beginning of a key was, when no more of it came: Escape, if it is that alone. */
export function givenUp(rest: string): readonly Key[] {
  return rest === ESCAPE ? [{ name: 'escape', text: '' }] : [];
}

const ESCAPE = '\x1b';
/** Of the keyboard, of the mouse with three bytes after it, of the console's function keys; or an answer to a question. */
const SEQUENCE =
  /^\x1b(?:\[\[[A-E]|\[M[\s\S]{3}|\[[0-?]*[ -/]*[@-LN-Z\\-~]|\[[0-?]+[ -/]*M|O[0-9;]*[A-Za-z]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\))/;
const BEGUN = /^\x1b(?:$|\[\[?$|\[M[\s\S]{0,2}$|\[[0-?]*[ -/]*$|O[0-9;]*$|[\]PX^_][^\x07\x1b]*\x1b?$)/;

function nameOf(sequence: string): string | undefined {
  const last = sequence.at(-1) ?? '';
  if (!'[O'.includes(sequence[1] ?? '')) return undefined;
  if (last === '~') return NUMBERED[Number.parseInt(sequence.slice(2), 10)];
  return sequence.startsWith('\x1b[[') || sequence.startsWith('\x1b[M') ? undefined : LETTERED[last];
}

const NUMBERED: Readonly<Record<number, string>> = {
  ...{ 1: 'home', 4: 'end', 5: 'pageup', 6: 'pagedown', 7: 'home', 8: 'end' },
};
const LETTERED: Readonly<Record<string, string>> = {
  ...{ A: 'up', B: 'down', C: 'right', D: 'left', H: 'home', F: 'end', Z: 'backtab' },
};
const CONTROLS: Readonly<Record<string, string>> = {
  ...{ '\r': 'enter', '\n': 'enter', '\t': 'tab', '\x7f': 'backspace', '\b': 'backspace', '\x1b': 'escape' },
};

function keyOf(character: string): Key | null {
  const control = CONTROLS[character];
  if (control !== undefined) return { name: control, text: '' };
  if (character === ' ') return { name: 'space', text: ' ' };
  if (character >= '\x01' && character <= '\x1a')
    return { name: `ctrl-${String.fromCharCode(character.charCodeAt(0) + 96)}`, text: '' };
  return /^[\p{C}]$/u.test(character) ? null : { name: character, text: character };
}
