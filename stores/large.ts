import { createHash } from 'node:crypto';
import { ConvoyError, permanent, transient } from '../runtime/errors.js';
import {
  can,
  type ObjectInfo,
  type ObjectProperties,
  type PartWritableStore,
  type Store,
  type StreamReadableStore,
  type WritableStore,
} from './store.js';

export interface LargeCopy {
  /** Bytes. */
  readonly size: number;
  /** Of the bytes that were carried, 32 hex digits. */
  readonly md5: string;
  /** The source told an MD5, and these bytes have it. */
  readonly verified: boolean;
}

/** So many times in a row a body may break off before so many bytes more have come. */
const BREAKS = 4;
const PROGRESS_BYTES = 1024 ** 2;

/**
 * Copies an object of any size with its properties, and holds no more of it in memory than two parts: one that is
 * sent while the next is read. A body that breaks off is read on from there, if the object is certainly the same
 * still; a part that fails is repeated by the destination's wrappers. The object becomes visible only if all of it
 * came and has the MD5 the source tells; else `transient`/`checksum-mismatch`, and nothing is left behind.
 * `permanent`/`too-large` if the two stores have no roles for it.
 */
export async function copyLarge(
  source: Store,
  key: string,
  destination: Store,
  signal?: AbortSignal,
): Promise<LargeCopy> {
  if (!can(source, 'readStream'))
    throw permanent(`${source.name} cannot be read as a stream`, { code: 'too-large' });
  const send = senderTo(destination);
  const reading = await openReading(source, key, signal);
  try {
    await send(reading, key, signal);
  } catch (error) {
    await leave(reading.body);
    throw error;
  }
  const { size, md5 } = reading.info;
  return { size, md5: reading.md5(), verified: md5 !== null };
}

/** An object that is read once, in order. */
interface Reading {
  readonly info: ObjectInfo;
  /** What is carried over beside the bytes. */
  readonly properties: ObjectProperties;
  /** Exactly `info.size` bytes. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Of all bytes, once they came. Throws if the source tells another. */
  md5(): string;
}

async function openReading(
  source: StreamReadableStore,
  key: string,
  signal: AbortSignal | undefined,
): Promise<Reading> {
  const { body: firstBody, ...info } = await source.readStream(key, 0, signal);
  const { contentType, headers, metadata } = info;
  const hash = createHash('md5');
  let md5: string | undefined;

  async function* whole(): AsyncGenerator<Uint8Array> {
    let body = firstBody;
    let position = 0;
    let brokeAt = 0;
    for (let breaks = 0; ; ) {
      try {
        for await (const chunk of body) {
          position += chunk.length;
          if (position > info.size) break;
          hash.update(chunk);
          yield chunk;
        }
        if (position === info.size) return;
        throw transient(`${key}: ${position} of ${info.size} bytes came`, { code: 'truncated' });
      } catch (error) {
        if (!(error instanceof ConvoyError) || error.kind !== 'transient') throw error;
        breaks = position - brokeAt < PROGRESS_BYTES ? breaks + 1 : 1;
        if (breaks > BREAKS || position > info.size || !canBeRecognised(info)) throw error;
        brokeAt = position;
        body = await readOn(position);
      }
    }
  }

  async function readOn(position: number): Promise<AsyncIterable<Uint8Array>> {
    const { body, ...now } = await source.readStream(key, position, signal);
    if (now.size === info.size && now.md5 === info.md5 && now.modifiedMs === info.modifiedMs) return body;
    await leave(body);
    throw transient(`${key} was changed while it was read: at byte ${position} it is another object`, {
      code: 'source-changed',
    });
  }

  return {
    info,
    properties: { contentType, headers, metadata },
    body: whole(),
    md5() {
      md5 ??= hash.digest('hex');
      if (info.md5 === null || info.md5 === md5) return md5;
      const message = `${key}: the bytes do not have the MD5 the source tells`;
      throw transient(message, { code: 'checksum-mismatch' });
    },
  };
}

/** Whether a second answer can be told to be of the same object: one of equal size may be another. */
function canBeRecognised({ md5, modifiedMs }: ObjectInfo): boolean {
  return md5 !== null || modifiedMs !== null;
}

/** Ends a body that nobody reads on; one that was not begun is begun for it. */
async function leave(body: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const _ of body) break;
  } catch {
    // It had ended by itself.
  }
}

type Send = (reading: Reading, key: string, signal: AbortSignal | undefined) => Promise<void>;

function senderTo(destination: Store): Send {
  if (can(destination, 'beginParts', 'partBytes', 'write'))
    return (reading, key, signal) =>
      reading.info.size === 0
        ? sendNothing(reading, destination, key, signal)
        : sendParts(reading, destination, key, signal);
  if (can(destination, 'writeStream'))
    return (reading, key, signal) =>
      destination.writeStream(key, held(reading), reading.info.size, reading.properties, signal);
  throw permanent(`${destination.name} takes no objects in parts or as a stream`, { code: 'too-large' });
}

/** Not every store makes an object of no parts. */
async function sendNothing(
  { body, md5, properties }: Reading,
  destination: Pick<WritableStore, 'write'>,
  key: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  for await (const _ of body);
  await destination.write(key, new Uint8Array(0), { ...properties, md5: md5() }, signal);
}

async function sendParts(
  reading: Reading,
  destination: PartWritableStore,
  key: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { size } = reading.info;
  const partBytes = Math.min(destination.partBytes(size), size);
  const writing = await destination.beginParts(key, size, reading.properties, signal);
  let sent = Promise.resolve();
  try {
    let index = 0;
    for await (const part of inParts(reading.body, partBytes)) {
      const md5 = createHash('md5').update(part).digest('hex');
      await sent;
      sent = writing.writePart(index++, part, md5, signal);
      // Awaited before the next one; until then nobody listens.
      sent.catch(() => undefined);
    }
    await sent;
    await writing.complete(reading.md5(), signal);
  } catch (error) {
    // Nothing that is still on its way may come after the parts are taken away.
    await sent.catch(() => undefined);
    await writing.abandon().catch(() => undefined);
    throw error;
  }
}

/** Two buffers in turn: a part stays as it is until the next but one is asked for. */
async function* inParts(body: AsyncIterable<Uint8Array>, partBytes: number): AsyncGenerator<Uint8Array> {
  let free: Uint8Array | null = null;
  let part: Uint8Array = Buffer.allocUnsafe(partBytes);
  let filled = 0;
  for await (const chunk of body)
    for (let at = 0; at < chunk.length; ) {
      const piece = chunk.subarray(at, at + partBytes - filled);
      part.set(piece, filled);
      filled += piece.length;
      at += piece.length;
      if (filled < partBytes) continue;
      yield part;
      const next: Uint8Array = free ?? Buffer.allocUnsafe(partBytes);
      free = part;
      part = next;
      filled = 0;
    }
  if (filled > 0) yield part.subarray(0, filled);
}

/** The body, but its last chunk only when the whole is known to be right: a store keeps nothing that stays short. */
async function* held({ body, info, md5 }: Reading): AsyncGenerator<Uint8Array> {
  let position = 0;
  for await (const chunk of body) {
    position += chunk.length;
    if (position >= info.size) md5();
    yield chunk;
  }
  md5();
}
