import { messageOf } from '../runtime/errors.js';
import { parseTimespan } from '../units/timespan.js';
import type { UnitFile, UnitOption } from '../units/unit-file.js';
import { type Command, parseCommands } from './command.js';
import {
  type ExitStatusSet,
  type Output,
  RESTART_VALUES,
  SERVICE_TYPES,
  type ServiceSettings,
  type UnitRelations,
} from './service-settings.js';
import { expandSpecifiers, type SpecifierContext } from './specifiers.js';
import { joinLines, splitWords } from './words.js';

export type ServiceReading =
  | { readonly kind: 'settings'; readonly settings: ServiceSettings }
  | { readonly kind: 'refused'; readonly reasons: readonly string[] };

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Draft = Mutable<Omit<ServiceSettings, 'timeoutStartMs'>> & { timeoutStartMs: number | null };

/** How one option's value changes the draft. Throws an Error that says what is wrong with the value. */
type Reader = (draft: Draft, value: string, expand: (text: string) => string) => void;

const DEFAULT_TIMEOUT_MS = 90_000;
const NO_STATUS: ExitStatusSet = { codes: [], signals: [] };

const RELATIONS: Readonly<Record<string, keyof UnitRelations>> = {
  After: 'after',
  Before: 'before',
  Requires: 'requires',
  Wants: 'wants',
  BindsTo: 'bindsTo',
  PartOf: 'partOf',
  Conflicts: 'conflicts',
};

const UNIT_READERS: Readonly<Record<string, Reader>> = {
  Description: () => undefined,
  Documentation: () => undefined,
  ...Object.fromEntries(
    Object.entries(RELATIONS).map(([option, key]) => [
      option,
      (draft: Draft, value: string, expand: (text: string) => string) => {
        const names = words(value, expand);
        const foreign = names.find((name) => !name.endsWith('.service'));
        // An order relative to, or a wish for, a unit that is nowhere has no effect; a requirement fails.
        if (foreign !== undefined && ['requires', 'bindsTo'].includes(key))
          throw new Error(`${foreign} is no service, and the supervisor runs nothing else`);
        draft[key] = value === '' ? [] : [...draft[key], ...names];
      },
    ]),
  ),
};

const SERVICE_READERS: Readonly<Record<string, Reader>> = {
  Type: (draft, value) => {
    draft.type = oneOf(SERVICE_TYPES, value);
  },
  ExecStartPre: commands('startPre'),
  ExecStart: commands('start'),
  ExecStartPost: commands('startPost'),
  ExecStop: commands('stop'),
  ExecStopPost: commands('stopPost'),
  Environment: (draft, value, expand) => {
    draft.environment = value === '' ? {} : { ...draft.environment, ...assignments(words(value, expand)) };
  },
  EnvironmentFile: (draft, value, expand) => {
    draft.environmentFiles = value === '' ? [] : [...draft.environmentFiles, optionalPath(expand(value))];
  },
  PassEnvironment: (draft, value, expand) => {
    draft.passEnvironment = value === '' ? [] : [...draft.passEnvironment, ...words(value, expand)];
  },
  LoadCredential: (draft, value, expand) => {
    draft.credentials = value === '' ? [] : [...draft.credentials, credential(expand(value))];
  },
  WorkingDirectory: (draft, value, expand) => {
    const { path, optional } = optionalPath(expand(value.replace(/^(-?)~$/, '$1%h')));
    draft.workingDirectory = { path, optional };
  },
  Restart: (draft, value) => {
    draft.restart = oneOf(RESTART_VALUES, value);
  },
  RestartSec: (draft, value) => {
    draft.restartMs = timespan(value);
    if (draft.restartMs === Number.POSITIVE_INFINITY) throw new Error('it must be finite');
  },
  SuccessExitStatus: (draft, value) => {
    draft.successStatus = statusSet(draft.successStatus, value);
  },
  RestartPreventExitStatus: (draft, value) => {
    draft.restartPreventStatus = statusSet(draft.restartPreventStatus, value);
  },
  TimeoutStartSec: (draft, value) => {
    draft.timeoutStartMs = timeout(value);
  },
  TimeoutStopSec: (draft, value) => {
    draft.timeoutStopMs = timeout(value);
  },
  TimeoutSec: (draft, value) => {
    draft.timeoutStartMs = timeout(value);
    draft.timeoutStopMs = timeout(value);
  },
  StandardOutput: (draft, value, expand) => {
    draft.stdout = output(value, expand);
  },
  StandardError: (draft, value, expand) => {
    draft.stderr = output(value, expand);
  },
  RemainAfterExit: (draft, value) => {
    draft.remainAfterExit = yesOrNo(value);
  },
};

/**
 * What the supervisor has to know of a unit, or every reason why it cannot run it as written. Nothing is ever
 * passed over in silence, but [Install] (the agent decides what starts), Description=, Documentation= and sections
 * whose name begins with `X-`, which systemd ignores too.
 */
