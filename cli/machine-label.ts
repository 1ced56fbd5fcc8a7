import type { MachineReport } from '../api/wire.js';
import { permanent, UsageError } from '../runtime/errors.js';

/** How people see machines: the id, short or whole, and the address. */

/** `472d6cb2...` */
export function shortId(id: string): string {
  return id.length > 8 ? `${id.slice(0, 8)}...` : id;
}

/** How a machine stands: as `list-machines` shows it and as the operator made it. */
export type MachineState = 'ready' | 'cordoned' | 'draining' | 'left' | 'evicted' | 'gone';

export function machineState({ alive, away, cordoned, draining }: MachineReport): MachineState {
  if (!alive) return away ?? 'gone';
  return draining ? 'draining' : cordoned ? 'cordoned' : 'ready';
}

export function labelOf({ id, ip }: Pick<MachineReport, 'id' | 'ip'>): string {
  return ip === '' ? shortId(id) : `${shortId(id)}/${ip}`;
}

/** The machine an argument means: its id, the beginning of it that no other has, or the name that lists show. */
export function findMachine(machines: readonly MachineReport[], argument: string): MachineReport {
  const start = argument.replace(/\.\.\..*$/, '');
  const matches = start === '' ? [] : machines.filter(({ id }) => id.startsWith(start));
  const [match] = matches;
  if (match === undefined)
    throw permanent(`there is no machine ${argument} (see convoyctl list-machines --all)`);
  if (matches.length > 1)
    throw new UsageError(
      `machine ${argument} could be any of ${matches.map(({ id }) => id).join(', ')}: give more of its id`,
    );
  return match;
}
