/**
 * The four kinds of error. A caller decides by kind, never by message or by an SDK's class:
 * - `transient`: the same call may succeed later; retrying is allowed.
 * - `permanent`: the same call will fail again; a person has to change something.
 * - `conflict`: somebody else changed what the call was based on; read again and decide anew.
 * - `aborted`: the caller itself asked to stop.
 */
export const ERROR_KINDS = ['transient', 'permanent', 'conflict', 'aborted'] as const;
export type ErrorKind = (typeof ERROR_KINDS)[number];

export interface ErrorDetails {
  /** Stable machine-readable word, such as `not-found`, `unreachable`, `wrong-credentials`. */
  readonly code?: string;
  /** HTTP status where there is one. */
  readonly status?: number;
  /** How long the other side asked us to wait, in ms (Retry-After). */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

export class ConvoyError extends Error {
  readonly kind: ErrorKind;
  readonly code: string | undefined;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'ConvoyError';
    this.kind = kind;
    this.code = details.code;
    this.status = details.status;
    this.retryAfterMs = details.retryAfterMs;
  }
}

type Make = (message: string, details?: ErrorDetails) => ConvoyError;
export const transient: Make = (message, details) => new ConvoyError('transient', message, details);
export const permanent: Make = (message, details) => new ConvoyError('permanent', message, details);
export const conflict: Make = (message, details) => new ConvoyError('conflict', message, details);
export const aborted: Make = (message, details) => new ConvoyError('aborted', message, details);

/** A mistake in what the user typed or wrote: one sentence for them, exit code 2, no stack. */
export class UsageError extends ConvoyError {
  constructor(message: string, details: ErrorDetails = {}) {
    super('permanent', message, { code: 'usage', ...details });
    this.name = 'UsageError';
  }
}

/** The kind of anything thrown. What is not ours is a bug or an untranslated SDK error: `permanent`. */
export function kindOf(error: unknown): ErrorKind {
  if (error instanceof ConvoyError) return error.kind;
  if (error instanceof Error && error.name === 'AbortError') return 'aborted';
  return 'permanent';
}

/** The sentence of an error and of what caused it, without repeating a cause the message already holds. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : messageOf(error.cause);
  return cause === '' || error.message.includes(cause) ? error.message : `${error.message}: ${cause}`;
}

/** The `default` of a switch over a closed union: the compiler proves that it is never reached. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value ${JSON.stringify(value)}: please report this bug`);
}
