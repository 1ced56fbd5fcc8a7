import { permanent } from '../../runtime/errors.js';
import type { StoreEnvironment } from '../environment.js';
import type { Location } from '../location.js';
import type { Store } from '../store.js';

export async function openAzure(
  _location: Location & { readonly kind: 'azure' },
  _env: StoreEnvironment,
): Promise<Store> {
  throw permanent('azure: not there yet');
}
