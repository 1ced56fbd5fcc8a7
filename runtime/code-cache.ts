/**
 * Begins every built program (`build.js` puts it there): what is loaded from dist/chunks is not compiled any more, as the
 * build has kept V8's byte code of it beside it. V8 refuses what another version of it made, and compiles then.
 */
import { readFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Script } from 'node:vm';

/** What a file of CommonJS is loaded by: not documented, and used by all that make or change code as it is loaded. */
interface Compiled {
  exports: object;
  _compile(code: string, filename: string, ...rest: readonly unknown[]): unknown;
}
type Wrapped = (
  exports: object,
  require: NodeJS.Require,
  module: Compiled,
  filename: string,
  folder: string,
) => unknown;

const CHUNKS = join(import.meta.dirname, '../chunks');

const loaded = Module.prototype as unknown as Compiled;
const compile = loaded._compile;

loaded._compile = function (code, filename, ...rest) {
  const cachedData = readCache(filename);
  if (cachedData === null) return compile.call(this, code, filename, ...rest);
  const run = new Script(Module.wrap(code), { filename, cachedData }).runInThisContext() as Wrapped;
  return run.call(this.exports, this.exports, createRequire(filename), this, filename, dirname(filename));
};

/** null where there is none, and where stacks are told by source maps, which Node's own way alone looks at. */
function readCache(filename: string): Buffer | null {
  if (dirname(filename) !== CHUNKS || process.sourceMapsEnabled) return null;
  try {
    return readFileSync(`${filename}.cache`);
  } catch {
    return null;
  }
}
