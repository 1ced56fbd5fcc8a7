import { join } from 'node:path';

/** The repository's root, from test/support/. */
export const ROOT = join(import.meta.dirname, '..', '..');

/** How tests run one of the product's programs: the built file, as users get it (`npm run build` first). */
export function program(path: string): string {
  return join(ROOT, 'dist', path);
}
