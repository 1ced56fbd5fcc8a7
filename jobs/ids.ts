/** An image id becomes part of keys, paths and URLs: what could lead elsewhere is refused, never repaired. */

/** `<id>_files` must fit into a file name of 255 bytes. */
const MAX_ID_BYTES = 200;

/** null if the id can be migrated, else why not, in words. */
export function whyNotId(id: string): string | null {
  if (id === '') return 'the id is empty';
  if (Buffer.byteLength(id) > MAX_ID_BYTES) return `the id is longer than ${MAX_ID_BYTES} bytes`;
  if (/[\u0000-\u001f\u007f-\u009f]/.test(id)) return 'the id holds a control character';
  if (/[/\\]/.test(id)) return 'the id holds a slash';
  if (id.includes('..') || id.startsWith('.')) return 'the id holds ".." or starts with a dot';
  if (/\p{Surrogate}|\ufffd/u.test(id)) return 'the id is not valid Unicode';
  return null;
}

/** A hostile id made fit for records and terminals: escaped and cut. */
export function printableId(id: string): string {
  const cut = id.length > MAX_ID_BYTES ? `${id.slice(0, MAX_ID_BYTES)}...` : id;
  return cut
    .replace(/\p{Surrogate}/gu, '\ufffd')
    .replace(
      /[\u0000-\u001f\u007f-\u009f]/g,
      (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
    );
}

/** The id in a line of an id list, `id` or `id:count`; null for an empty line. */
export function idOfLine(line: string): string | null {
  const text = line.replace(/^\ufeff/, '').trim();
  return text === '' ? null : text.replace(/:\d+$/, '');
}
