import { ConvoyError, messageOf } from '../runtime/errors.js';
import type { ReadableStore } from '../stores/store.js';
import { MAX_DESCRIPTOR_BYTES, readDescriptor } from './descriptor.js';
import { whyNotId } from './ids.js';
import type { Outage } from './outage.js';
import { descriptorKey } from './pyramid.js';
import type { ImageGeometry } from './work-queue.js';

/** Why an image cannot be migrated. */
export interface ImageRefusal {
  /** A constant word, stored with the failure. */
  readonly reason: string;
  /** HTTP status, 0 where there is none. */
  readonly status: number;
  /** One sentence. */
  readonly detail: string;
}

export type ImageReading =
  /** `bytes`: of its descriptor. */
  | { readonly id: string; readonly geometry: ImageGeometry; readonly bytes: number }
  | { readonly id: string; readonly refusal: ImageRefusal };

export interface PatientSource {
  readonly source: Pick<ReadableStore, 'read' | 'head'>;
  readonly outage: Pick<Outage, 'open' | 'blames' | 'served'>;
}

/** What does not pass by itself in so many attempts is the object's own trouble. */
const ATTEMPTS = 3;

/** Reads an image's descriptor. What keeps the image from being migrated is answered; rejects `aborted` alone. */
export async function readImage(from: PatientSource, id: string, signal: AbortSignal): Promise<ImageReading> {
  const problem = whyNotId(id);
  if (problem !== null) return { id, refusal: { reason: 'bad-id', status: 0, detail: problem } };
  try {
    return await patiently(from, signal, () => look(from.source, id, signal));
  } catch (error) {
    if (!(error instanceof ConvoyError) || error.kind === 'aborted') throw error;
    const { status = 0, code = 'unknown' } = error;
    const reason = status === 0 ? code : `http-${status}`;
    return { id, refusal: { reason, status, detail: messageOf(error) } };
  }
}

/** Repeats what a source may answer later, without end while the source itself is away, else for a few attempts. */
export async function patiently<T>(
  { outage }: PatientSource,
  signal: AbortSignal,
  ask: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    await outage.open(signal);
    try {
      const answer = await ask();
      outage.served();
      return answer;
    } catch (error) {
      if (!(error instanceof ConvoyError) || error.kind === 'aborted') throw error;
      if (await outage.blames('source', error)) attempt--;
      else if (error.kind === 'permanent' || attempt >= ATTEMPTS) throw error;
    }
  }
}

async function look(source: PatientSource['source'], id: string, signal: AbortSignal): Promise<ImageReading> {
  try {
    const { bytes } = await source.read(descriptorKey(id), MAX_DESCRIPTOR_BYTES, signal);
    const reading = readDescriptor(bytes);
    if ('geometry' in reading) return { id, geometry: reading.geometry, bytes: bytes.length };
    return { id, refusal: { status: 0, ...reading.refusal } };
  } catch (error) {
    if (!(error instanceof ConvoyError) || error.code !== 'not-found') throw error;
    const key = await collectionOf(source, id, signal);
    if (key === null) throw error;
    return { id, refusal: collectionRefusal(key) };
  }
}

/** The key of the collection that the id names, `a` or `a.dzc`; null if there is none. */
async function collectionOf(
  source: PatientSource['source'],
  id: string,
  signal: AbortSignal,
): Promise<string | null> {
  const key = /\.dzc$/i.test(id) ? id : `${id}.dzc`;
  try {
    return (await source.head(key, signal)) === null ? null : key;
  } catch (error) {
    if (error instanceof ConvoyError && error.kind === 'permanent') return null;
    throw error;
  }
}

export function collectionRefusal(key: string): ImageRefusal {
  return {
    reason: 'collection',
    status: 0,
    detail: `${key} is a Deep Zoom collection, which holds no tiles of its own`,
  };
}
