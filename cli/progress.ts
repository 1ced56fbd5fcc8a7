import type { Context } from './command.js';
import { manySentence, progressLine, type Waiting, waitSentence } from './progress-text.js';

/** From then on a wait says what it waits for: in lines, which stay, later than on a line that is drawn over. */
const SILENT_MS = 2_000;
const SILENT_LINE_MS = 500;
/** Up to so many each have a line of their own. */
const FEW = 8;
/** So often at most something is said about many. */
const SAY_MANY_MS = 5_000;

/** How a wait tells that it goes on. */
export interface Progress {
  show(waiting: readonly Waiting[], waitedMs: number): void;
  /** To be called before anything else is printed, and in the end. */
  clear(): void;
}

/** On a terminal one line that is drawn over, else lines; nothing for who called us fleetctl, which said nothing. */
export function openProgress(context: Context): Progress {
  if (context.fleet) return { show: () => undefined, clear: () => undefined };
  return context.terminal.err === null || context.env.TERM === 'dumb' ? inLines(context) : onOneLine(context);
}

function onOneLine({ terminal }: Context): Progress {
  let drawn = false;
  return {
    show(waiting, waitedMs) {
      if (waitedMs < SILENT_LINE_MS || waiting.length === 0) return;
      terminal.err?.write(`\r${progressLine(waiting, waitedMs, terminal.err.columns)}\x1b[K`);
      drawn = true;
    },
    clear() {
      if (drawn) terminal.err?.write('\r\x1b[K');
      drawn = false;
    },
  };
}

/** Says each thing once; of many, the first few now and then. */
function inLines({ err }: Context): Progress {
  const said = new Map<string, string>();
  let many = Number.NEGATIVE_INFINITY;
  return {
    show(waiting, waitedMs) {
      if (waitedMs < SILENT_MS || waiting.length === 0) return;
      if (waiting.length <= FEW) {
        for (const one of waiting) {
          if (said.get(one.subject) === one.why) continue;
          said.set(one.subject, one.why);
          err(waitSentence(one));
        }
      } else if (waitedMs - many >= SAY_MANY_MS) {
        many = waitedMs;
        err(manySentence(waiting, 3));
      }
    },
    clear: () => undefined,
  };
}
