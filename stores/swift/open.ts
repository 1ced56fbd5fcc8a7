import type { StoreEnvironment } from '../environment.js';
import type { Location } from '../location.js';
import { swiftSession } from './auth.js';
import { type SwiftStore, swiftStore } from './store.js';

/** Logs in with the first operation. Throws a `UsageError` that names the variable that is missing or wrong. */
export async function openSwift(
  location: Location & { readonly kind: 'swift' },
  env: StoreEnvironment,
): Promise<SwiftStore> {
  return swiftStore(await swiftSession(env), location);
}
