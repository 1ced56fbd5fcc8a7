import {
  AnonymousCredential,
  type BlobItem,
  ContainerClient,
  type ContainerListBlobFlatSegmentResponse,
  type ContainerListBlobHierarchySegmentResponse,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  type IHttpClient,
  newPipeline,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { ConvoyError, transient } from '../../runtime/errors.js';
import type { FolderPage, ListedObject, ListPage } from '../store.js';
import type { Blobs } from './blobs.js';
import { API_VERSION, type BlobService } from './service.js';

/** A page of names of 1,024 bytes, with their properties. */
const PAGE_BYTES = 64 * 1024 ** 2;

export interface Asked {
  /** Of names in the container. */
  readonly prefix: string;
  readonly pageObjects: number;
  /** The service's own marker; null: the first page. */
  readonly cursor: string | null;
  readonly signal: AbortSignal | undefined;
}

/** One List Blobs. */
export async function listPage(blobs: Blobs, asked: Asked): Promise<ListPage> {
  const pages = containerOf(blobs, asked).listBlobsFlat({ prefix: asked.prefix }).byPage(pageOf(asked));
  const { segment, continuationToken } = await firstOf<ContainerListBlobFlatSegmentResponse>(blobs, pages);
  return { objects: objectsOf(blobs, segment.blobItems), cursor: continuationToken || null };
}

/** One List Blobs with a delimiter. */
export async function listFolder(blobs: Blobs, asked: Asked): Promise<FolderPage> {
  const { prefix } = asked;
  const pages = containerOf(blobs, asked).listBlobsByHierarchy('/', { prefix }).byPage(pageOf(asked));
  const page = await firstOf<ContainerListBlobHierarchySegmentResponse>(blobs, pages);
  const { blobItems, blobPrefixes = [] } = page.segment;
  const above = blobs.listPrefix('').length;
  return {
    objects: objectsOf(
      blobs,
      blobItems.filter(({ name }) => name !== prefix),
    ),
    folders: blobPrefixes.map(({ name }) => name.slice(above)),
    cursor: page.continuationToken || null,
  };
}

function containerOf({ service, containerPath, name }: Blobs, { signal }: Asked): ContainerClient {
  return new ContainerClient(
    `${service.origin}${service.pathOf(containerPath)}`,
    newPipeline(new AnonymousCredential(), {
      httpClient: over(service, `list ${name}`, signal),
    }),
  );
}

function pageOf({ pageObjects, cursor }: Asked) {
  return { maxPageSize: pageObjects, ...(cursor === null ? {} : { continuationToken: cursor }) };
}

async function firstOf<Page>({ name }: Blobs, pages: AsyncIterator<Page>): Promise<Page> {
  try {
    return ((await pages.next()) as IteratorYieldResult<Page>).value;
  } catch (error) {
    if (error instanceof ConvoyError) throw error;
    // Not with the SDK's own message, which repeats the whole answer.
    throw transient(`list ${name}: the answer is no listing`, { code: 'bad-answer' });
  }
}

function objectsOf({ listPrefix }: Blobs, items: readonly BlobItem[]): ListedObject[] {
  const above = listPrefix('').length;
  return items.map((item) => ({
    key: item.name.slice(above),
    size: item.properties.contentLength ?? 0,
    modifiedMs: item.properties.lastModified.getTime(),
  }));
}

/** The SDK's requests over our own client: signed, timed and translated like every other; our errors it never repeats. */
function over(service: BlobService, what: string, signal: AbortSignal | undefined): IHttpClient {
  return {
    async sendRequest(request) {
      const url = new URL(request.url);
      const below = url.pathname.slice(service.pathOf('').length);
      return service.send(
        { method: request.method, path: `${below}${url.search}`, what, signal },
        async (answer) => {
          const headers = request.headers.clone();
          for (const name of headers.headerNames()) headers.remove(name);
          for (const [name, value] of Object.entries(answer.headersFrom(''))) headers.set(name, value);
          const bodyAsText = Buffer.from(await answer.bytes(PAGE_BYTES)).toString('utf8');
          return { request, headers, status: answer.status, bodyAsText };
        },
      );
    },
  };
}

/** A service SAS to read the container's objects until then (ms since 1970). */
export async function readToken(
  account: string,
  key: string,
  container: string,
  untilMs: number,
): Promise<string> {
  return generateBlobSASQueryParameters(
    {
      containerName: container,
      permissions: ContainerSASPermissions.parse('r'),
      expiresOn: new Date(untilMs),
      version: API_VERSION,
    },
    new StorageSharedKeyCredential(account, key),
  ).toString();
}
