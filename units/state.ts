/** What the operator wants of a unit: known only; placed and loaded; placed, loaded and started. */
export const TARGET_STATES = ['inactive', 'loaded', 'launched'] as const;
export type TargetState = (typeof TARGET_STATES)[number];

export function isTargetState(text: string): text is TargetState {
  return (TARGET_STATES as readonly string[]).includes(text);
}

/** systemd's triple, passed on unchanged. */
export interface SystemdState {
  readonly load: string;
  readonly active: string;
  readonly sub: string;
}

/**
 * Fleet's current state, computed and never stored (fleet-compatible API): inactive without a placement or
 * before the placed machine has published a state; `launched` once the agent has asked for the start there.
 */
export function currentState(reached: 'loaded' | 'launched' | undefined): TargetState {
  return reached ?? 'inactive';
}
