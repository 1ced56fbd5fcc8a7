import { permanent } from '../../runtime/errors.js';
import type { StoreEnvironment } from '../environment.js';
import type { Location } from '../location.js';
import type { Store } from '../store.js';

export async function openS3(
  _location: Location & { readonly kind: 's3' },
  _env: StoreEnvironment,
): Promise<Store> {
  throw permanent('s3: not there yet');
}
