import { permanent } from '../../runtime/errors.js';
import { type HttpAnswer, md5FromBase64, modifiedOf, propertiesOf } from '../http-client.js';
import { encodeKey } from '../key.js';
import { HELD_HEADERS, type ObjectInfo, type ObjectProperties, type StoreLimits } from '../store.js';
import type { AzureAccess } from './credentials.js';
import { azureLimits, refuseName, refuseObject } from './limits.js';
import type { BlobRequest, BlobService } from './service.js';

/** A prefix of a container, as requests see it: what may not be sent is refused while the request is made. */
export interface Blobs {
  readonly service: BlobService;
  readonly limits: StoreLimits;
  /** The location, for messages. */
  readonly name: string;
  /** Below the endpoint, encoded. */
  readonly containerPath: string;
  /** About one object. */
  request(method: string, key: string, signal: AbortSignal | undefined): BlobRequest;
  /** A PUT of an object of `size` bytes. */
  writeRequest(
    key: string,
    size: number,
    properties: ObjectProperties,
    signal: AbortSignal | undefined,
  ): BlobRequest;
  /** The start of names, as the service lists them. */
  listPrefix(wanted: string): string;
  /** Throws `wrong-credentials` where there are none: nobody may write to a public container. */
  refuseAnonymous(what: string): void;
}

export function blobsOf(service: BlobService, access: AzureAccess, container: string, prefix: string): Blobs {
  const limits = azureLimits(prefix);
  const containerPath = `/${encodeURIComponent(container)}`;
  const base = prefix === '' ? containerPath : `${containerPath}/${encodeKey(prefix)}`;
  const above = prefix === '' ? '' : `${prefix}/`;
  const name = `azure://${access.account}${base}`;

  const request = (method: string, key: string, signal: AbortSignal | undefined): BlobRequest => {
    const encoded = encodeKey(key);
    return { method, path: `${base}/${encoded}`, what: `${method} ${name}/${encoded}`, signal };
  };
  const refuseAnonymous = (what: string): void => {
    if (access.auth.kind === 'none')
      throw permanent(`${what}: writing needs credentials, and none of ${access.auth.variable} is set`, {
        code: 'wrong-credentials',
      });
  };
  return {
    ...{ service, limits, name, containerPath, refuseAnonymous },
    request(method, key, signal) {
      refuseName(limits, prefix, key);
      return request(method, key, signal);
    },
    writeRequest(key, size, properties, signal) {
      refuseObject(limits, prefix, key, size, properties);
      const made = request('PUT', key, signal);
      refuseAnonymous(made.what);
      return made;
    },
    listPrefix(wanted) {
      if (/[\u0000-\u001f\u007f]/.test(wanted))
        throw permanent(`no name starts with ${JSON.stringify(wanted)}: it holds a control character`, {
          code: 'name-refused',
        });
      return above + wanted;
    },
  };
}

/** The answer of a write is empty, or a line or two. */
const SMALL_BYTES = 65_536;

/** Takes the whole answer, so that its connection serves the next request. */
export async function drained(answer: HttpAnswer): Promise<void> {
  await answer.bytes(SMALL_BYTES);
}

/** The headers that set an object's properties, whatever way it is written. */
export function blobHeaders(properties: ObjectProperties): Record<string, string> {
  const headers: Record<string, string> = {};
  if (properties.contentType !== null) headers['x-ms-blob-content-type'] = properties.contentType;
  for (const name of HELD_HEADERS) {
    const value = properties.headers[name];
    if (value !== undefined) headers[`x-ms-blob-${name}`] = value;
  }
  for (const name in properties.metadata) headers[`x-ms-meta-${name}`] = properties.metadata[name] ?? '';
  return headers;
}

/** Of page and append blobs the MD5 is whatever a client once said: appending does not change it. */
export function infoOf(answer: HttpAnswer, size: number): ObjectInfo {
  const isBlock = answer.header('x-ms-blob-type') === 'BlockBlob';
  return {
    ...propertiesOf(answer, 'x-ms-meta-'),
    size,
    md5: isBlock
      ? md5FromBase64(answer.header('x-ms-blob-content-md5') ?? answer.header('content-md5'))
      : null,
    modifiedMs: modifiedOf(answer),
  };
}

/** MD5 in the base64 of Content-MD5, from hex. */
export function base64Of(md5: string): string {
  return Buffer.from(md5, 'hex').toString('base64');
}
