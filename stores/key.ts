import { permanent } from '../runtime/errors.js';

const MAX_KEY_BYTES = 1024;

/** Keys as most are: nothing in them needs a closer look, nor any encoding. */
const PLAIN = /^[\w-][\w.-]*(?:\/[\w-][\w.-]*)*$/;

/**
 * Refuses a key that could name something outside the store or that stores disagree about: `permanent` with
 * `name-refused`. A key is relative, `/` between parts that are neither empty nor `.` nor `..`.
 */
export function checkKey(key: string): void {
  const reason = whyNotKey(key);
  if (reason !== null)
    throw permanent(`the name ${JSON.stringify(key.slice(0, 200))} ${reason}`, { code: 'name-refused' });
}

function whyNotKey(key: string): string | null {
  if (key.length <= MAX_KEY_BYTES && PLAIN.test(key)) return null;
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) return `is longer than ${MAX_KEY_BYTES} bytes`;
  if (/[\u0000-\u001f\u007f]/.test(key)) return 'holds a control character';
  if (key.includes('\\')) return 'holds a backslash';
  if (/\p{Surrogate}/u.test(key)) return 'is not valid Unicode';
  for (const part of key.split('/')) {
    if (part === '') return 'is empty, absolute or has an empty part';
    if (part === '.' || part === '..') return 'has a part that leads elsewhere';
  }
  return null;
}

/** The key as a URL's path: everything that has a meaning there is percent-encoded, `/` between parts is kept. */
export function encodeKey(key: string): string {
  return PLAIN.test(key) ? key : key.split('/').map(encodeURIComponent).join('/');
}

/** A URL's path as it reads, for comparing with what a server encodes in its own way; broken encodings stay. */
export function decodePath(path: string): string {
  return path.replace(/[^/]+/g, (part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
}
