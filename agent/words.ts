const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
  "'": "'",
  s: ' ',
};

/** One word of a value, and whether it was written plainly (a quoted or escaped `;` separates nothing). */
export interface Word {
  readonly text: string;
  readonly plain: boolean;
}

/** The value as one line: a backslash before a line's end is a space, comment lines in between are dropped. */
export function joinLines(value: string): string {
  return value
    .split(/\\\r?\n/)
    .filter((line, index) => index === 0 || !/^\s*[#;]/.test(line))
    .join(' ')
    .trim();
}

/**
 * Splits a value as systemd does: at white space outside quotes; quotes of both kinds are taken off; C escapes
 * are resolved, inside quotes of both kinds too. Throws an Error that says what is wrong with the text.
 */
export function splitWords(value: string): Word[] {
  const words: Word[] = [];
  let text: string | null = null;
  let plain = true;
  let quote = '';
  for (let i = 0; i < value.length; i++) {
    const char = value[i] as string;
    if (char === '\\') {
      const read = readEscape(value, i + 1);
      text = (text ?? '') + read.text;
      plain = false;
      i += read.length;
    } else if (quote !== '') {
      if (char === quote) quote = '';
      else text += char;
    } else if (char === '"' || char === "'") {
      quote = char;
      text ??= '';
      plain = false;
    } else if (/\s/.test(char)) {
      if (text !== null) words.push({ text, plain });
      text = null;
      plain = true;
    } else {
      text = (text ?? '') + char;
    }
  }
  if (quote !== '') throw new Error(`the quote ${quote} is not closed`);
  if (text !== null) words.push({ text, plain });
  return words;
}

function readEscape(value: string, at: number): { text: string; length: number } {
  const char = value[at];
  if (char === undefined) throw new Error('it ends in a backslash');
  if (char === ';') return { text: ';', length: 1 };
  const simple = SIMPLE_ESCAPES[char];
  if (simple !== undefined) return { text: simple, length: 1 };
  const match = /^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))/.exec(
    value.slice(at),
  );
  if (!match) throw new Error(`\\${char} is no escape systemd knows`);
  const code =
    match[4] === undefined
      ? Number.parseInt(match[1] ?? match[2] ?? match[3] ?? '', 16)
      : Number.parseInt(match[4], 8);
  if (code === 0 || code > 0x10ffff) throw new Error(`${match[0]} is no character`);
  return { text: String.fromCodePoint(code), length: match[0].length };
}
