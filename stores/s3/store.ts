import { ConvoyError, permanent } from '../../runtime/errors.js';
import type { HttpAnswer } from '../http-client.js';
import { checkHeldKey, commonLimits } from '../limits.js';
import type {
  CopyDestination,
  CopySource,
  ListableStore,
  PartWritableStore,
  StreamReadableStore,
  WritableStore,
} from '../store.js';
import { createBucket } from './bucket.js';
import { type S3ClientOptions, s3Client } from './client.js';
import { canCopyFrom, copyObject } from './copy.js';
import { pageQuery, parsePage } from './listing.js';
import { beginParts } from './parts.js';
import { contentMd5, infoOf, proofOf, refuseUnheldByS3, s3Headers } from './properties.js';
import type { S3Settings } from './settings.js';

const MIB = 1024 ** 2;
/** Of one object. */
const MAX_PARTS = 10_000;

export type S3Store = WritableStore &
  ListableStore &
  StreamReadableStore &
  PartWritableStore &
  CopySource &
  CopyDestination;

export interface S3StoreOptions extends S3ClientOptions {
  /** Keys on a page of a listing; 1000, the most S3 gives, if absent. */
  readonly pageKeys?: number;
  /** The size of a part where 10,000 of them suffice; 8 MiB if absent, S3 takes 5 MiB and more. */
  readonly partBytes?: number;
}

/**
 * A bucket of S3, or of a server that speaks its protocol. Every write carries Content-MD5. An answer to HEAD has no
 * body, and so no reason: where it refuses, or where nothing was found yet in this bucket, the bucket itself is asked.
 */
