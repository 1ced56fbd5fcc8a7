import type { Log } from '../runtime/log.js';
import type { Caller } from './route.js';

/** A request as the log of changes tells it. */
export interface Asked {
  readonly method: string;
  /** As sent, with its query. */
  readonly target: string;
  /** Of the path: `name` is a unit, `id` a machine. */
  readonly params: Readonly<Record<string, string>>;
  /** null: refused before anybody knew who. */
  readonly caller: Caller | null;
  /** Where a caller over TCP comes from; undefined: over a unix socket, whose other end Node cannot name. */
  readonly from: string | undefined;
  readonly status: number;
}

const LONGEST_PATH = 500;
/** Methods that change nothing anywhere. */
const LOOKS = ['GET', 'HEAD', 'OPTIONS'];

/** Logs a change, carried out or refused, in one line: who, what, and the outcome. Never bodies, queries or credentials. */
export function logChange(log: Log, { method, target, params, caller, from, status }: Asked): void {
  if (LOOKS.includes(method)) return;
  const { name: unit, id: machine } = params;
  const who = { who: caller?.name ?? null, role: caller?.role ?? null, through: caller?.through, from };
  const what = { method, path: target.replace(/\?.*$/s, '').slice(0, LONGEST_PATH), unit, machine };
  log.info({ ...who, ...what, status }, status >= 200 && status < 300 ? 'changed' : 'refused a change');
}
