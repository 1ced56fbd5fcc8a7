import * as v from 'valibot';
import { compileGlob } from '../runtime/glob.js';

/** A query parameter that names units: a name, or a shell pattern. Read as what tells whether a name fits. */
export const unitGlob = v.optional(
  v.pipe(
    v.string(),
    v.check((pattern) => compileGlob(pattern).valid, 'the name of a unit or a pattern such as web@*'),
    v.description('A name or a shell pattern, such as `web@*`.'),
  ),
);

/** Absent: every name fits. */
export function unitFilter(pattern: string | undefined): (name: string) => boolean {
  if (pattern === undefined) return () => true;
  const glob = compileGlob(pattern);
  return (name) => glob.matches(name);
}
