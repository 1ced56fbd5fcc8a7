import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The store's directory, with a memory of whether a disk of its own is mounted there. */
export interface Place {
  readonly directory: string;
  /**
   * Whether a disk was mounted at the directory when the store was opened and is not now: what is left is an empty
   * folder on the disk below, that must be neither filled nor believed.
   */
  isUnmounted(): Promise<boolean>;
}

export function placeAt(directory: string): Place {
  const atFirst = isMounted(directory);
  return {
    directory,
    isUnmounted: async () => (await atFirst) && !(await isMounted(directory)),
  };
}

async function isMounted(directory: string): Promise<boolean> {
  try {
    const [here, above] = await Promise.all([stat(directory), stat(dirname(directory))]);
    return here.dev !== above.dev;
  } catch {
    return false;
  }
}
