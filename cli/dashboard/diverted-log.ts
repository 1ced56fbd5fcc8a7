import type { Log } from '../../runtime/log.js';

export interface DivertedLog {
  readonly log: Log;
  /** From now on its lines go there, and no longer where they went; null: as before. */
  divert(to: ((words: string, isBad: boolean) => void) | null): void;
}

/** A log that can be kept off the terminal while that is drawn upon. */
export function divertedLog(usual: Log): DivertedLog {
  let to: ((words: string, isBad: boolean) => void) | null = null;

  function of(log: Log): Log {
    return {
      debug: (fields, message) => to === null && log.debug(fields, message),
      info: (fields, message) => (to === null ? log.info(fields, message) : to(told(fields, message), false)),
      warn: (fields, message) => (to === null ? log.warn(fields, message) : to(told(fields, message), true)),
      error: (fields, message) =>
        to === null ? log.error(fields, message) : to(told(fields, message), true),
      child: (fields) => of(log.child(fields)),
    };
  }
  return {
    log: of(usual),
    divert(there) {
      to = there;
    },
  };
}

/** `serving numbers (address 127.0.0.1:9102)` */
function told(fields: object, message: string): string {
  const facts = Object.entries(fields).map(([name, value]) => `${name} ${String(value)}`);
  return facts.length === 0 ? message : `${message} (${facts.join(', ')})`;
}
