import { permanent } from '../runtime/errors.js';
import type { StoreEnvironment } from './environment.js';
import type { Store } from './store.js';

export function webdavStore(_url: string, _env: StoreEnvironment): Store {
  throw permanent('webdav: not there yet');
}
