import { expect, test } from 'vitest';
import { manySentence, progressLine, type Waiting, waitSentence } from '../../../cli/progress-text.js';

const waiting = (at: number, why = 'activating (start)'): Waiting => ({
  ...{ subject: `unit web@${at}.service`, what: 'to report state launched', why },
});

test('one is told whole, of many the first few', () => {
  expect(waitSentence(waiting(1))).toBe(
    'Waiting for unit web@1.service to report state launched: activating (start)',
  );
  const many = [1, 2, 3, 4, 5].map((at) => waiting(at, `why ${at}`));
  expect(manySentence(many, 2)).toBe(
    'Waiting for 5 units to report state launched: web@1.service: why 1; web@2.service: why 2; and 3 more',
  );
  expect(manySentence(many.slice(0, 2), 3)).toBe(
    'Waiting for 2 units to report state launched: web@1.service: why 1; web@2.service: why 2',
  );
});

test.each([
  [[waiting(1)], 80, 'Waiting 61s for web@1.service: activating (start)'],
  [[waiting(1), waiting(2)], 80, 'Waiting 61s for 2, web@1.service: activating (start)'],
  [[waiting(1)], 30, 'Waiting 61s for web@1.servic…'],
  [
    [{ ...waiting(1), subject: 'machine 472d6cb2...' }],
    80,
    'Waiting 61s for machine 472d6cb2...: activating (start)',
  ],
  [[waiting(1, 'bad\u001b[31m\nnews')], 80, 'Waiting 61s for web@1.service: bad [31m news'],
  [[waiting(1)], 0, '…'],
  [[], 80, ''],
])('a line of a terminal never wraps and holds no control characters: %#', (all, columns, line) => {
  expect(progressLine(all, 61_900, columns)).toBe(line);
});
