/** The settings of one store: the field's own variables (`AWS_PROFILE`, `OS_AUTH_URL` ...). */
export interface StoreEnvironment {
  /** undefined if not set, or empty. */
  get(name: string): string | undefined;
  /** The variable as the operator set it, for messages. */
  nameOf(name: string): string;
}

/** Which of a migration's two stores it is. */
export type Side = 'source' | 'destination';

export function storeEnvironment(env: NodeJS.ProcessEnv): StoreEnvironment {
  return { get: (name) => env[name] || undefined, nameOf: (name) => name };
}
