// Makes dist/: each program in one file with the libraries it uses, what several of them share or load later in
// dist/chunks, there with V8's code cache of it, and beside them the files they read. Files come into place whole and the
// programs last, so that a build disturbs neither another one nor a program that runs: what that one has yet to load stays
// for a day.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import Module from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';
import { build, transform } from 'esbuild';
import { etcdProtos } from './etcd-protos.js';

const { bin, dependencies, optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const BINS = Object.values(bin);
/** Started by the others, by their path. */
const HELPERS = ['agent/supervisor-main', 'cli/demo/main', 'cli/demo/fractal'];
/** Run by all of them first. */
const CODE_CACHE = 'runtime/code-cache';

/** Files of ours that programs read by `ownFile`. */
const ASSETS = ['jobs/scripts', 'units/shipped', 'units/docker', 'agent/supervisor/notify.pl'];

const OLD_MS = 24 * 3_600_000;

const { outputFiles, metafile } = await build({
  entryPoints: [
    ...BINS.map((file) => relative('dist', file).replace(/\.js$/, '')),
    ...HELPERS,
    CODE_CACHE,
  ].map((path) => ({
    in: `${path}.ts`,
    out: path,
  })),
  outdir: 'dist',
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  write: false,
  metafile: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  // Read at run time: packages that users install or leave, and those that find their parts by name.
  external: [...Object.keys(dependencies), ...Object.keys(optionalDependencies)],
  plugins: [
    etcdProtos,
    { name: 'md5-module', setup: assembleMd5 },
    { name: 'plain-strings', setup: leaveStringAlone },
    { name: 'young-commands', setup: letCommandsDie },
  ],
  sourcemap: 'inline',
  sourcesContent: false,
  legalComments: 'none',
  logLevel: 'warning',
}).catch(() => process.exit(1)); // It has said why.

for (const asset of ASSETS) copy(asset, `dist/${asset}`);
put('dist/THIRD-PARTY.txt', licences(Object.keys(metafile.inputs)));
put('dist/package.json', '{ "type": "commonjs" }\n');
const isProgram = ({ path }) => !path.includes('/dist/chunks/');
const asModules = outputFiles.map(async ({ path, text }) => ({ path, ...(await asCommonJs(text, path)) }));
const files = await Promise.all(asModules);
for (const file of files.sort((a, b) => isProgram(a) - isProgram(b))) {
  const { path, map } = file;
  const code = `${file.code}//# sourceMappingURL=${basename(path)}.map\n`;
  put(`${path}.map`, map);
  if (!isProgram(file)) put(`${path}.cache`, codeCache(code, path));
  put(path, code, BINS.includes(relative('.', path)) ? 0o755 : 0o644);
}
// It is asked for often: convoyctl has it ready. The short form is worked out each time.
put('dist/cli/help.txt', execFileSync(process.execPath, ['dist/cli/main.js', '--h']));
for (const name of readdirSync('dist/chunks'))
  if (Date.now() - statSync(`dist/chunks/${name}`).mtimeMs > OLD_MS) rmSync(`dist/chunks/${name}`);

/** To assemble the module of jobs/md5-code.ts takes a worker a fiftieth of the time in which it carries its first 20,000 tiles. */
function assembleMd5({ onLoad }) {
  onLoad({ filter: /\/jobs\/md5-code\.ts$/ }, async ({ path }) => {
    const { outputFiles } = await build({ entryPoints: [path], bundle: true, format: 'esm', write: false });
    const assembler = Buffer.from(outputFiles[0].contents).toString('base64');
    const { MD5_MODULE } = await import(`data:text/javascript;base64,${assembler}`);
    const module = Buffer.from(MD5_MODULE).toString('base64');
    return { contents: `export const MD5_MODULE = Buffer.from('${module}', 'base64');` };
  });
}

/**
 * While one class extends String, V8 looks up every method of every string each time, which makes the reading of an answer's head half
 * as slow again. ioredis has such a class and makes nothing of it: it reads verbatim strings as bytes.
 */
function leaveStringAlone({ onLoad }) {
  onLoad({ filter: /\/ioredis\/built\/resp\/verbatim-string\.js$/ }, () => ({
    contents: 'exports.VerbatimString = class VerbatimString {};',
  }));
}

/**
 * Until it optimizes the code, V8 allocates a function that is written into an assignment to a property among the old objects. ioredis does
 * so for each command: the first thousands of them were kept, with their arguments, until the next mark-compact.
 */
function letCommandsDie({ onLoad }) {
  onLoad({ filter: /\/ioredis\/built\/Command\.js$/ }, ({ path }) => {
    const text = readFileSync(path, 'utf8');
    const contents = text.replace(
      /^( +)this\.reject = (\(err\) => \{\n[\s\S]*?\n\1\});$/m,
      'const rejectWith = $2;\nthis.reject = rejectWith;',
    );
    if (contents === text)
      return {
        errors: [{ text: 'ioredis makes its commands otherwise now: see letCommandsDie in build.js' }],
      };
    return { contents };
  });
}

/**
 * esbuild splits ES modules only. Node compiles CommonJS in half the time, and begins with it sooner.
 * NODE_OPTIONS=--enable-source-maps shows stacks (CONVOY_DEBUG) by the map.
 */
function asCommonJs(text, path) {
  const head = [];
  if (isProgram({ path }) && relative('dist', path) !== `${CODE_CACHE}.js`)
    head.push(`require('${relative(dirname(path), `dist/${CODE_CACHE}.js`)}');`);
  if (text.includes('import.meta.url'))
    head.push("const fileUrl = require('node:url').pathToFileURL(__filename).href;");
  return transform(text, {
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    supported: { 'dynamic-import': false },
    // A tenth less to compile. Names stay: libraries tell errors apart by those of their classes.
    ...{ minifyWhitespace: true, minifySyntax: true },
    define: { 'import.meta.dirname': '__dirname', 'import.meta.url': 'fileUrl' },
    banner: head.join('\n'),
    sourcemap: 'external',
    sourcesContent: false,
    sourcefile: basename(path),
    logLevel: 'warning',
  });
}

/** The byte code of all functions of a chunk, also of those that V8 would compile only when they are called. */
function codeCache(code, path) {
  setFlagsFromString('--no-lazy');
  // Stacks name the file so, wherever it is.
  const script = new Script(Module.wrap(code), { filename: relative('.', path) });
  // V8 compares the flags with those of who reads it.
  setFlagsFromString('--lazy');
  return script.createCachedData();
}

/** Writes a file beside its place and moves it there. */
function put(path, contents, mode = 0o644) {
  const unfinished = join(dirname(path), `.${basename(path)}.${process.pid}`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(unfinished, contents);
  chmodSync(unfinished, mode);
  renameSync(unfinished, path);
}

function copy(from, to) {
  if (!statSync(from).isDirectory()) return put(to, readFileSync(from));
  for (const name of readdirSync(from)) copy(join(from, name), join(to, name));
}

/** Who wrote what is in the bundles, and on which terms: each package once, by name and version. */
function licences(inputs) {
  const folders = inputs.flatMap((path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []);
  const texts = new Map();
  for (const folder of [...new Set(folders)].sort()) {
    const { name, version, license, author } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
    const text = files.map((file) => readFileSync(join(folder, file), 'utf8').trim()).join('\n\n');
    texts.set(`${name} ${version} (${license})`, text || `By ${author?.name ?? author}.`);
  }
  const line = '-'.repeat(80);
  return `The programs in this folder contain:\n\n${[...texts].map(([title, text]) => `${line}\n${title}\n${line}\n\n${text}\n`).join('\n')}`;
}
