import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ERROR_CODES, errorBody, statusOf } from '../../../api/error-codes.js';
import { ConvoyError, conflict, permanent, transient } from '../../../runtime/errors.js';
import { ROOT } from '../../support/programs.js';

const statuses: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(ERROR_CODES).map(([code, { status }]) => [code, status]),
);

/** `refuse(404, 'not-found', ...)`, as the sources have it, but those of fleet's API. */
const refusals = readdirSync(join(ROOT, 'api'))
  .filter((file) => file.endsWith('.ts') && !/^(fleet-.*|page|put-unit)\.ts$/.test(file))
  .flatMap((file) => {
    const text = readFileSync(join(ROOT, 'api', file), 'utf8');
    return [...text.matchAll(/refuse\(\s*(\d+|WRONG_MACHINE),\s*'([^']+)'/g)].map(
      ([, status = '', code = '']) =>
        [file, code, status === 'WRONG_MACHINE' ? 421 : Number(status)] as const,
    );
  });

test('the sources were read', () => {
  expect(refusals.length).toBeGreaterThan(30);
});

test.each(refusals)('%s: %s comes with the status the list gives it', (_, code, status) => {
  expect(statuses).toHaveProperty(code, status);
});

test.each([
  'not-found',
  'not-placed',
  'too-many',
  'generation',
  'alive',
  'in-use',
  'hold',
  'compacted',
  'lagging',
])('what the registry says of %s is a promise too', (code) => {
  const registry = readdirSync(join(ROOT, 'registry')).map((file) =>
    readFileSync(join(ROOT, 'registry', file), 'utf8'),
  );
  expect(registry.some((text) => text.includes(`code: '${code}'`))).toBe(true);
  expect(statuses).toHaveProperty(code);
});

describe('an error', () => {
  test.each<[ConvoyError, number, string]>([
    [permanent('x', { code: 'not-found' }), 404, 'not-found'],
    [conflict('x', { code: 'generation' }), 409, 'generation'],
    [permanent('x', { code: 'ambiguous', status: 418 }), 418, 'ambiguous'],
    [transient('x', { code: 'unreachable' }), 503, 'unavailable'],
    [transient('x'), 503, 'unavailable'],
    [conflict('x'), 409, 'conflict'],
    [permanent('x', { code: 'wrong-credentials' }), 500, 'internal'],
    [permanent('x', { code: 'toString' }), 500, 'internal'],
    [new ConvoyError('aborted', 'x'), 503, 'stopping'],
  ])('%o is answered with %i %s', (error, status, code) => {
    expect(statusOf(error)).toBe(status);
    const kind = error.kind === 'aborted' ? 'transient' : error.kind;
    expect(errorBody(error)).toEqual({ error: { code, message: 'x', kind } });
  });

  test('of another make is a bug, and says so', () => {
    expect(statusOf(new TypeError('x'))).toBe(500);
    expect(errorBody(new TypeError('x')).error).toMatchObject({ code: 'internal', kind: 'permanent' });
  });
});
