import { ConvoyError, kindOf, messageOf } from '../runtime/errors.js';
import { createWakeUps, type WakeUps } from '../runtime/wake-ups.js';
import type { Context, Terminal } from './command.js';

/** No more often than this is anything read: a busy cluster changes all the time. */
const PAUSE_MS = 250;
const RETRY_MS = 1000;

/**
 * Shows a text, and again whenever the cluster has changed and the text with it, until Ctrl-C: drawn over on a
 * terminal, one after the other in a pipe. Events only wake; what is shown was read afterwards. Rejects if nothing
 * could be read yet; later failures are told, and tried again. Answers the exit code.
 */
export async function watchText(context: Context, read: () => Promise<string>): Promise<number> {
  const { clock, terminal } = context;
  const enough = context.interrupted();
  const broken = new AbortController();
  const ending = AbortSignal.any([enough, broken.signal]);
  const wakeUps = createWakeUps();
  const wakes = wakeUps.changes(ending);
  const listening = listen(context, wakeUps, ending).catch((error: unknown) => broken.abort(error));
  let shown: string | null = null;
  let failure = '';
  try {
    for await (const _wake of wakes) {
      try {
        const text = await read();
        if (text !== shown)
          await context.write(terminal.out === null ? text : frame(text, terminal.out, shown === null));
        shown = text;
        failure = '';
      } catch (error) {
        if (shown === null || !(error instanceof ConvoyError)) throw error;
        if (failure !== error.message) context.err(`${error.message}; trying again`);
        failure = error.message;
        wakeUps.wake();
      }
      await clock.sleep(PAUSE_MS, ending).catch(() => undefined);
    }
  } finally {
    broken.abort();
    await listening;
    if (terminal.out !== null) await context.write(WRAP);
  }
  if (!enough.aborted) throw broken.signal.reason;
  return 0;
}

/** Wakes when the events begin and whenever some come. A lost connection is taken up again; only the end of all ends it. */
async function listen({ api, clock, err }: Context, { wake }: WakeUps, ending: AbortSignal): Promise<void> {
  let told = false;
  let heard = false;
  while (!ending.aborted) {
    try {
      for await (const _batch of api.events({}, ending)) {
        heard = true;
        if (told) err('Connected again');
        told = false;
        wake();
      }
    } catch (error) {
      if (ending.aborted) return;
      if (!heard || kindOf(error) === 'permanent') throw error;
      if (!told) err(`${messageOf(error)}; trying again`);
      told = true;
      await clock.sleep(RETRY_MS, ending).catch(() => undefined);
    }
  }
}

const NO_WRAP = '\u001b[?7l';
const WRAP = '\u001b[?7h';
const CLEAR = '\u001b[2J';
const HOME = '\u001b[H';
const ERASE_LINE = '\u001b[2K';
const TO_END = '\u001b[J';

/** The text in the place of what was drawn before, cut to the terminal's height. Tabs leave what is under them. */
function frame(text: string, { rows }: Terminal, isFirst: boolean): string {
  const lines = text.split('\n').slice(0, -1);
  const room = Math.max(1, rows - 1);
  const shown =
    lines.length <= room ? lines : [...lines.slice(0, room - 1), `... ${lines.length - room + 1} more`];
  return `${isFirst ? CLEAR : ''}${NO_WRAP}${HOME}${shown.map((line) => `${ERASE_LINE}${line}\n`).join('')}${TO_END}`;
}
