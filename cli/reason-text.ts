import type { FailureRecord } from '../jobs/work-queue.js';

/** What the constant words of failures mean. */

/** At which step it failed, by how the word begins. */
const STEPS = [
  ['write-', 'writing at the destination'],
  ['look-', 'looking before it is carried'],
  ['copy-', 'copied by the destination itself'],
] as const;

/** Whatever was done, and wherever. */
const WHOLE: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'worker-died': 'each worker that had it was lost',
    'copy-refused': 'the destination cannot copy it from the source by itself',
    'no-source-checksum': 'the source tells no MD5 that a copy by the destination could be verified by',
    'descriptor-changed': 'not the descriptor that was planned',
    'not-a-descriptor': 'the descriptor cannot be read as one',
    'sparse-image': 'a sparse image, which has not all of its tiles',
    collection: 'a collection, not an image',
    'bad-geometry': 'the descriptor tells sizes that no image has',
    'unsupported-format': 'tiles of a format that is not known here',
    'letter-case': 'the descriptor is there under other letter case only',
    'source-changed': 'it changed at the source while it was copied',
    'bad-id': 'this can be no id of an image',
    'digest-differs': 'its tiles do not have the digest of what was stored; which of them cannot be told',
    'not-unpublished': 'its descriptor could not be taken away',
    bug: 'a bug in convoy: the log of the worker has more',
  }),
);

/** Of one of the two stores. */
const OF_A_STORE: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'not-found': 'no such object is there',
    missing: 'no such object is there',
    empty: 'the object is empty',
    different: 'the object has other bytes than at the source',
    forbidden: 'access is refused',
    'wrong-credentials': 'the credentials are wrong',
    'container-absent': 'the container is not there',
    'disk-full': 'the disk is full',
    'too-large': 'larger than it may be',
    'name-refused': 'the store cannot hold this name',
    'metadata-refused': 'the store cannot hold a name or value of the metadata',
    'checksum-mismatch': 'the bytes do not have the MD5 that was told',
    'not-an-image': 'the body does not begin like an image of its format',
    truncated: 'the body is shorter than promised',
    timeout: 'no answer in time',
    'connection-lost': 'the connection was lost',
    unreachable: 'it cannot be reached',
    rejected: 'the request is refused',
    throttled: 'fewer requests are asked for',
    'server-error': 'the server failed',
    'bad-answer': 'an answer that cannot be understood',
    'io-error': 'the disk failed',
  }),
);

/** `reading from the source: answered with status 404`; a word that is not known stands for itself. */
export function reasonWords({ lane, reason }: Pick<FailureRecord, 'lane' | 'reason'>): string {
  const whole = WHOLE.get(reason);
  if (whole !== undefined) return whole;
  const { where, word } = lane === 'checks' ? ofCheck(reason) : ofStep(reason);
  const [, status] = /^http-(\d{3})$/.exec(word) ?? [];
  if (status !== undefined) return `${where}: answered with status ${status}`;
  const words = OF_A_STORE.get(word);
  return words === undefined ? reason : `${where}: ${words}`;
}

function ofStep(reason: string): { where: string; word: string } {
  for (const [start, where] of STEPS)
    if (reason.startsWith(start)) return { where, word: reason.slice(start.length) };
  return { where: 'reading from the source', word: reason };
}

function ofCheck(reason: string): { where: string; word: string } {
  return reason.startsWith('source-')
    ? { where: 'at the source', word: reason.slice('source-'.length) }
    : { where: 'at the destination', word: reason };
}
