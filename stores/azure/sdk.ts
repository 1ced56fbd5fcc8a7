import {
  AnonymousCredential,
  ContainerClient,
  type ContainerListBlobFlatSegmentResponse,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  type IHttpClient,
  newPipeline,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { ConvoyError, transient } from '../../runtime/errors.js';
import type { ListPage } from '../store.js';
import type { Blobs } from './blobs.js';
import { API_VERSION, type BlobService } from './service.js';

/** A page of names of 1,024 bytes, with their properties. */
const PAGE_BYTES = 64 * 1024 ** 2;

/** One List Blobs; the cursor is the service's own marker. `prefix`: of names in the container. */
export async function listPage(
  { service, containerPath, name, listPrefix }: Blobs,
  prefix: string,
  pageObjects: number,
  cursor: string | null,
  signal: AbortSignal | undefined,
): Promise<ListPage> {
  const what = `list ${name}`;
  const above = listPrefix('').length;
  const client = new ContainerClient(
    `${service.origin}${service.pathOf(containerPath)}`,
    newPipeline(new AnonymousCredential(), {
      httpClient: over(service, what, signal),
    }),
  );
  const pages = client
    .listBlobsFlat({ prefix })
    .byPage({ maxPageSize: pageObjects, ...(cursor === null ? {} : { continuationToken: cursor }) });
  try {
    const page = (await pages.next()) as IteratorYieldResult<ContainerListBlobFlatSegmentResponse>;
    const { segment, continuationToken } = page.value;
    return {
      objects: segment.blobItems.map((item) => ({
        key: item.name.slice(above),
        size: item.properties.contentLength ?? 0,
        modifiedMs: item.properties.lastModified.getTime(),
      })),
      cursor: continuationToken || null,
    };
  } catch (error) {
    if (error instanceof ConvoyError) throw error;
    // Not with the SDK's own message, which repeats the whole answer.
    throw transient(`${what}: the answer is no listing`, { code: 'bad-answer' });
  }
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
