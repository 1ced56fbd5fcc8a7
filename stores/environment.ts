/** The settings of one store: the field's own variables (`AWS_PROFILE`, `OS_AUTH_URL` ...). */
export interface StoreEnvironment {
  /** undefined if not set, or empty. */
  get(name: string): string | undefined;
  /** The variable as the operator set it, for messages; of one that is not set, as it would have to be. */
  nameOf(name: string): string;
}

/** Which of a migration's two stores it is. */
export const SIDES = ['source', 'destination'] as const;
export type Side = (typeof SIDES)[number];

/** What one kind of store is logged in to with, by how the variables' names begin. */
const FAMILIES: readonly (readonly string[])[] = [
  ['AZURE_STORAGE_'],
  ['OS_', 'ST_', 'RAX_'],
  ['AWS_'],
  ['WEBDAV_'],
];

/**
 * The variables of `env` and the files of `credentials` (by name, see credential-files.ts) as one; a variable wins.
 *
 * A side may have its own: `SOURCE_OS_PASSWORD` is the source's `OS_PASSWORD`. A side that has any of a family uses
 * only its own of that family, so that one Swift's token is never tried at another. Without a side the plain ones.
 */
export function storeEnvironment(
  env: NodeJS.ProcessEnv,
  side: Side | null = null,
  credentials: ReadonlyMap<string, string> = new Map(),
): StoreEnvironment {
  const prefix = side === null ? '' : `${side.toUpperCase()}_`;
  const isSet = (name: string): boolean => Boolean(env[name] || credentials.get(name));
  const own = FAMILIES.filter(
    (family) =>
      prefix !== '' &&
      [...Object.keys(env), ...credentials.keys()].some(
        (name) => family.some((start) => name.startsWith(prefix + start)) && isSet(name),
      ),
  ).flat();
  const setName = (name: string): string =>
    own.some((start) => name.startsWith(start)) ? prefix + name : name;
  return {
    get: (name) => env[setName(name)] || credentials.get(setName(name)) || undefined,
    nameOf(name) {
      const set = setName(name);
      return !env[set] && credentials.get(set) ? `the credential file ${set}` : set;
    },
  };
}

/** Whether a variable of this name may hold a store's credentials. */
export function isStoreVariable(name: string): boolean {
  const plain = name.replace(/^(SOURCE|DESTINATION)_/, '');
  return FAMILIES.flat().some((start) => plain.startsWith(start));
}
