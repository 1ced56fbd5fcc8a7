import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConstraints } from '../../../units/constraints.js';
import { whyBadName } from '../../../units/name.js';
import { parse } from '../../../units/parse.js';
import { whyBadOptions } from '../../../units/validate.js';
import { ROOT } from '../../support/programs.js';

const folder = join(ROOT, 'units', 'shipped');
const names = readdirSync(folder).filter((name) => !name.startsWith('.'));

describe('the units we ship', () => {
  it.each(names)('%s is accepted without a warning', (name) => {
    const { unit, problems } = parse(readFileSync(join(folder, name), 'utf8'));
    expect(problems).toEqual([]);
    expect(whyBadName(name)).toBeNull();
    expect(whyBadOptions(name, unit)).toBeNull();
    expect(readConstraints(name, unit).warnings).toEqual([]);
  });

  it('offer Redis for discovery from a unit that is moved only by hand', () => {
    const { unit } = parse(readFileSync(join(folder, 'zh-redis.service'), 'utf8'));
    const { offer, constraints } = readConstraints('zh-redis.service', unit);
    expect(offer?.service).toBe('redis');
    expect(constraints.sticky).toBe(true);
    expect(constraints.stopBoundMs).toBe(60_000);
  });
});
