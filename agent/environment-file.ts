/**
 * The variables of an EnvironmentFile=: `NAME=value` lines; `#` and `;` begin comment lines; a value may be in
 * single quotes (verbatim), in double quotes (a backslash keeps `"`, `\`, `` ` `` and `$`), or bare (a backslash
 * keeps the next character, or joins the next line). Lines that are no assignment are passed over, as systemd does.
 */
export function parseEnvironmentFile(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  let at = 0;
  while (at < text.length) {
    const line = /^[ \t]*(?:([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*|[^\n]*(?:\n|$))/.exec(text.slice(at));
    at += line?.[0].length ?? text.length;
    const name = line?.[1];
    if (name === undefined) continue;
    const value = readValue(text, at);
    values[name] = value.text;
    at = value.end;
  }
  return values;
}

function readValue(text: string, start: number): { text: string; end: number } {
  let value = '';
  let kept = 0;
  let quote = '';
  let at = start;
  for (; at < text.length; at++) {
    const char = text[at] as string;
    const next = text[at + 1];
    if (quote === '' && char === '\n') break;
    if (quote === '' && (char === '"' || char === "'")) quote = char;
    else if (char === quote) quote = '';
    else if (char === '\\' && quote !== "'" && next !== undefined) {
      at++;
      if (next === '\n') continue;
      value += quote === '"' && !'"\\`$'.includes(next) ? `\\${next}` : next;
    } else {
      value += char;
      if (quote === '' && /\s/.test(char)) continue;
    }
    kept = value.length;
  }
  return { text: value.slice(0, kept), end: at + 1 };
}
