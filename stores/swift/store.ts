import { aborted, ConvoyError, permanent, transient } from '../../runtime/errors.js';
import type { HttpAnswer, HttpClientOptions, HttpRequest } from '../http-client.js';
import { encodeKey } from '../key.js';
import { checkHeldKey } from '../limits.js';
import type {
  CopyDestination,
  CopySource,
  FolderPage,
  ListableStore,
  ObjectInfo,
  PartWritableStore,
  StreamReadableStore,
  WritableStore,
} from '../store.js';
import { swiftAccount } from './account.js';
import { parsed, rangedSizeOf, readListing } from './answers.js';
import { capabilitiesOf, partBytesOf, refuseUnheldBySwift, type SwiftCapabilities } from './capabilities.js';
import { copyWithin } from './copy.js';
import { objectUnder, removeLarge, removeSmall, segmentRemover } from './large-objects.js';
import { accountInCluster, containerPath, folderPath, listingPath } from './names.js';
import { beginSegments, segmentsHome } from './parts.js';
import { containerAbsent, infoOf, readToEnd } from './put.js';
import type { SwiftSession } from './session.js';
import { smallWriter } from './write.js';

export type SwiftStore = WritableStore &
  ListableStore &
  StreamReadableStore &
  PartWritableStore &
  CopySource &
  CopyDestination;

export interface SwiftStoreOptions extends HttpClientOptions {
  /** Bytes of a large object's part at least: a part is held in memory while it is sent. */
  readonly partBytes?: number;
  /** Names asked for with one page of a listing. */
  readonly pageKeys?: number;
}

const TIMEOUT_MS = 30_000;
const PART_BYTES = 32 * 1024 ** 2;
const PAGE_KEYS = 1000;
const PAGE_BYTES = 16 * 1024 ** 2;
/** For how many missed objects a container that was seen is taken to be there. */
const MISSES_UNASKED = 1000;
const FOUND = [200];
const MAYBE_FOUND = [200, 404];
const RANGE = [206];

/**
 * Objects of a container of OpenStack Swift below a prefix. One request an operation, but where a write meets an
 * object that is there already: what is replaced may be a large object, whose segments go with it.
 */
