import { join } from 'node:path';

/** Where convoyctl reaches a convoyd with this run directory. */
export const apiSocket = (runDir: string): string => join(runDir, 'api.sock');
/** Where units reach it, to read only. */
export const unitSocket = (runDir: string): string => join(runDir, 'read.sock');
