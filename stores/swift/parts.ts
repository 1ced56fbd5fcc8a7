import { randomBytes } from 'node:crypto';
import { ConvoyError, permanent, transient } from '../../runtime/errors.js';
import type { HttpRequest } from '../http-client.js';
import type { ObjectProperties, PartialWrite } from '../store.js';
import type { SwiftAccount } from './account.js';
import { type HeldObject, objectUnder, type RemoveSegments, segmentsOf } from './large-objects.js';
import { type HeldSegment, manifestEtag, manifestOf, type Segment, segmentName } from './manifest.js';
import { containerPath, objectPath, segmentsContainer } from './names.js';
import { containerAbsent, PUT_STATUSES, putBytes, putHeaders, readToEnd, whetherStored } from './put.js';

/** Where a large object goes, and how long its requests may take. */
export interface LargeTarget {
  readonly account: SwiftAccount;
  readonly removeSegments: RemoveSegments;
  readonly container: string;
  /** In the container, with the location's prefix. */
  readonly name: string;
  readonly timeoutMs: number;
}

/** Swift looks at each segment before it answers to a manifest. */
const SEGMENT_CHECK_MS = 200;

/**
 * Makes the container of the segments when it is first needed, of the storage policy that the container itself has,
 * as Swift's own client does. Asked again after a failure, it goes on from where it was.
 */
export function segmentsHome(
  account: SwiftAccount,
  container: string,
): (signal: AbortSignal | undefined) => Promise<void> {
  let headers: Readonly<Record<string, string>> | null = null;
  let made = false;

  async function policyOf(signal: AbortSignal | undefined): Promise<Readonly<Record<string, string>>> {
    const path = containerPath(container);
    const request = { method: 'HEAD', path, what: `HEAD swift:/${path}`, accept: [200, 204, 404], signal };
    return account.send(request, (answer) => {
      answer.discard();
      if (answer.status === 404) throw containerAbsent(request.what);
      const policy = answer.header('x-storage-policy');
      return policy === null ? {} : { 'x-storage-policy': policy };
    });
  }

  return async (signal) => {
    if (made) return;
    headers ??= await policyOf(signal);
    const path = containerPath(segmentsContainer(container));
    // 409: it is there, with another policy.
    const request = { method: 'PUT', path, headers, accept: [201, 202, 409], signal };
    await account.send({ ...request, what: `PUT swift:/${path}` }, readToEnd);
    made = true;
  };
}

/**
 * A large object (SLO): its segments, each with its MD5, and a manifest that names them, whose ETag follows from
 * theirs: Swift computes it from what it holds, and refuses another. What was under the name before goes with its
 * segments when the manifest stands.
 */
export function beginSegments(target: LargeTarget, size: number, properties: ObjectProperties): PartialWrite {
  const { account, removeSegments, container, name, timeoutMs } = target;
  const home = segmentsContainer(container);
  const attempt = randomBytes(12).toString('hex');
  const path = objectPath(container, name);
  const pathOf = (index: number): string => objectPath(home, segmentName(name, attempt, size, index));
  /** Each part that may be stored; null: not known to be. */
  const parts = new Map<number, Segment | null>();
  let held: { readonly object: HeldObject | null } | null = null;
  let replaced: readonly HeldSegment[] | null = null;
  let manifestSent = false;

  const stored = (): readonly Segment[] => {
    const segments = Array.from({ length: parts.size }, (_, index) => parts.get(index) ?? null);
    const bytes = segments.reduce((sum, segment) => sum + (segment?.size ?? 0), 0);
    if (!segments.every((segment) => segment !== null) || bytes !== size)
      throw permanent(`${name}: ${bytes} of ${size} bytes were written in parts`, { code: 'rejected' });
    return segments;
  };

  const isOurs = ({ path: one }: HeldSegment): boolean => one === pathOf(0);

  return {
    async writePart(index, bytes, md5, signal) {
      if (!parts.has(index)) parts.set(index, null);
      const headers = { 'content-type': 'application/octet-stream', etag: md5 };
      await putBytes(account, pathOf(index), bytes, headers, signal);
      const segment = segmentName(name, attempt, size, index);
      parts.set(index, { name: segment, md5, size: bytes.length });
    },
    async complete(_md5, signal) {
      const segments = stored();
      const etag = manifestEtag(segments);
      held ??= { object: await objectUnder(account, path, signal) };
      replaced ??= held.object?.isLarge ? await segmentsOf(account, path, signal) : [];
      manifestSent = true;
      const request: HttpRequest = {
        ...{
          method: 'PUT',
          path: `${path}?multipart-manifest=put`,
          what: `PUT swift:/${path}, its manifest`,
        },
        headers: putHeaders(properties, etag),
        body: manifestOf(home, segments),
        ...{ accept: PUT_STATUSES, timeoutMs: timeoutMs + segments.length * SEGMENT_CHECK_MS, signal },
      };
      await account.send(request, (answer) => whetherStored(request, answer, etag)).catch(explainManifest);
      await removeSegments(replaced, signal);
    },
    async abandon(signal) {
      // A manifest that was sent may stand although its answer never came: then the parts are the object.
      if (manifestSent && (await segmentsOf(account, path, signal)).some(isOurs)) return;
      const sent = [...parts.keys()].map((index) => ({ path: pathOf(index), isLarge: false }));
      await removeSegments(sent, signal);
    },
  };
}

/** Swift says what is wrong with a segment in a 400's body. */
function explainManifest(error: unknown): never {
  if (error instanceof ConvoyError && error.status === 400) {
    if (/(Etag|Size) Mismatch/.test(error.message))
      throw permanent(error.message, { code: 'checksum-mismatch', status: 400 });
    if (/404 Not Found/.test(error.message))
      throw transient(error.message, { code: 'server-error', status: 400 });
  }
  throw error;
}
