import type { ListedObject, StoreTraits } from '../stores/store.js';
import type { ListedStoreObject, ShownLocation } from './json-output.js';

/** How objects and stores are put in words. */

/** `        1234 2026-11-21T09:00:00Z a/b.jpg`: the name comes last, as it may hold anything. */
export function objectLine({ key, size, modified }: ListedStoreObject, terminal: boolean): string {
  const time = modified === null ? '-' : seconds(modified);
  return `${String(size).padStart(12)} ${time.padEnd(20)} ${terminal ? printable(key) : key}`;
}

export function listedObject({ key, size, modifiedMs }: ListedObject): ListedStoreObject {
  return { key, size, modified: isoOrNull(modifiedMs) };
}

/** ISO 8601 in UTC, or null. */
export function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

/** What a terminal would obey, or not show, is written as its number: `\x1b`, `\u202e`. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code < 256
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

const KEEPS: Readonly<Record<StoreTraits['keeps'], string>> = {
  nothing: 'bytes only',
  'content-type': 'content type',
  all: 'content type, headers, metadata',
};

/** Everything `store stat` says. */
export function locationLines(shown: ShownLocation): string[] {
  const yes = (value: boolean): string => (value ? 'yes' : 'no');
  const about: [string, string][] =
    shown.kind === 'object'
      ? [
          ['Size', `${shown.size} bytes`],
          ['MD5', shown.md5 ?? 'not known to the store'],
          ['Content type', shown.contentType ?? '-'],
          ['Modified', shown.modified === null ? '-' : seconds(shown.modified)],
          ...Object.entries(shown.headers ?? {}).map(([name, value]): [string, string] => [name, value]),
          ...Object.entries(shown.metadata ?? {}).map(([name, value]): [string, string] => [
            `metadata ${name}`,
            value,
          ]),
        ]
      : [['State', 'can be used']];
  const rows: [string, string][] = [
    ...about,
    ['Writable', yes(shown.writable)],
    ['Listable', yes(shown.listable)],
    ['Checks writes', shown.checksWrites ? 'yes, by MD5' : 'no'],
    ['Tells MD5s', yes(shown.reportsMd5)],
    ['Keeps', KEEPS[shown.keeps]],
  ];
  return [
    `${printable(shown.location)}: ${shown.kind}`,
    ...rows.map(([name, words]) => `  ${printable(`${name}:`.padEnd(16))}${printable(words)}`),
  ];
}

function seconds(iso: string): string {
  return iso.replace(/\.\d+Z$/, 'Z');
}
