import { idOfLine } from './ids.js';

/** More of a line is not kept: no id is that long, and a file without line breaks is no list. */
const MAX_LINE_CHARS = 4_096;

/** The ids of a list that comes in chunks, a page for each. UTF-8, with or without a byte order mark; any line ends. */
export async function* idsIn(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly string[]> {
  const decoder = new TextDecoder();
  let begun = '';
  for await (const chunk of chunks) {
    const lines = (begun + decoder.decode(chunk, { stream: true })).split(/[\r\n]+/);
    begun = (lines.pop() ?? '').slice(0, MAX_LINE_CHARS);
    const ids = lines.flatMap((line) => idOfLine(line) ?? []);
    if (ids.length > 0) yield ids;
  }
  const last = idOfLine(begun + decoder.decode());
  if (last !== null) yield [last];
}