export function swiftStore(
  session: SwiftSession,
  { container, prefix }: { readonly container: string; readonly prefix: string },
  options: SwiftStoreOptions = {},
): SwiftStore {
  const { timeoutMs = TIMEOUT_MS, partBytes = PART_BYTES, pageKeys = PAGE_KEYS } = options;
  const account = swiftAccount(session, { ...options, timeoutMs });
  const removeSegments = segmentRemover(account);
  const write = smallWriter(account, removeSegments);
  const makeSegmentsHome = segmentsHome(account, container);
  const home = containerPath(container);
  const below = prefix === '' ? '' : `${prefix}/`;
  const root = `${home}/${prefix === '' ? '' : `${encodeKey(prefix)}/`}`;

  let capabilities: SwiftCapabilities = capabilitiesOf(null, prefix);
  let learning: Promise<void> | null = null;
  let missesUnasked = 0;

  /** Asked once: a cluster that does not tell is taken to be as most are. */
  const learn = async (signal: AbortSignal | undefined): Promise<void> => {
    await account.storageUrl(signal);
    learning ??= account.info().then(
      (text) => {
        capabilities = capabilitiesOf(parsed(text), prefix);
      },
      () => undefined,
    );
    await learning;
  };

  const pathOf = (key: string): string => {
    checkHeldKey(capabilities.limits, key);
    return root + encodeKey(key);
  };
  const requestFor = (
    method: string,
    path: string,
    signal: AbortSignal | undefined,
    accept: readonly number[] = FOUND,
  ): HttpRequest => ({ method, path, what: `${method} swift:/${path}`, accept, signal });

  const check = async (signal?: AbortSignal): Promise<void> => {
    const request = { ...requestFor('HEAD', home, signal), accept: [200, 204, 404] };
    await account.send(request, (answer) => {
      answer.discard();
      if (answer.status === 404) throw containerAbsent(request.what);
    });
    missesUnasked = MISSES_UNASKED;
  };
  /**
   * An object that is missed in a container that is absent is not what is wrong. Where only the container may not be
   * looked at it is there: of objects in one that is absent Swift forbids to be asked as well.
   */
  const expectContainer = async (signal: AbortSignal | undefined): Promise<void> => {
    if (missesUnasked-- > 0) return;
    try {
      await check(signal);
    } catch (error) {
      if (!(error instanceof ConvoyError) || error.code !== 'forbidden') throw error;
      missesUnasked = MISSES_UNASKED;
    }
  };
  const missed = async ({ what, signal }: HttpRequest): Promise<never> => {
    await expectContainer(signal);
    throw permanent(`${what}: HTTP 404`, { code: 'not-found', status: 404 });
  };

  async function listing(path: string, signal: AbortSignal | undefined): Promise<FolderPage> {
    const request = { ...requestFor('GET', path, signal), accept: [200, 404], what: `GET swift:/${root}` };
    const page = await account.send(request, async (answer) => {
      if (answer.status === 404) {
        answer.discard();
        throw containerAbsent(request.what);
      }
      return readListing(Buffer.from(await answer.bytes(PAGE_BYTES)).toString(), below);
    });
    if (page === null) throw transient(`${request.what}: no listing came`, { code: 'bad-answer' });
    return page;
  }

  async function head(key: string, signal: AbortSignal | undefined): Promise<ObjectInfo | null> {
    const request = requestFor('HEAD', pathOf(key), signal, MAYBE_FOUND);
    const info = await account.send(request, (answer) => {
      answer.discard();
      if (answer.status === 404) return null;
      if (answer.length === null) throw permanent(`${request.what}: no Content-Length`, { code: 'rejected' });
      return infoOf(answer, answer.length);
    });
    if (info === null) await expectContainer(signal);
    return info;
  }

  return {
    name: `swift:/${root}`.replace(/\/$/, ''),
    traits: {
      checksWrites: true,
      reportsMd5: true,
      keeps: 'all',
      get limits() {
        return capabilities.limits;
      },
    },
    check,
    head,

    async read(key, limit, signal) {
      const request = requestFor('GET', pathOf(key), signal, MAYBE_FOUND);
      const found = await account.send(request, async (answer) => {
        if (answer.status === 404) return readToEnd(answer);
        const bytes = await answer.bytes(limit);
        return { ...infoOf(answer, bytes.length), bytes };
      });
      return found ?? missed(request);
    },

    async readStream(key, offset, signal) {
      const request = requestFor('GET', pathOf(key), signal);
      const ranged = { headers: { range: `bytes=${offset}-` }, accept: RANGE };
      try {
        const answer = await account.stream(offset === 0 ? request : { ...request, ...ranged });
        return { ...infoOf(answer, sizeOf(request, answer, offset)), body: answer.body };
      } catch (error) {
        const status = error instanceof ConvoyError ? error.status : undefined;
        if (status === 404) return missed(request);
        // Nothing follows the last byte.
        const info = status === 416 ? await head(key, signal) : null;
        if (info?.size !== offset) throw error;
        return { ...info, body: nothing() };
      }
    },

    async readStart(key, count, signal) {
      const request = requestFor('GET', pathOf(key), signal);
      const ranged = { ...request, headers: { range: `bytes=0-${count - 1}` }, accept: [206, 404, 416] };
      const found = await account.send(ranged, async (answer) => {
        if (answer.status !== 206) return readToEnd(answer);
        const size = sizeOf(request, answer, 0);
        return { ...infoOf(answer, size), bytes: await answer.bytes(count) };
      });
      if (found !== undefined) return found;
      // Nothing of an empty object satisfies a range.
      const info = await head(key, signal);
      if (info !== null && info.size > 0)
        throw transient(`${request.what}: changed while it was read`, { code: 'server-error' });
      return info === null ? null : { ...info, bytes: new Uint8Array() };
    },

    async write(key, bytes, properties, signal) {
      await learn(signal);
      refuseUnheldBySwift(capabilities, key, bytes.length, properties);
      await write(pathOf(key), bytes, properties, signal);
    },

    async remove(key, signal) {
      const path = pathOf(key);
      const held = await objectUnder(account, path, signal);
      if (held === null) return;
      await (held.isLarge ? removeLarge : removeSmall)(account, path, signal);
    },

    async createContainer(signal) {
      const request = { ...requestFor('PUT', home, signal), accept: [201, 202] };
      await account.send(request, (answer) => answer.discard());
    },

    async listPage(start, cursor, signal) {
      const { folders: _, ...page } = await listing(
        listingPath(container, below + start, cursor, pageKeys),
        signal,
      );
      return page;
    },

    async listFolder(folder, cursor, signal) {
      const page = await listing(folderPath(container, below + folder, cursor, pageKeys), signal);
      return { ...page, objects: page.objects.filter(({ key }) => key !== folder) };
    },

    partBytes: (size) => partBytesOf(capabilities, size, partBytes),

    async beginParts(key, size, properties, signal) {
      await learn(signal);
      const { segments, limits } = capabilities;
      refuseUnheldBySwift(capabilities, key, 0, properties);
      if (size > segments * limits.writeBytes)
        throw permanent(
          `${key}: ${size} bytes, the store takes ${segments} segments of ${limits.writeBytes}`,
          { code: 'too-large' },
        );
      if (signal?.aborted) throw aborted(`${key}: given up`);
      await makeSegmentsHome(signal);
      return beginSegments(
        { account, removeSegments, container, name: below + key, timeoutMs },
        size,
        properties,
      );
    },

    async copyAddress(key, signal) {
      const path = pathOf(key);
      return { kind: 'swift', storageUrl: await account.storageUrl(signal), path };
    },

    canCopyFrom(address) {
      if (address.kind !== 'swift') return false;
      const ours = account.knownStorageUrl;
      return ours === null || accountInCluster(address.storageUrl, ours) !== null;
    },

    async copyFrom(address, key, expected, signal) {
      await learn(signal);
      refuseUnheldBySwift(capabilities, key, 0, expected);
      const path = pathOf(key);
      await copyWithin(account, removeSegments, address, path, expected, timeoutMs, signal, () =>
        expectContainer(signal),
      );
    },

    close: () => account.close(),
  };
}

/** Of the whole, told by an answer that begins at `offset`. */
function sizeOf({ what }: HttpRequest, answer: HttpAnswer, offset: number): number {
  const size = answer.status === 206 ? rangedSizeOf(answer, offset) : answer.length;
  if (size !== null) return size;
  answer.discard();
  throw permanent(`${what}: not the bytes from ${offset} on, or without a length`, { code: 'rejected' });
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
