/**
 * Between the supervisor and its manager: lines of JSON over a unix socket. The server greets with `Hello`; then
 * each line of the client is an array of requests (so that what was asked for together arrives together), each line
 * of the server one message.
 *
 * `retire` is understood by every version: the supervisor ends, the units go on, and the next one adopts them. That
 * is how an upgrade replaces a supervisor that speaks another protocol.
 */
import { ConvoyError, ERROR_KINDS, type ErrorKind, kindOf, messageOf } from '../../runtime/errors.js';
import type { ManagedUnit, StartOptions, UnitToLoad } from '../unit-manager.js';

export const PROTOCOL = 2;

export interface Calls {
  list: { readonly params: null; readonly result: readonly ManagedUnit[] };
  load: { readonly params: UnitToLoad; readonly result: null };
  start: {
    readonly params: { readonly name: string; readonly options: StartOptions };
    readonly result: null;
  };
  stop: { readonly params: { readonly name: string }; readonly result: null };
  reload: { readonly params: { readonly name: string }; readonly result: null };
  /** `until` is a time since boot (ms), so that a call that was held up grants no more than was meant. */
  holdLease: { readonly params: { readonly until: number }; readonly result: null };
  unload: { readonly params: { readonly name: string }; readonly result: null };
  retire: { readonly params: null; readonly result: null };
}
export type Method = keyof Calls;

export interface Request<M extends Method = Method> {
  readonly id: number;
  readonly method: M;
  readonly params: Calls[M]['params'];
}

export interface WireError {
  readonly kind: ErrorKind;
  readonly code: string | null;
  readonly message: string;
}

export type ServerMessage =
  | { readonly type: 'hello'; readonly protocol: number; readonly pid: number }
  | { readonly type: 'changed' }
  | { readonly type: 'result'; readonly id: number; readonly result: unknown }
  | { readonly type: 'error'; readonly id: number; readonly error: WireError };

export function toWire(error: unknown): WireError {
  const code = error instanceof ConvoyError ? (error.code ?? null) : null;
  return { kind: kindOf(error), code, message: messageOf(error) };
}

export function fromWire({ kind, code, message }: WireError): ConvoyError {
  const known = ERROR_KINDS.includes(kind) ? kind : 'permanent';
  return new ConvoyError(known, message, code === null ? {} : { code });
}

/** Cuts a stream of text into its lines; returns what to feed with each chunk. */
export function lineSplitter(onLine: (line: string) => void): (chunk: string) => void {
  let rest = '';
  return (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  };
}

export function socketPath(runDir: string): string {
  return `${runDir}/supervisor.sock`;
}
