import type { Clock } from '../../runtime/clock.js';
import { ConvoyError, permanent, transient } from '../../runtime/errors.js';
import type { Carrier, HttpAnswer } from '../http-client.js';
import type {
  CopyDestination,
  CopySource,
  ListableStore,
  ObjectInfo,
  PartWritableStore,
  StreamedObject,
  StreamReadableStore,
  WritableStore,
} from '../store.js';
import { base64Of, blobHeaders, blobsOf, drained, infoOf } from './blobs.js';
import { blockWriter } from './blocks.js';
import { copier } from './copy.js';
import type { AzureAccess } from './credentials.js';
import { blobService } from './service.js';

export interface AzureOptions {
  readonly access: AzureAccess;
  readonly container: string;
  /** '' for the whole container. */
  readonly prefix: string;
  readonly clock: Clock;
  /** Another text each time: tells the blocks of two writers of one object apart. */
  readonly nonce: () => string;
  /** How long one request may take, in ms. */
  readonly timeoutMs?: number;
  readonly carrier?: Carrier;
  /** Objects on a page of a listing; 1000 if absent. */
  readonly pageObjects?: number;
}

export type AzureStore = WritableStore &
  ListableStore &
  StreamReadableStore &
  PartWritableStore &
  CopySource &
  CopyDestination;

/** Any name does: what comes back tells whether the container is there and we may read it. */
const CHECKED = 'convoy-check';

/**
 * Block blobs below a prefix of a container. Tiles go over our own HTTP client; the SDK lists and signs addresses,
 * and is loaded when that is first asked for.
 */
export function azureStore(options: AzureOptions): AzureStore {
  const { access, container, prefix, clock, nonce, timeoutMs, carrier, pageObjects = 1_000 } = options;
  const service = blobService(access, clock, timeoutMs, carrier);
  const blobs = blobsOf(service, access, container, prefix);
  const { name, limits, containerPath } = blobs;

  async function head(key: string, signal?: AbortSignal): Promise<ObjectInfo | null> {
    const request = blobs.request('HEAD', key, signal);
    return service
      .send(request, (answer) => {
        answer.discard();
        if (answer.length === null)
          throw permanent(`${request.what}: no Content-Length`, { code: 'rejected' });
        return infoOf(answer, answer.length);
      })
      .catch(nullIfAbsent);
  }

  return {
    name,
    traits: { checksWrites: true, reportsMd5: true, keeps: 'all', limits },
    ...blockWriter(blobs, nonce),
    ...copier(blobs, access, container, clock),
    head,
    async check(signal) {
      await service
        .send({ ...blobs.request('HEAD', CHECKED, signal), what: `check ${name}` }, (answer) =>
          answer.discard(),
        )
        .catch(nullIfAbsent);
    },
    async read(key, limit, signal) {
      return service.send(blobs.request('GET', key, signal), async (answer) => {
        const bytes = await answer.bytes(limit);
        return { ...infoOf(answer, bytes.length), bytes };
      });
    },
    async write(key, bytes, properties, signal) {
      const request = blobs.writeRequest(key, bytes.length, properties, signal);
      const headers = blobHeaders(properties);
      headers['x-ms-blob-type'] = 'BlockBlob';
      headers['content-md5'] = base64Of(properties.md5);
      await service.send({ ...request, headers, body: bytes, accept: [201] }, drained);
    },
    async remove(key, signal) {
      const request = blobs.request('DELETE', key, signal);
      blobs.refuseAnonymous(request.what);
      await service.send({ ...request, accept: [202] }, drained).catch(nullIfAbsent);
    },
    async createContainer(signal) {
      const what = `create azure://${access.account}${containerPath}`;
      blobs.refuseAnonymous(what);
      const path = `${containerPath}?restype=container`;
      await service.send({ method: 'PUT', path, what, accept: [201, 409], signal }, async (answer) => {
        await drained(answer);
        const code = answer.header('x-ms-error-code');
        if (answer.status === 201 || code === 'ContainerAlreadyExists') return;
        throw transient(`${what}: HTTP 409, ${code}`, { code: 'server-error', status: 409 });
      });
    },
    async readStream(key, offset, signal) {
      const request = blobs.request('GET', key, signal);
      const ranged =
        offset === 0 ? {} : { headers: { 'x-ms-range': `bytes=${offset}-` }, accept: [206, 416] };
      const answer = await service.stream({ ...request, ...ranged });
      if (answer.status === 416) {
        answer.discard();
        return endOf(await head(key, signal), offset, request.what);
      }
      if (answer.length === null) {
        answer.discard();
        throw permanent(`${request.what}: the answer tells no length`, { code: 'rejected' });
      }
      return { ...infoOf(answer, offset + answer.length), body: answer.body };
    },
    async readStart(key, count, signal) {
      const request = blobs.request('GET', key, signal);
      const headers = { 'x-ms-range': `bytes=0-${count - 1}` };
      const start = await service
        .send({ ...request, headers, accept: [206, 416] }, async (answer) => {
          if (answer.status === 416) return void answer.discard();
          const bytes = await answer.bytes(count);
          return { ...infoOf(answer, sizeOf(answer, request.what)), bytes };
        })
        .catch(nullIfAbsent);
      if (start !== undefined) return start;
      // An object of no bytes has no range.
      const info = await head(key, signal);
      if (info === null) return null;
      if (info.size > 0)
        throw transient(`${request.what}: replaced while it was read`, { code: 'bad-answer' });
      return { ...info, bytes: new Uint8Array() };
    },
    async listPage(wanted, cursor, signal) {
      const { listPage } = await import('./sdk.js');
      return listPage(blobs, { prefix: blobs.listPrefix(wanted), pageObjects, cursor, signal });
    },
    async listFolder(wanted, cursor, signal) {
      const { listFolder } = await import('./sdk.js');
      return listFolder(blobs, { prefix: blobs.listPrefix(wanted), pageObjects, cursor, signal });
    },
    close: () => service.close(),
  };
}

function nullIfAbsent(error: unknown): null {
  if (error instanceof ConvoyError && error.code === 'not-found') return null;
  throw error;
}

/** The body from the object's end on: no bytes, and no range to ask for. */
function endOf(info: ObjectInfo | null, offset: number, what: string): StreamedObject {
  if (info?.size !== offset)
    throw permanent(
      `${what}: asked for from byte ${offset} on, but it ${info === null ? 'is gone' : `has ${info.size}`}`,
      { code: info === null ? 'not-found' : 'rejected' },
    );
  return { ...info, body: nothing() };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function sizeOf(answer: HttpAnswer, what: string): number {
  const [, size] = /^bytes \d+-\d+\/(\d+)$/.exec(answer.header('content-range') ?? '') ?? [];
  if (size === undefined)
    throw transient(`${what}: a part was asked for, and the answer does not tell of what`, {
      code: 'bad-answer',
    });
  return Number(size);
}
