import { join } from 'node:path';

/**
 * The path of a file of ours, such as `jobs/scripts/claim.lua`: from its folder, as in the sources. Holds for the sources
 * and for what is built of them, because this file is one folder below the root in either (`dist/chunks`).
 */
export function ownFile(path: string): string {
  return join(import.meta.dirname, '..', path);
}
