import { clean, cut } from './cells.js';
import type { Panel } from './frame.js';
import type { Body, Line } from './page.js';
import { tableLines } from './table-lines.js';

export interface Fitted {
  readonly body: Panel['body'];
  /** For the title: which part is seen, if not all: `1-12 of 64`. */
  readonly sight: string;
}

interface Room {
  readonly width: number;
  readonly height: number;
}

/** A body cut to the room inside its border. Of a text the part in sight is told unless it shows its end. */
export function fitted(body: Body, room: Room, focused: boolean): Fitted {
  const { width } = room;
  const height = Math.max(0, room.height);
  switch (body.kind) {
    case 'table':
      return tableLines(body, { width, height }, focused);
    case 'text': {
      const { lines, from } = body;
      const all = lines.length <= height;
      const part =
        from === 'top' ? lines.slice(0, height) : lines.slice(lines.length - Math.min(height, lines.length));
      const sight = all || from === 'end' || height === 0 ? '' : `1-${height} of ${lines.length}`;
      return { body: { kind: 'lines', lines: cutAll(part, width), selected: null }, sight };
    }
    case 'gauge': {
      const lines = cutAll(body.lines.slice(0, Math.max(0, height - 1)), width);
      return { body: { kind: 'gauge', share: body.share, lines }, sight: '' };
    }
    case 'chart':
      return { body, sight: '' };
  }
}

function cutAll(lines: readonly Line[], width: number): readonly Line[] {
  return lines.map((line) =>
    cut(
      line.map(({ text, tone }) => ({ text: clean(text), tone })),
      width,
    ),
  );
}
