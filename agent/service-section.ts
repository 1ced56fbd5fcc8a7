import { messageOf } from '../runtime/errors.js';
import type { UnitFile, UnitOption } from '../units/unit-file.js';
import { type Command, parseCommands } from './command.js';
import {
  KILL_MODES,
  NOTIFY_ACCESS,
  RESTART_VALUES,
  SERVICE_TYPES,
  type ServiceSettings,
  type UnitRelations,
} from './service-settings.js';
import {
  absolute,
  account,
  assignments,
  credential,
  NO_STATUS,
  oneOf,
  optionalPath,
  output,
  signal,
  statusSet,
  timeout,
  timespan,
  words,
  yesOrNo,
} from './service-values.js';
import { expandSpecifiers, type SpecifierContext } from './specifiers.js';
import { joinLines, splitWords } from './words.js';

export type ServiceReading =
  | { readonly kind: 'settings'; readonly settings: ServiceSettings }
  | { readonly kind: 'refused'; readonly reasons: readonly string[] };

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
/** Where systemd's default depends on other options, the draft has null until all are read. */
type Draft = Mutable<Omit<ServiceSettings, 'timeoutStartMs' | 'notifyAccess'>> & {
  timeoutStartMs: number | null;
  notifyAccess: ServiceSettings['notifyAccess'] | null;
};

/** How one option's value changes the draft. Throws an Error that says what is wrong with the value. */
type Reader = (draft: Draft, value: string, expand: (text: string) => string) => void;

const DEFAULT_TIMEOUT_MS = 90_000;
const SIGTERM = 15;
const SIGKILL = 9;

const RELATIONS: Readonly<Record<string, keyof UnitRelations>> = {
  After: 'after',
  Before: 'before',
  Requires: 'requires',
  Wants: 'wants',
  BindsTo: 'bindsTo',
  PartOf: 'partOf',
  Conflicts: 'conflicts',
};

const startLimitInterval: Reader = (draft, value) => {
  draft.startLimit = { ...draft.startLimit, intervalMs: timespan(value) };
};
const startLimitBurst: Reader = (draft, value) => {
  if (!/^\d+$/.test(value)) throw new Error('expected a number');
  draft.startLimit = { ...draft.startLimit, burst: Number(value) };
};

const UNIT_READERS: Readonly<Record<string, Reader>> = {
  Description: () => undefined,
  Documentation: () => undefined,
  StartLimitIntervalSec: startLimitInterval,
  StartLimitInterval: startLimitInterval,
  StartLimitBurst: startLimitBurst,
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
  ExecReload: commands('reload'),
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
    const [, prefix] = /^(-?)~$/.exec(value) ?? [];
    draft.workingDirectory =
      prefix === undefined ? optionalPath(expand(value)) : { path: '~', optional: prefix === '-' };
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
  PIDFile: (draft, value, expand) => {
    const path = expand(value);
    draft.pidFile = path === '' ? null : absolute(path.startsWith('/') ? path : `${expand('%t')}/${path}`);
  },
  GuessMainPID: (draft, value) => {
    draft.guessMainPid = yesOrNo(value);
  },
  NotifyAccess: (draft, value) => {
    draft.notifyAccess = oneOf(NOTIFY_ACCESS, value);
  },
  User: (draft, value, expand) => {
    draft.user = value === '' ? null : account(expand(value));
  },
  Group: (draft, value, expand) => {
    draft.group = value === '' ? null : account(expand(value));
  },
  SupplementaryGroups: (draft, value, expand) => {
    draft.supplementaryGroups =
      value === '' ? [] : [...draft.supplementaryGroups, ...words(value, expand).map(account)];
  },
  KillMode: (draft, value) => {
    draft.killMode = oneOf(KILL_MODES, value);
  },
  KillSignal: (draft, value) => {
    draft.killSignal = signal(value);
  },
  FinalKillSignal: (draft, value) => {
    draft.finalKillSignal = signal(value);
  },
  SendSIGKILL: (draft, value) => {
    draft.sendSigkill = yesOrNo(value);
  },
  // Where systemd before version 230 had them.
  StartLimitInterval: startLimitInterval,
  StartLimitBurst: startLimitBurst,
};

const INSTALL_READERS: Readonly<Record<string, Reader>> = {
  WantedBy: (draft, value, expand) => {
    draft.wantedBy = value === '' ? [] : [...draft.wantedBy, ...words(value, expand)];
  },
  RequiredBy: (draft, value, expand) => {
    draft.requiredBy = value === '' ? [] : [...draft.requiredBy, ...words(value, expand)];
  },
  Also: () => undefined,
  DefaultInstance: () => undefined,
};

/**
 * What the supervisor has to know of a unit, or every reason why it cannot run it as written. Nothing is ever
 * passed over in silence, but Description=, Documentation=, Also= and DefaultInstance= (what is enabled is the
 * agent's matter) and sections whose name begins with `X-`, which systemd ignores too.
 */
export function readService(name: string, unit: UnitFile, context: SpecifierContext): ServiceReading {
  if (!name.endsWith('.service'))
    return { kind: 'refused', reasons: ['the supervisor runs nothing but .service units'] };
  const reasons: string[] = [];
  const draft = emptyDraft();
  const expand = (text: string): string => expandSpecifiers(text, name, context);
  for (const option of unit.options) {
    if (option.section.startsWith('X-')) continue;
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
  const access = draft.notifyAccess ?? 'none';
  const { workingDirectory, user } = draft;
  const isOurHome = workingDirectory.path === '~' && user === null;
  const settings: ServiceSettings = {
    ...draft,
    timeoutStartMs: draft.timeoutStartMs ?? untimed,
    notifyAccess: draft.type === 'notify' && access === 'none' ? 'main' : access,
    workingDirectory: isOurHome ? { ...workingDirectory, path: context.home } : workingDirectory,
  };
  return { kind: 'settings', settings };
}

function readerOf({ section, name }: UnitOption): Reader | undefined {
  const readers = { Unit: UNIT_READERS, Service: SERVICE_READERS, Install: INSTALL_READERS }[section];
  return readers !== undefined && Object.hasOwn(readers, name) ? readers[name] : undefined;
}

function emptyDraft(): Draft {
  return {
    type: 'simple',
    startPre: [],
    start: [],
    startPost: [],
    reload: [],
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
    pidFile: null,
    guessMainPid: true,
    notifyAccess: null,
    user: null,
    group: null,
    supplementaryGroups: [],
    killMode: 'control-group',
    killSignal: SIGTERM,
    finalKillSignal: SIGKILL,
    sendSigkill: true,
    startLimit: { intervalMs: 10_000, burst: 5 },
    after: [],
    before: [],
    requires: [],
    wants: [],
    bindsTo: [],
    partOf: [],
    conflicts: [],
    wantedBy: [],
    requiredBy: [],
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
  const all = [draft.startPre, draft.start, draft.startPost, draft.reload, draft.stop, draft.stopPost].flat();
  const becomesOther = draft.user !== null || draft.group !== null || draft.supplementaryGroups.length > 0;
  if (becomesOther && all.some(({ argv0, fullPrivileges }) => argv0 !== null && !fullPrivileges))
    reasons.push('[Service] the prefix @ is not supported by the supervisor together with User= or Group=');
  return reasons;
}

function commands(key: 'startPre' | 'start' | 'startPost' | 'reload' | 'stop' | 'stopPost'): Reader {
  return (draft, value, expand) => {
    draft[key] =
      value === '' ? [] : ([...draft[key], ...parseCommands(splitWords(value), expand)] satisfies Command[]);
  };
}
