import { constants, createReadStream } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { ConvoyError, kindOf, messageOf, permanent, UsageError } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import { splitObject } from '../stores/location.js';
import { openSource } from '../stores/open.js';
import type { ReadableStore } from '../stores/store.js';

/** 1.2 million ids are 15 MB. */
const MAX_LIST_BYTES = 512 * 1024 * 1024;

export interface IdListOptions {
  /** `-` = stdin; a path beginning with `/` or `.` = a file here; a location of an object; else a key in the source. */
  readonly from: string;
  readonly source: ReadableStore;
  readonly stdin: Readable;
  readonly log: Log;
  readonly env: NodeJS.ProcessEnv;
}

/** The lines of the list, from the first: may be asked for again. */
export type IdList = () => AsyncIterable<string>;

/** Rejects `permanent` with a sentence that names the list if it cannot be had, `transient` if it may be later. */
export async function openIdList(options: IdListOptions, signal: AbortSignal): Promise<IdList> {
  const { from } = options;
  try {
    const input = await openInput(options, signal);
    return () => createInterface({ input: input(), crlfDelay: Number.POSITIVE_INFINITY });
  } catch (error) {
    if (error instanceof UsageError || kindOf(error) !== 'permanent') throw error;
    const hint =
      error instanceof ConvoyError && error.code === 'not-found'
        ? ` (a file of this machine is written ./${from})`
        : '';
    throw permanent(`cannot read the list of ids: ${messageOf(error)}${hint}`, { cause: error });
  }
}

/** What comes from elsewhere is read whole, so that it can be read again. */
async function openInput(options: IdListOptions, signal: AbortSignal): Promise<() => Readable> {
  const { from } = options;
  if (/^[./]/.test(from)) {
    await access(from, constants.R_OK);
    if (!(await stat(from)).isFile()) throw new UsageError(`${from} is not a file`);
    return () => createReadStream(from);
  }
  const chunks = from === '-' ? await options.stdin.toArray({ signal }) : [await readObject(options, signal)];
  return () => Readable.from(chunks);
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
