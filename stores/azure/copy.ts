import { createHash } from 'node:crypto';
import type { Clock } from '../../runtime/clock.js';
import { permanent } from '../../runtime/errors.js';
import type { CopyAddress, CopyDestination, CopySource } from '../store.js';
import { type Blobs, base64Of, blobHeaders, drained } from './blobs.js';
import type { AzureAccess } from './credentials.js';
import type { BlobRequest } from './service.js';

/** More is not copied in one request: it must end within a request's time-out. */
const COPY_BYTES = 256 * 1024 ** 2;
/** The longest address of a source that the service takes. */
const ADDRESS_BYTES = 2_048;
/** An address is good for at least half of this. */
const SIGNATURE_MS = 3_600_000;

type Expected = Parameters<CopyDestination['copyFrom']>[2];

/**
 * Copying by the service itself. Put Blob From URL compares what it fetched with the MD5 we name, and refuses other
 * bytes. A service that does not know it (Azurite) is asked for Copy Blob From URL, whose result is read back.
 */
export function copier(
  blobs: Blobs,
  access: AzureAccess,
  container: string,
  clock: Clock,
): CopyDestination & Pick<CopySource, 'copyAddress'> {
  const { service } = blobs;
  const readSignature = readSigner(access, container, clock);
  /** Until it says that it does not know Put Blob From URL. */
  let puts = true;

  /** Whether the service knows the request. */
  async function putFromUrl(request: BlobRequest, headers: Record<string, string>): Promise<boolean> {
    const put = { ...headers, 'x-ms-blob-type': 'BlockBlob', 'x-ms-copy-source-blob-properties': 'false' };
    return service.send({ ...request, headers: put, accept: [201, 501] }, async (answer) => {
      await drained(answer);
      return answer.status === 201;
    });
  }

  /** The copy has the source's properties until it is known to be one. */
  async function copyAndVerify(
    request: BlobRequest,
    source: Record<string, string>,
    { size, md5, ...properties }: Expected,
  ): Promise<void> {
    const copy = { ...blobHeaders(properties), ...source, 'x-ms-requires-sync': 'true' };
    await service.send({ ...request, headers: copy, accept: [202] }, drained);
    const read = { ...request, method: 'GET', what: `${request.what}, read back` };
    const found = await digestOf((await service.stream(read)).body);
    if (found.size !== size || found.md5 !== md5) {
      await service.send({ ...request, method: 'DELETE', accept: [202] }, drained);
      throw permanent(`${request.what}: the copy had other bytes than the source, and is removed`, {
        code: 'checksum-mismatch',
      });
    }
    const path = `${request.path}?comp=properties`;
    const headers = {
      ...blobHeaders({ ...properties, metadata: {} }),
      'x-ms-blob-content-md5': base64Of(md5),
    };
    await service.send({ ...request, path, headers }, drained);
  }

  return {
    async copyAddress(key) {
      const { path } = blobs.request('GET', key, undefined);
      const signature = await readSignature();
      const query = signature === '' ? '' : `?${signature}`;
      return { kind: 'url', url: `${service.origin}${service.pathOf(path)}${query}` };
    },
    canCopyFrom: (address) => address.kind === 'url',
    async copyFrom(address, key, expected, signal) {
      const { size, md5 } = expected;
      const request = blobs.writeRequest(key, size, expected, signal);
      const source = {
        'x-ms-copy-source': sourceOf(address, size, request.what),
        'x-ms-source-content-md5': base64Of(md5),
      };
      if (puts) {
        const headers = { ...blobHeaders(expected), ...source, 'x-ms-blob-content-md5': base64Of(md5) };
        puts = await putFromUrl(request, headers);
      }
      if (!puts) await copyAndVerify(request, source, expected);
    },
  };
}

async function digestOf(body: AsyncIterable<Uint8Array>): Promise<{ size: number; md5: string }> {
  const hash = createHash('md5');
  let size = 0;
  for await (const chunk of body) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { size, md5: hash.digest('hex') };
}

function sourceOf(address: CopyAddress, size: number, what: string): string {
  const refused = (why: string): Error => permanent(`${what}: ${why}`, { code: 'copy-refused' });
  if (address.kind !== 'url') throw refused(`no address over HTTP, but one of kind ${address.kind}`);
  if (size > COPY_BYTES) throw refused(`${size} bytes are too many to copy in one request`);
  if (address.url.length > ADDRESS_BYTES) throw refused('the address of the source is too long');
  return address.url;
}

/** The query that lets another service read the container: signed with the key, or the signature we were given. */
function readSigner({ account, auth }: AzureAccess, container: string, clock: Clock): () => Promise<string> {
  if (auth.kind === 'none') return async () => '';
  if (auth.kind === 'sas') return async () => auth.token;
  let made: { readonly token: Promise<string>; readonly at: number } | null = null;
  return () => {
    const now = clock.now();
    if (made === null || now - made.at > SIGNATURE_MS / 2)
      made = {
        at: now,
        token: import('./sdk.js').then(({ readToken }) =>
          readToken(account, auth.key, container, now + SIGNATURE_MS),
        ),
      };
    return made.token;
  };
}
