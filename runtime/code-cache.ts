/**
 * Begins every built program (`build.js` puts it there), and loads what that has in dist/chunks: found by its name alone, not
 * compiled any more, as the build has kept V8's byte code of it beside it, and without those of Node's own modules that are
 * dear until they are used. V8 refuses what another version of it made, and compiles then.
 */
import { readFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Script } from 'node:vm';

/** What a file of CommonJS is loaded by: not documented, and used by all that make or change code as it is loaded. */
interface Compiled extends NodeJS.Module {
  _compile(code: string, filename: string, ...rest: readonly unknown[]): unknown;
}
type Wrapped = (
  exports: unknown,
  require: NodeJS.Require,
  module: NodeJS.Module,
  filename: string,
  folder: string,
) => unknown;

const CHUNKS = join(import.meta.dirname, '../chunks');
/** Of Node's own, those that take milliseconds to load, and are not used in every run of what imports them. */
const LATER = /^(node:)?(child_process|crypto|tls)$/;

const requireAny = createRequire(join(CHUNKS, 'any.js'));
const requireByChunk: NodeJS.Require = Object.assign((name: string): unknown => {
  if (name.startsWith('./')) return chunk(join(CHUNKS, name));
  return LATER.test(name) ? whenUsed(name) : requireAny(name);
}, requireAny);

/**
 * The most byte code of others, in bytes, that V8 takes into one function when it optimizes that: by itself, in Node 20 and 24, and in a program
 * that carries tiles. Its path is many small functions, which V8 would compile anew with each of those that call them: so the first 20,000
 * tiles of a process take a tenth less CPU, and the later ones no more.
 */
const INLINED = { byV8: 920, less: 200 };
const CARRIES_TILES = /\/jobs\/(import-blobs|upload-dzis)-main\.js$/;
const limitInlining = CARRIES_TILES.test(requireAny.main?.filename ?? '') ? inliningLimit() : undefined;
limitInlining?.(INLINED.less);

const loaded = Module.prototype as unknown as Compiled;
const compile = loaded._compile;

loaded._compile = function (code, filename, ...rest) {
  const cachedData = readCache(filename);
  if (cachedData === null) return compile.call(this, code, filename, ...rest);
  // V8 takes byte code only if the flags are those it was made with.
  limitInlining?.(INLINED.byV8);
  const script = new Script(Module.wrap(code), { filename, cachedData });
  limitInlining?.(INLINED.less);
  const run = script.runInThisContext() as Wrapped;
  return run.call(this.exports, this.exports, requireByChunk, this, filename, CHUNKS);
};

/** One that another one asks for is where its name says: Node looks for each as if it might be anywhere. */
function chunk(filename: string): unknown {
  const { cache } = requireAny;
  const module = cache[filename] ?? new Module(filename);
  if (cache[filename] === undefined) {
    cache[filename] = module;
    module.filename = filename;
    try {
      (module as Compiled)._compile(readFileSync(filename, 'utf8'), filename);
    } catch (error) {
      delete cache[filename];
      throw error;
    }
    module.loaded = true;
  }
  return module.exports;
}

function inliningLimit(): (bytes: number) => void {
  const { setFlagsFromString } = requireAny('node:v8') as typeof import('node:v8');
  return (bytes) => setFlagsFromString(`--max-inlined-bytecode-size-cumulative=${bytes}`);
}

/** The module, loaded when something of it is first looked at. */
function whenUsed(name: string): object {
  let module: object | undefined;
  const load = (): object => (module ??= requireAny(name) as object);
  return new Proxy(
    {},
    {
      get: (_, key) => Reflect.get(load(), key),
      has: (_, key) => Reflect.has(load(), key),
      ownKeys: () => Reflect.ownKeys(load()),
      // A proxy may not call fixed what its target does not have.
      getOwnPropertyDescriptor: (_, key) => ({
        ...Reflect.getOwnPropertyDescriptor(load(), key),
        configurable: true,
      }),
    },
  );
}

/** null where there is none, and where stacks are told by source maps, which Node's own way alone looks at. */
function readCache(filename: string): Buffer | null {
  if (dirname(filename) !== CHUNKS || process.sourceMapsEnabled) return null;
  try {
    return readFileSync(`${filename}.cache`);
  } catch {
    return null;
  }
}
