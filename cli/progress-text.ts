/** One thing that is waited for: `unit web.service`, `to report state launched`, `activating (start)`. */
export interface Waiting {
  readonly subject: string;
  readonly what: string;
  readonly why: string;
}

/** `Waiting for unit web.service to report state launched: activating (start)`. */
export function waitSentence({ subject, what, why }: Waiting): string {
  return `Waiting for ${subject} ${what}: ${why}`;
}

/** Of many that are waited for, the first few. All of one command are waited for with the same end. */
export function manySentence(waiting: readonly Waiting[], shown: number): string {
  const [first] = waiting;
  const some = waiting
    .slice(0, shown)
    .map(({ subject, why }) => `${subject.replace(/^unit /, '')}: ${why}`)
    .join('; ');
  const more = waiting.length > shown ? `; and ${waiting.length - shown} more` : '';
  return `Waiting for ${waiting.length} units ${first?.what ?? ''}: ${some}${more}`;
}

/** In one line of a terminal, which is cut: `Waiting 3s for 12, web@7.service: activating (start)`. */
export function progressLine(waiting: readonly Waiting[], waitedMs: number, columns: number): string {
  const [first] = waiting;
  if (first === undefined) return '';
  const subject = first.subject.replace(/^unit /, '');
  const which = waiting.length > 1 ? `${waiting.length}, ${subject}` : subject;
  const text = `Waiting ${Math.floor(waitedMs / 1000)}s for ${which}: ${first.why}`;
  // What a unit says of itself may hold anything.
  const plain = [...text.replace(/\p{Cc}+/gu, ' ')];
  const room = Math.max(1, columns - 1);
  return (plain.length <= room ? plain : [...plain.slice(0, room - 1), '…']).join('');
}
