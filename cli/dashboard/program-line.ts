import type { Line, Span } from './page.js';
import { bad, dim, span, warn } from './spans.js';

/**
 * A line of our own programs' logs (runtime/log.ts), which are JSON, as people read it: `19:07:14Z warn: waiting: no answer
 * lane=tiles`, the level from warnings on. The journal puts its own time and host before each line, which say nothing
 * more. null: it is no such line.
 */
export function programLine(text: string): Line | null {
  const start = text.indexOf('{"level":');
  const record = start === -1 ? null : recordOf(text.slice(start));
  if (record === null) return null;
  const { level, time, msg, name: _name, pid: _pid, ...fields } = record;
  if (typeof level !== 'number' || typeof msg !== 'string') return null;
  const told = Object.entries(fields).map(([key, value]) => ` ${key}=${valueWords(value)}`);
  const clock = typeof time === 'string' ? /T(\d\d:\d\d:\d\d)/.exec(time)?.[1] : undefined;
  return [
    ...(clock === undefined ? [] : [dim(`${clock}Z `)]),
    ...levelSpans(level),
    span(msg),
    dim(told.join('')),
  ];
}

function recordOf(text: string): Readonly<Record<string, unknown>> | null {
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    return null;
  }
}

function levelSpans(level: number): readonly Span[] {
  if (level < WARN) return [];
  return [level < ERROR ? warn('warn: ') : bad('error: ')];
}

/** As pino numbers them. */
const WARN = 40;
const ERROR = 50;

function valueWords(value: unknown): string {
  return typeof value === 'string' && /^[^\s"]+$/.test(value) ? value : JSON.stringify(value);
}
