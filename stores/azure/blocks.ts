import { aborted } from '../../runtime/errors.js';
import type { ObjectProperties, PartialWrite, PartWritableStore } from '../store.js';
import { type Blobs, base64Of, blobHeaders, drained } from './blobs.js';
import type { BlobRequest } from './service.js';

const MIB = 1024 ** 2;
const MIN_PART_BYTES = 8 * MIB;
/** Of one object: https://learn.microsoft.com/azure/storage/blobs/scalability-targets */
const MAX_BLOCKS = 50_000;

/**
 * Large objects as blocks that become visible together. The service checks each block's MD5; that of the whole it
 * keeps as it is told.
 */
export function blockWriter(blobs: Blobs, nonce: () => string): PartWritableStore {
  const partBytes = (size: number): number =>
    Math.max(MIN_PART_BYTES, Math.ceil(size / MAX_BLOCKS / MIB) * MIB);

  return {
    partBytes,
    async beginParts(key, size, properties, signal) {
      // An object of parts may be larger than one write: only name and metadata can be refused.
      const request = blobs.writeRequest(key, Math.min(size, blobs.limits.writeBytes), properties, signal);
      if (signal?.aborted) throw aborted(`${request.what}: given up`);
      return writeBlocks(blobs, request, Math.ceil(size / partBytes(size)), properties, nonce());
    },
  };
}

function writeBlocks(
  { service }: Blobs,
  begun: BlobRequest,
  count: number,
  properties: ObjectProperties,
  writer: string,
): PartialWrite {
  const id = (index: number): string =>
    Buffer.from(`${writer}-${String(index).padStart(5, '0')}`).toString('base64');
  return {
    async writePart(index, bytes, md5, signal) {
      const path = `${begun.path}?comp=block&blockid=${encodeURIComponent(id(index))}`;
      const headers = { 'content-md5': base64Of(md5) };
      const what = `${begun.what}, block ${index}`;
      await service.send({ ...begun, path, what, headers, body: bytes, accept: [201], signal }, drained);
    },
    async complete(md5, signal) {
      const list = Array.from({ length: count }, (_, index) => `<Latest>${id(index)}</Latest>`);
      const body = `<?xml version="1.0" encoding="utf-8"?><BlockList>${list.join('')}</BlockList>`;
      const headers = {
        ...blobHeaders(properties),
        'x-ms-blob-content-md5': base64Of(md5),
      };
      const path = `${begun.path}?comp=blocklist`;
      const what = `${begun.what}, block list`;
      await service.send({ ...begun, path, what, headers, body, accept: [201], signal }, drained);
    },
    /** The service forgets blocks that are in no list after a week, or when the object is written: no request does. */
    async abandon() {},
  };
}
