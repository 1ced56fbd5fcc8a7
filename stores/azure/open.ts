import { randomBytes } from 'node:crypto';
import { systemClock } from '../../runtime/clock.js';
import { UsageError } from '../../runtime/errors.js';
import type { StoreEnvironment } from '../environment.js';
import type { Location } from '../location.js';
import { azureAccess } from './credentials.js';
import { isContainerName } from './limits.js';
import { type AzureStore, azureStore } from './store.js';

/** Throws a `UsageError` that names the variable whose value cannot be right; asks the service nothing. */
export async function openAzure(
  { account, container, prefix }: Location & { readonly kind: 'azure' },
  env: StoreEnvironment,
): Promise<AzureStore> {
  if (!isContainerName(container))
    throw new UsageError(
      `${JSON.stringify(container)} is no name of an Azure container: 3 to 63 lower-case letters, digits and single hyphens`,
    );
  const clock = systemClock();
  const access = azureAccess(account, env, clock.now());
  const nonce = (): string => randomBytes(9).toString('base64url');
  return azureStore({ access, container, prefix, clock, nonce });
}
