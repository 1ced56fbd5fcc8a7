import { permanent } from '../../runtime/errors.js';
import type { StoreEnvironment } from '../environment.js';
import type { Location } from '../location.js';
import type { Store } from '../store.js';

export async function openPkgcloud(
  _location: Location & { readonly kind: 'pkgcloud' },
  _env: StoreEnvironment,
): Promise<Store> {
  throw permanent('pkgcloud: not there yet');
}
