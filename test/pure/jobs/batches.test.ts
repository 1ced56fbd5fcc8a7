import { expect, test } from 'vitest';
import { createBatches } from '../../../jobs/batches.js';

/** Answers when it is told to. */
function held(most: number) {
  const sent: (readonly string[])[] = [];
  const open: { end(): void; fail(error: Error): void }[] = [];
  const ask = createBatches<string, string>((requests) => {
    sent.push(requests);
    return new Promise((resolve, reject) =>
      open.push({ end: () => resolve(requests.map((each) => each.toUpperCase())), fail: reject }),
    );
  }, most);
  return { sent, open, ask };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('what is asked in one turn goes together, what comes meanwhile goes together next, each has its answer', async () => {
  const { sent, open, ask } = held(3);
  const first = [ask('a'), ask('b')];
  await settle();
  expect(sent).toEqual([['a', 'b']]);
  const second = ['c', 'd', 'e', 'f'].map(ask);
  await settle();
  expect(sent).toHaveLength(1);
  open[0]!.end();
  expect(await Promise.all(first)).toEqual(['A', 'B']);
  await settle();
  expect(sent.slice(1)).toEqual([['c', 'd', 'e']]);
  open[1]!.end();
  await settle();
  open[2]!.end();
  expect(await Promise.all(second)).toEqual(['C', 'D', 'E', 'F']);
  const alone = ask('g');
  await settle();
  open[3]!.end();
  expect([await alone, sent.at(-1)]).toEqual(['G', ['g']]);
});

test('an answer that fails fails for those that went and those that wait, and for nobody after them', async () => {
  const { sent, open, ask } = held(2);
  const asked = ['a', 'b', 'c'].map(ask);
  const outcomes = Promise.allSettled(asked);
  await settle();
  open[0]!.fail(new Error('away'));
  expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  const later = ask('d');
  await settle();
  open[1]!.end();
  expect([await later, sent]).toEqual(['D', [['a', 'b'], ['d']]]);
});
