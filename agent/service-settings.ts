import type { Command } from './command.js';

export const SERVICE_TYPES = ['simple', 'exec', 'oneshot'] as const;
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

/** Names of units, in file order. */
export interface UnitRelations {
  readonly after: readonly string[];
  readonly before: readonly string[];
  readonly requires: readonly string[];
  readonly wants: readonly string[];
  readonly bindsTo: readonly string[];
  readonly partOf: readonly string[];
  readonly conflicts: readonly string[];
}

/** A unit file as the supervisor runs it: every value typed, specifiers expanded, defaults filled in. Times in ms. */
export interface ServiceSettings extends RestartSettings, UnitRelations {
  readonly startPre: readonly Command[];
  readonly start: readonly Command[];
  readonly startPost: readonly Command[];
  readonly stop: readonly Command[];
  readonly stopPost: readonly Command[];
  readonly environment: Readonly<Record<string, string>>;
  readonly environmentFiles: readonly { readonly path: string; readonly optional: boolean }[];
  readonly passEnvironment: readonly string[];
  readonly credentials: readonly { readonly id: string; readonly path: string }[];
  readonly workingDirectory: { readonly path: string; readonly optional: boolean };
  readonly stdout: Output;
  readonly stderr: Output;
  readonly timeoutStartMs: number;
  readonly timeoutStopMs: number;
  readonly remainAfterExit: boolean;
}
