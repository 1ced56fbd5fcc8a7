import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { ConvoyError, kindOf, messageOf, permanent, UsageError } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import { splitObject } from '../stores/location.js';
import { openSource } from '../stores/open.js';
import type { ReadableStore } from '../stores/store.js';
import { idsIn } from './id-lines.js';

/** 1.2 million ids are 15 MB. */
const MAX_LIST_BYTES = 512 * 1024 * 1024;
/** What is in memory is taken apart in steps, each some thousand ids. */
const STEP_BYTES = 64 * 1024;

export interface IdListOptions {
  /** `-` = stdin; a path beginning with `/` or `.` = a file here; a location of an object; else a key in the source. */
  readonly from: string;
  readonly source: ReadableStore;
  readonly stdin: Readable;
  readonly log: Log;
  readonly env: NodeJS.ProcessEnv;
}

export interface IdList {
  /** `from`, but of stdin with a digest of what it held. */
  readonly name: string;
  /** From the first id: may be asked for again. */
  pages(): AsyncIterable<readonly string[]>;
}

/** Rejects `permanent` with a sentence that names the list if it cannot be had, `transient` if it may be later. */
export async function openIdList(options: IdListOptions, signal: AbortSignal): Promise<IdList> {
  const { from } = options;
  try {
    if (/^[./]/.test(from)) return { name: from, pages: await openFile(from) };
    // What comes from elsewhere is read whole, so that it can be read again.
    const bytes =
      from === '-'
        ? Buffer.concat(await options.stdin.toArray({ signal }))
        : await readObject(options, signal);
    const name = from === '-' ? `stdin:${createHash('md5').update(bytes).digest('hex')}` : from;
    return { name, pages: () => idsIn(steps(bytes)) };
  } catch (error) {
    if (error instanceof UsageError || kindOf(error) !== 'permanent') throw error;
    const hint =
      error instanceof ConvoyError && error.code === 'not-found'
        ? ` (a file of this machine is written ./${from})`
        : '';
    throw permanent(`cannot read the list of ids: ${messageOf(error)}${hint}`, { cause: error });
  }
}

async function openFile(path: string): Promise<IdList['pages']> {
  await access(path, constants.R_OK);
  if (!(await stat(path)).isFile()) throw new UsageError(`${path} is not a file`);
  return () => idsIn(createReadStream(path));
}

async function readObject(
  { from, source, log, env }: IdListOptions,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (!from.includes('://')) return (await source.read(from, MAX_LIST_BYTES, signal)).bytes;
  const object = from.endsWith('/') ? null : splitObject(from);
  if (object === null)
    throw new UsageError(`--ids ${from} names a folder: give the address of the list itself`);
  const store = await openSource(object.parent, { log, env });
  try {
    return (await store.read(object.key, MAX_LIST_BYTES, signal)).bytes;
  } finally {
    await store.close();
  }
}

async function* steps(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += STEP_BYTES) yield bytes.subarray(at, at + STEP_BYTES);
}
