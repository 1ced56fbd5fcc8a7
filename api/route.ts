import { type ConvoyError, permanent } from '../runtime/errors.js';
import type { ErrorCode, FleetCode } from './error-codes.js';
import type { AnyOperation } from './operation.js';
import type { Peers } from './peers.js';

/** The header that carries `Reply.revision`. */
export const REVISION = 'x-convoy-revision';

export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE' | 'PATCH';

/**
 * What a caller may do: each role includes those before it. `unit` is for what a socket open to all units shows; no
 * token or certificate gives it.
 */
export const ROLES = ['unit', 'read', 'operate', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export interface Caller {
  /** For the log of changes: the name of a token or certificate, or the address that all may use. */
  readonly name: string;
  readonly role: Role;
  /** The machine that has checked who this is and asks in its name. */
  readonly through?: string;
}

/** One request, as a route sees it. */
export interface Call {
  readonly method: string;
  /** As sent: what another machine is asked when the request is passed on. */
  readonly target: string;
  /** The `:name` parts of the route's path, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Every Content-Type header there was. */
  readonly contentTypes: readonly string[];
  /** The generation an If-Match header names; undefined: there is none. Refused with 400 if it is no generation. */
  ifMatch(): number | undefined;
  /** A header by its name in lower case; the first if it was given several times. */
  header(name: string): string | undefined;
  /** The whole body as text; rejects over 4 MiB. */
  body(): Promise<string>;
  /** Who asks, and what they may do. */
  readonly caller: Caller;
  /** How other machines are asked. */
  readonly peers: Peers;
  /** Another convoyd sent this on: it is answered here or not at all. */
  readonly passedOn: boolean;
  /** Fires when the caller has gone. */
  readonly signal: AbortSignal;
  /** Fires when the caller has gone or the server stops: for what may never end by itself. */
  readonly ending: AbortSignal;
}

/**
 * What a route answers; refusals are thrown. `lines` is streamed, a line each: text/plain, or `type`. `etag`: the
 * generation of what is shown, for If-Match. `type` without `json`: named although there is no body.
 */
export type Reply =
  | {
      readonly status: number;
      readonly json?: unknown;
      readonly etag?: number;
      readonly type?: string;
      readonly revision?: number;
    }
  | { readonly status: number; readonly lines: AsyncIterable<string>; readonly type?: string };

export type Handler = (call: Call) => Promise<Reply>;

/**
 * A row of the route table. `dialect` says how errors look: `fleet` has the numeric code and fleet's texts,
 * `native` the word and the kind.
 */
export interface Route {
  readonly dialect: 'fleet' | 'native';
  /** `/v1/units/:name`; a parameter never holds a slash. */
  readonly path: string;
  readonly methods: Readonly<Partial<Record<Method, Handler>>>;
  /** Where a method needs another role than `read` for GET and `operate` for all others. */
  readonly roles?: Readonly<Partial<Record<Method, Role>>>;
  /** What the methods take and answer, for the document of the native API. */
  readonly operations?: Readonly<Partial<Record<Method, AnyOperation>>>;
  /** Message of the 405 for any other method. */
  readonly otherMethods: string;
  /** Where that refusal is not a 405. */
  readonly otherStatus?: number;
}

/** A refusal to be thrown by a route: goes out with exactly this status. */
export function refuse(status: number, code: ErrorCode | FleetCode, message: string): ConvoyError {
  return permanent(message, { status, code });
}

/** A path parameter: the route's own path has it, so it is there. */
export function param(call: Call, name: string): string {
  return call.params[name] ?? '';
}