export function readService(name: string, unit: UnitFile, context: SpecifierContext): ServiceReading {
  if (!name.endsWith('.service'))
    return { kind: 'refused', reasons: ['the supervisor runs nothing but .service units'] };
  const reasons: string[] = [];
  const draft = emptyDraft();
  const expand = (text: string): string => expandSpecifiers(text, name, context);
  for (const option of unit.options) {
    if (option.section === 'Install' || option.section.startsWith('X-')) continue;
    const reader = readerOf(option);
    const where = `[${option.section}] ${option.name}=`;
    if (reader === undefined) reasons.push(`${where} is not supported by the supervisor`);
    else
      try {
        reader(draft, joinLines(option.value), expand);
      } catch (error) {
        reasons.push(`${where}${joinLines(option.value)}: ${messageOf(error)}`);
      }
  }
  if (reasons.length === 0) reasons.push(...contradictions(draft));
  if (reasons.length > 0) return { kind: 'refused', reasons };
  const untimed = draft.type === 'oneshot' ? Number.POSITIVE_INFINITY : DEFAULT_TIMEOUT_MS;
  return { kind: 'settings', settings: { ...draft, timeoutStartMs: draft.timeoutStartMs ?? untimed } };
}

function readerOf({ section, name }: UnitOption): Reader | undefined {
  const readers = { Unit: UNIT_READERS, Service: SERVICE_READERS }[section];
  return readers !== undefined && Object.hasOwn(readers, name) ? readers[name] : undefined;
}

function emptyDraft(): Draft {
  return {
    type: 'simple',
    startPre: [],
    start: [],
    startPost: [],
    stop: [],
    stopPost: [],
    environment: {},
    environmentFiles: [],
    passEnvironment: [],
    credentials: [],
    workingDirectory: { path: '/', optional: false },
    restart: 'no',
    restartMs: 100,
    successStatus: NO_STATUS,
    restartPreventStatus: NO_STATUS,
    timeoutStartMs: null,
    timeoutStopMs: DEFAULT_TIMEOUT_MS,
    stdout: { kind: 'journal' },
    stderr: { kind: 'inherit' },
    remainAfterExit: false,
    after: [],
    before: [],
    requires: [],
    wants: [],
    bindsTo: [],
    partOf: [],
    conflicts: [],
  };
}

function contradictions(draft: Draft): string[] {
  const oneshot = draft.type === 'oneshot';
  const reasons: string[] = [];
  if (draft.start.length === 0 && !(oneshot && draft.remainAfterExit && draft.stop.length > 0))
    reasons.push('[Service] ExecStart= is missing');
  if (draft.start.length > 1 && !oneshot)
    reasons.push('[Service] ExecStart= may be given more than once with Type=oneshot only');
  if (oneshot && (draft.restart === 'always' || draft.restart === 'on-success'))
    reasons.push(`[Service] Restart=${draft.restart} is not allowed with Type=oneshot`);
  return reasons;
}

function commands(key: 'startPre' | 'start' | 'startPost' | 'stop' | 'stopPost'): Reader {
  return (draft, value, expand) => {
    draft[key] =
      value === '' ? [] : ([...draft[key], ...parseCommands(splitWords(value), expand)] satisfies Command[]);
  };
}

function words(value: string, expand: (text: string) => string): string[] {
  return splitWords(value).map(({ text }) => expand(text));
}

function oneOf<const T extends readonly string[]>(choices: T, value: string): T[number] {
  if (!choices.includes(value)) throw new Error(`the supervisor supports ${choices.join(', ')}`);
  return value as T[number];
}

function yesOrNo(value: string): boolean {
  if (/^(1|y|yes|t|true|on)$/i.test(value)) return true;
  if (/^(0|n|no|f|false|off)$/i.test(value)) return false;
  throw new Error('expected yes or no');
}

function timespan(value: string): number {
  const ms = parseTimespan(value);
  if (ms === null) throw new Error('expected a time span such as 10s or 1min 30s');
  return ms;
}

/** systemd takes a timeout of 0 as none. */
function timeout(value: string): number {
  return timespan(value) || Number.POSITIVE_INFINITY;
}

function assignments(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text) ?? [];
      if (name === undefined || value === undefined) throw new Error(`"${text}" is no NAME=value`);
      return [name, value];
    }),
  );
}

function absolute(path: string): string {
  if (!path.startsWith('/')) throw new Error(`"${path}" is no absolute path`);
  return path;
}

function optionalPath(text: string): { path: string; optional: boolean } {
  const optional = text.startsWith('-');
  return { path: absolute(optional ? text.slice(1) : text), optional };
}

function credential(text: string): { id: string; path: string } {
  const [, id, path] = /^([A-Za-z0-9_.][A-Za-z0-9_.-]*):(.*)$/s.exec(text) ?? [];
  if (id === undefined || path === undefined || /^\.+$/.test(id))
    throw new Error('expected NAME:/absolute/path');
  return { id, path: absolute(path) };
}

function output(value: string, expand: (text: string) => string): Output {
  const [, kind, path] = /^(file|append):(.*)$/s.exec(value) ?? [];
  if (kind !== undefined) return { kind: kind as 'file' | 'append', path: absolute(expand(path ?? '')) };
  return { kind: oneOf(['journal', 'null', 'inherit'], value) };
}

function statusSet(before: ExitStatusSet, value: string): ExitStatusSet {
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
