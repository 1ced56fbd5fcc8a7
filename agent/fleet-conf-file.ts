import { readFileSync } from 'node:fs';
import { messageOf, UsageError } from '../runtime/errors.js';
import { FLEET_CONF } from './fleet-conf.js';

/** fleet's configuration file: the one asked for, else the usual one if it is there. `UsageError` if it cannot be read. */
export function readFleetConf(asked: string | undefined): { file: string; text: string } | null {
  const file = asked ?? FLEET_CONF;
  try {
    return { file, text: readFileSync(file, 'utf8') };
  } catch (cause) {
    if (asked === undefined && (cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new UsageError(`fleet's configuration cannot be read: ${messageOf(cause)}`, { cause });
  }
}
