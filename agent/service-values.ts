/**
 * Values of unit file options -> what they mean. Each function throws an Error that says what is wrong with a value.
 */
import { parseTimespan } from '../units/timespan.js';
import type { ExitStatusSet, Output } from './service-settings.js';
import { splitWords } from './words.js';

export const NO_STATUS: ExitStatusSet = { codes: [], signals: [] };

/** The signals of Linux on every machine Node runs on but MIPS, by number from 1. */
const SIGNALS =
  'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'.split(
    ' ',
  );
const FIRST_REAL_TIME = 34;
const LAST_REAL_TIME = 64;

export function words(value: string, expand: (text: string) => string): string[] {
  return splitWords(value).map(({ text }) => expand(text));
}

export function oneOf<const T extends readonly string[]>(choices: T, value: string): T[number] {
  if (!choices.includes(value)) throw new Error(`the supervisor supports ${choices.join(', ')}`);
  return value as T[number];
}

export function yesOrNo(value: string): boolean {
  if (/^(1|y|yes|t|true|on)$/i.test(value)) return true;
  if (/^(0|n|no|f|false|off)$/i.test(value)) return false;
  throw new Error('expected yes or no');
}

export function timespan(value: string): number {
  const ms = parseTimespan(value);
  if (ms === null) throw new Error('expected a time span such as 10s or 1min 30s');
  return ms;
}

/** systemd takes a timeout of 0 as none. */
export function timeout(value: string): number {
  return timespan(value) || Number.POSITIVE_INFINITY;
}

export function assignments(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text) ?? [];
      if (name === undefined || value === undefined) throw new Error(`"${text}" is no NAME=value`);
      return [name, value];
    }),
  );
}

export function absolute(path: string): string {
  if (!path.startsWith('/')) throw new Error(`"${path}" is no absolute path`);
  return path;
}

export function optionalPath(text: string): { path: string; optional: boolean } {
  const optional = text.startsWith('-');
  return { path: absolute(optional ? text.slice(1) : text), optional };
}

export function credential(text: string): { id: string; path: string } {
  const [, id, path] = /^([A-Za-z0-9_.][A-Za-z0-9_.-]*):(.*)$/s.exec(text) ?? [];
  if (id === undefined || path === undefined || /^\.+$/.test(id))
    throw new Error('expected NAME:/absolute/path');
  return { id, path: absolute(path) };
}

export function output(value: string, expand: (text: string) => string): Output {
  const [, kind, path] = /^(file|append):(.*)$/s.exec(value) ?? [];
  if (kind !== undefined) return { kind: kind as 'file' | 'append', path: absolute(expand(path ?? '')) };
  return { kind: oneOf(['journal', 'null', 'inherit'], value) };
}

export function statusSet(before: ExitStatusSet, value: string): ExitStatusSet {
  if (value === '') return NO_STATUS;
  const codes = [...before.codes];
  const signals = [...before.signals];
  for (const { text } of splitWords(value)) {
    if (/^\d+$/.test(text) && Number(text) <= 255) codes.push(Number(text));
    else if (/^SIG[A-Z0-9]+$/.test(text)) signals.push(text);
    else throw new Error(`"${text}" is neither an exit code nor a signal such as SIGTERM`);
  }
  return { codes, signals };
}

/** A signal's number, from a number, a name with or without SIG, or SIGRTMIN+n and SIGRTMAX-n. */
export function signal(value: string): number {
  const [, base, offset = '0'] = /^(?:SIG)?(RTMIN(?=\+|$)|RTMAX(?=-|$))(?:[+-](\d+))?$/.exec(value) ?? [];
  const number = /^\d+$/.test(value)
    ? Number(value)
    : base === undefined
      ? SIGNALS.indexOf(value.replace(/^SIG/, '')) + 1
      : base === 'RTMIN'
        ? FIRST_REAL_TIME + Number(offset)
        : LAST_REAL_TIME - Number(offset);
  const isReal = number >= FIRST_REAL_TIME && number <= LAST_REAL_TIME;
  if (!isReal && !(number >= 1 && number <= SIGNALS.length))
    throw new Error('expected a signal such as SIGTERM');
  return number;
}

/** A user or group, by name or number. */
export function account(value: string): string {
  if (!/^([A-Za-z_][A-Za-z0-9_.-]*|\d+)$/.test(value)) throw new Error('expected a name or a number');
  return value;
}
