import { widthOf } from '../table.js';
import type { Line, Span } from './page.js';

/** Text as it stands in the cells of a terminal. */

/**
 * Text from outside, fit to be shown: white space becomes spaces; control characters, escapes, marks that turn the
 * direction of writing, and all else that no two terminals show alike become `�`, one for each. Again is the same.
 */
export function clean(text: string): string {
  if (PRINTABLE.test(text)) return text;
  return text
    .normalize('NFC')
    .replace(/\r\n|[\t\n\v\f\r\u0085\u00a0\u2028\u2029]/g, ' ')
    .replace(HIDDEN, '')
    .replace(UNSURE, '\ufffd')
    .replace(/([\p{Mn}\p{Me}]{2})[\p{Mn}\p{Me}]+/gu, '$1');
}

const PRINTABLE = /^[\x20-\x7e]*$/;
/** Choose a shape or a colour of the picture before them: without them it is as wide everywhere. */
const HIDDEN = /[\ufe00-\ufe0f\p{Emoji_Modifier}]/gu;
/** Not for the eye, or half of a picture or a syllable. */
const UNSURE = /[\p{C}\p{Regional_Indicator}\u115f-\u11ff\ud7b0-\ud7ff]/gu;

/** In cells: most East Asian characters and pictures take two, marks upon others none. */
export function width(text: string): number {
  return widthOf(text);
}

export function lineWidth(line: Line): number {
  return line.reduce((cells, { text }) => cells + width(text), 0);
}

export function textOf(line: Line): string {
  return line.map(({ text }) => text).join('');
}

/** At most so many cells wide; what was longer ends in `…`. */
export function cut(line: Line, cells: number): Line {
  if (lineWidth(line) <= cells) return line;
  if (cells < 1) return [];
  const kept: Span[] = [];
  let room = cells - 1;
  for (const { text, tone } of line) {
    const head = headOf(text, room);
    if (head.length < text.length) return [...kept, { text: `${head}…`, tone }];
    kept.push({ text, tone });
    room -= width(text);
  }
  return kept;
}

/** Exactly so many cells wide: cut, or filled up with spaces on the other side. */
export function pad(line: Line, cells: number, align: 'left' | 'right' = 'left'): Line {
  const kept = cut(line, cells);
  const missing = cells - lineWidth(kept);
  if (missing <= 0) return kept;
  const spaces: Span = { text: ' '.repeat(missing), tone: 'plain' };
  return align === 'left' ? [...kept, spaces] : [spaces, ...kept];
}

/** As many characters from the start as fit, marks together with what they stand upon. */
function headOf(text: string, cells: number): string {
  if (PRINTABLE.test(text)) return text.slice(0, cells);
  let head = '';
  let room = cells;
  for (const character of text) {
    room -= width(character);
    if (room < 0) break;
    head += character;
  }
  return head;
}

/** Broken between words into lines at most so many cells wide; a word that is wider is broken within. */
export function wrap(line: Line, cells: number): readonly Line[] {
  const room = Math.max(1, cells);
  const lines: Span[][] = [[]];
  let left = room;
  for (const { text, tone } of line) {
    for (const word of text.split(/(?<= )(?=[^ ])/)) {
      let rest = word;
      if (width(rest.trimEnd()) > left && left < room) {
        lines.push([]);
        left = room;
      }
      while (width(rest.trimEnd()) > left) {
        const head = headOf(rest, left);
        lines.at(-1)?.push({ text: head || '…', tone });
        rest = rest.slice(head.length || String.fromCodePoint(rest.codePointAt(0) ?? 0).length);
        lines.push([]);
        left = room;
      }
      const kept = width(rest) > left ? rest.trimEnd() : rest;
      lines.at(-1)?.push({ text: kept, tone });
      left -= width(kept);
    }
  }
  return lines;
}
