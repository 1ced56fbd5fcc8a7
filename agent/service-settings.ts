import type { Command } from './command.js';

export const SERVICE_TYPES = ['simple', 'exec', 'oneshot', 'forking', 'notify'] as const;
export type ServiceType = (typeof SERVICE_TYPES)[number];

export const RESTART_VALUES = [
  'no',
  'always',
  'on-success',
  'on-failure',
  'on-abnormal',
  'on-abort',
  'on-watchdog',
] as const;
export type RestartWhen = (typeof RESTART_VALUES)[number];

export const KILL_MODES = ['control-group', 'mixed', 'process', 'none'] as const;
export const NOTIFY_ACCESS = ['none', 'main', 'exec', 'all'] as const;

/** Exit codes and signal names. */
export interface ExitStatusSet {
  readonly codes: readonly number[];
  readonly signals: readonly string[];
}

/** Where output goes: the unit's log, nowhere, where the standard output goes, or a file. */
export type Output =
  | { readonly kind: 'journal' | 'null' | 'inherit' }
  | { readonly kind: 'file' | 'append'; readonly path: string };

/** What the [Service] section says of restarts. */
export interface RestartSettings {
  readonly type: ServiceType;
  readonly restart: RestartWhen;
  readonly restartMs: number;
  readonly successStatus: ExitStatusSet;
  readonly restartPreventStatus: ExitStatusSet;
}

/** At most `burst` starts within the interval; 0 for either means any number. */
export interface StartLimit {
  readonly intervalMs: number;
  readonly burst: number;
}

/** Names of units, in file order. */
export interface UnitRelations {
  readonly after: readonly string[];
  readonly before: readonly string[];
  readonly requires: readonly string[];
  readonly wants: readonly string[];
  readonly bindsTo: readonly string[];
  readonly partOf: readonly string[];
  readonly conflicts: readonly string[];
  /** Of [Install]: these want, or require, this unit. */
  readonly wantedBy: readonly string[];
  readonly requiredBy: readonly string[];
}

/** A unit file as the supervisor runs it: every value typed, specifiers expanded, defaults filled in. Times in ms. */
export interface ServiceSettings extends RestartSettings, UnitRelations {
  readonly startPre: readonly Command[];
  readonly start: readonly Command[];
  readonly startPost: readonly Command[];
  readonly reload: readonly Command[];
  readonly stop: readonly Command[];
  readonly stopPost: readonly Command[];
  readonly environment: Readonly<Record<string, string>>;
  readonly environmentFiles: readonly { readonly path: string; readonly optional: boolean }[];
  readonly passEnvironment: readonly string[];
  readonly credentials: readonly { readonly id: string; readonly path: string }[];
  /** `~` is the home of User=. */
  readonly workingDirectory: { readonly path: string; readonly optional: boolean };
  readonly stdout: Output;
  readonly stderr: Output;
  readonly timeoutStartMs: number;
  readonly timeoutStopMs: number;
  readonly remainAfterExit: boolean;
  readonly pidFile: string | null;
  readonly guessMainPid: boolean;
  /** Whose messages on $NOTIFY_SOCKET count. */
  readonly notifyAccess: (typeof NOTIFY_ACCESS)[number];
  /** By name or number; null is the supervisor's own. */
  readonly user: string | null;
  readonly group: string | null;
  readonly supplementaryGroups: readonly string[];
  readonly killMode: (typeof KILL_MODES)[number];
  /** Signals by number. */
  readonly killSignal: number;
  readonly finalKillSignal: number;
  readonly sendSigkill: boolean;
  readonly startLimit: StartLimit;
}
