import { join } from 'node:path';

/** The id of a machine of the bench. */
export const machineId = (number: number): string => number.toString(16).padStart(32, '0');

/** Where its convoyd has its sockets and what it remembers. */
export const runDirOf = (dir: string, number: number): string => join(dir, `m${number}`);
