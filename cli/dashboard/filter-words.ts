import { type FailureFilter, type FailureRecord, LANES } from '../../jobs/work-queue.js';

/** How a filter of failures is typed: `reason=http-404 lane=tiles`, and words that are looked for in what is listed. */

const FAILURE_LANES: readonly FailureRecord['lane'][] = [...LANES, 'images'];

/** For whoever has to type them. */
export const FILTER_WORDS = 'reason=http-404 image=ID status=404 lane=tiles';

/** `rest`: the words that choose nothing by themselves. */
interface Words {
  readonly filter: FailureFilter;
  readonly rest: string;
}

/** `problem`: what cannot be meant. Of a word that is there twice, the last counts. */
export function readFilterWords(text: string): Words | { readonly problem: string } {
  let filter: FailureFilter = {};
  const rest: string[] = [];
  for (const word of text.split(' ').filter((one) => one !== '')) {
    const [, name, value = ''] = /^(reason|image|status|lane)=(.+)$/.exec(word) ?? [];
    if (name === undefined) rest.push(word);
    else if (name === 'status') {
      if (!/^\d{1,3}$/.test(value)) return { problem: `${word}: expected a number from 0 (none) to 999` };
      filter = { ...filter, status: Number(value) };
    } else if (name === 'lane') {
      const lane = FAILURE_LANES.find((one) => one === value);
      if (lane === undefined) return { problem: `${word}: expected one of ${FAILURE_LANES.join(', ')}` };
      filter = { ...filter, lane };
    } else filter = { ...filter, [name]: value };
  }
  return { filter, rest: rest.join(' ') };
}

/** What `readFilterWords` reads as this. (A range of tiles has no word.) */
export function filterWords({ filter, rest }: Words): string {
  const words = (['reason', 'image', 'status', 'lane'] as const).flatMap((name) =>
    filter[name] === undefined ? [] : [`${name}=${filter[name]}`],
  );
  return [...words, ...(rest === '' ? [] : [rest])].join(' ');
}
