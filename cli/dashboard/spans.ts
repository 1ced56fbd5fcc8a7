import { clean } from './cells.js';
import type { Span, Tone } from './page.js';

/** Pieces of text in their tones. Whatever the text, it is fit to be shown. */
export function span(text: string, tone: Tone = 'plain'): Span {
  return { text: clean(text), tone };
}

export const dim = (text: string): Span => span(text, 'dim');
export const strong = (text: string): Span => span(text, 'strong');
export const good = (text: string): Span => span(text, 'good');
export const warn = (text: string): Span => span(text, 'warn');
export const bad = (text: string): Span => span(text, 'bad');
