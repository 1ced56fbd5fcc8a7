import type { View, ViewEvents } from './view.js';

/** Takes the terminal (`env`: `TERM`, `NO_COLOR`) until `close`. */
export async function openView(_events: ViewEvents, _env: NodeJS.ProcessEnv): Promise<View> {
  throw new Error('the dashboard has no view yet');
}