export function s3Store(settings: S3Settings, options: S3StoreOptions): S3Store {
  const client = s3Client(settings, options);
  const { prefix, pageKeys = 1000, partBytes = 8 * MIB } = options;
  const folder = prefix === '' ? '' : `${prefix}/`;
  const limits = commonLimits(prefix);
  /** That the bucket is there, and so a miss is the object's alone. */
  let known = false;

  async function listed(query: Parameters<typeof client.ask>[0]['query'], signal: AbortSignal | undefined) {
    const { text } = await client.ask({ method: 'GET', key: null, query: query ?? [], signal });
    known = true;
    return text;
  }

  /** A listing, not HEAD: its refusal has a reason in its body, and it needs the same permission (s3:ListBucket). */
  async function check(signal?: AbortSignal): Promise<void> {
    parsePage(client.what('GET', null), await listed(pageQuery(folder, '', null, 1), signal), folder);
  }

  /** The bucket of a miss: asked once. Who may not list it still has it. */
  async function insistOnBucket(signal: AbortSignal | undefined): Promise<void> {
    if (known) return;
    try {
      await check(signal);
    } catch (error) {
      if (!(error instanceof ConvoyError) || error.code !== 'forbidden') throw error;
      known = true;
    }
  }

  /** The reason that a refused HEAD did not tell. */
  async function reasonOf(error: unknown, signal: AbortSignal | undefined): Promise<never> {
    if (error instanceof ConvoyError && (error.status === 403 || error.status === 400)) await check(signal);
    throw error;
  }

  const store: S3Store = {
    name: client.name,
    traits: { checksWrites: true, reportsMd5: true, keeps: 'all', limits },
    check,

    async head(key, signal) {
      checkHeldKey(limits, key);
      try {
        return await client.send({ method: 'HEAD', key, signal }, (answer) => {
          answer.discard();
          known = true;
          return infoOf(
            answer,
            lengthOf(() => client.what('HEAD', key), answer),
          );
        });
      } catch (error) {
        if (!isMiss(error)) return reasonOf(error, signal);
        await insistOnBucket(signal);
        return null;
      }
    },

    async read(key, limit, signal) {
      checkHeldKey(limits, key);
      return client.send({ method: 'GET', key, signal }, async (answer) => {
        const bytes = await answer.bytes(limit);
        return { ...infoOf(answer, bytes.length), bytes };
      });
    },

    async readStart(key, count, signal) {
      checkHeldKey(limits, key);
      const headers = { range: `bytes=0-${Math.max(count, 1) - 1}` };
      try {
        return await client.send(
          { method: 'GET', key, headers, accept: [200, 206, 416], signal },
          async (answer) => {
            if (answer.status === 416) {
              answer.discard();
              return store.read(key, 0, signal);
            }
            const size = sizeOf(() => client.what('GET', key), answer);
            const bytes = (await answer.bytes(Math.max(count, 1))).subarray(0, count);
            return { ...infoOf(answer, size), bytes };
          },
        );
      } catch (error) {
        if (!isMiss(error)) throw error;
        return null;
      }
    },

    async readStream(key, offset, signal) {
      checkHeldKey(limits, key);
      const ranged = offset === 0 ? {} : { headers: { range: `bytes=${offset}-` }, accept: [206, 416] };
      const answer = await client.stream({ method: 'GET', key, ...ranged, signal });
      try {
        if (answer.status !== 416)
          return {
            ...infoOf(
              answer,
              sizeOf(() => client.what('GET', key), answer),
            ),
            body: answer.body,
          };
      } catch (error) {
        answer.discard();
        throw error;
      }
      answer.discard();
      const info = await store.head(key, signal);
      if (info?.size === offset) return { ...info, body: nothing() };
      throw permanent(`${client.what('GET', key)}: it does not reach byte ${offset}`, { code: 'rejected' });
    },

    async write(key, bytes, properties, signal) {
      refuseUnheldByS3(limits, key, bytes.length, properties);
      const headers = s3Headers(properties);
      headers['content-md5'] = contentMd5(properties.md5);
      await client.send({ method: 'PUT', key, headers, body: bytes, signal }, (answer) => {
        answer.discard();
        proofOf(() => client.what('PUT', key), answer, properties.md5);
      });
    },

    async remove(key, signal) {
      checkHeldKey(limits, key);
      try {
        await client.send({ method: 'DELETE', key, accept: [204], signal }, (answer) => answer.discard());
      } catch (error) {
        if (!isMiss(error)) throw error;
      }
    },

    createContainer: (signal) => createBucket(client, settings, check, signal),

    async listPage(from, cursor, signal) {
      const text = await listed(pageQuery(folder, from, cursor, pageKeys), signal);
      const { folders: _, ...page } = parsePage(client.what('GET', null), text, folder);
      return page;
    },
    async listFolder(from, cursor, signal) {
      const text = await listed(pageQuery(folder, from, cursor, pageKeys, '/'), signal);
      const page = parsePage(client.what('GET', null), text, folder);
      return { ...page, objects: page.objects.filter(({ key }) => key !== from) };
    },

    partBytes: (size) => Math.max(partBytes, Math.ceil(size / MAX_PARTS / MIB) * MIB),
    async beginParts(key, size, properties, signal) {
      refuseUnheldByS3(limits, key, 0, properties);
      return beginParts(client, key, size, properties, signal);
    },

    async copyAddress(key) {
      checkHeldKey(limits, key);
      return { kind: 's3', endpoint: settings.endpoint, path: client.pathOf(key) };
    },
    canCopyFrom: (address) => canCopyFrom(settings.endpoint, address),
    async copyFrom(address, key, expected, signal) {
      refuseUnheldByS3(limits, key, 0, expected);
      const what = client.what('COPY', key);
      if (address.kind !== 's3' || !canCopyFrom(settings.endpoint, address))
        throw permanent(`${what}: S3 cannot copy from there`, { code: 'copy-refused' });
      if (expected.size > limits.writeBytes)
        throw permanent(`${what}: ${expected.size} bytes, S3 copies ${limits.writeBytes} at once`, {
          code: 'copy-refused',
        });
      await copyObject(client, store, { path: address.path, key, expected, signal });
    },

    close: () => client.close(),
  };
  return store;
}

function isMiss(error: unknown): boolean {
  return error instanceof ConvoyError && error.code === 'not-found';
}

function lengthOf(what: () => string, answer: HttpAnswer): number {
  if (answer.length === null) throw permanent(`${what()}: the answer tells no length`, { code: 'rejected' });
  return answer.length;
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** Of the whole object, in an answer that may hold a range of it. */
function sizeOf(what: () => string, answer: HttpAnswer): number {
  if (answer.status !== 206) return lengthOf(what, answer);
  const total = /\/(\d+)$/.exec(answer.header('content-range') ?? '')?.[1];
  if (total === undefined)
    throw permanent(`${what()}: the answer tells no length of the whole`, { code: 'rejected' });
  return Number(total);
}
