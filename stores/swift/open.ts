import { permanent } from '../../runtime/errors.js';
import type { StoreEnvironment } from '../environment.js';
import type { Location } from '../location.js';
import type { Store } from '../store.js';

export async function openSwift(
  _location: Location & { readonly kind: 'swift' },
  _env: StoreEnvironment,
): Promise<Store> {
  throw permanent('swift: not there yet');
}
