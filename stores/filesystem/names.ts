import { permanent } from '../../runtime/errors.js';
import { checkHeldKey } from '../limits.js';
import type { StoreLimits } from '../store.js';

/** Files are written here and moved to their names: on the same file system, and never listed. */
export const INCOMING = '.convoy-incoming';

/** `name-refused` for a key that no file below the directory may have. */
export function checkFileKey(limits: StoreLimits, key: string): void {
  checkHeldKey(limits, key);
  if (key === INCOMING || key.startsWith(`${INCOMING}/`))
    throw permanent(`the name "${key}" is reserved`, { code: 'name-refused' });
}

/**
 * Some file systems take names for one that differ by case alone (vfat, APFS) or by the Unicode form of their
 * accents: two objects would become one file, and each would seem to be there. On such a disk only keys are held
 * that are folded already, as no two of them can be taken for one: lower case, composed (NFC).
 */
export function refuseFoldable(key: string, directory: string): void {
  const folded = key.toUpperCase().toLowerCase().normalize('NFC');
  if (folded === key) return;
  throw permanent(
    `${directory} cannot hold the name ${JSON.stringify(key)}: its file system takes it for ${JSON.stringify(folded)}, so it holds lower-case names only`,
    { code: 'name-refused' },
  );
}
