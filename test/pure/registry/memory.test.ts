import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fileMemory } from '../../../registry/memory.js';

describe('what a machine remembers', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'convoy-test-memory-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));
  const open = () => fileMemory(join(dir, 'state'), join(dir, 'run'));

  it('is nothing at first, and then what was written, in two places', async () => {
    expect([await open().readSeen(), await open().readLease()]).toEqual([null, null]);
    const seen = { clusterId: 'c', revision: 7 };
    await open().writeSeen(seen);
    await open().writeLease('12');
    expect([await open().readSeen(), await open().readLease()]).toEqual([seen, '12']);
    await open().writeSeen({ ...seen, hold: 'why' });
    await open().writeLease(null);
    expect([await open().readSeen(), await open().readLease()]).toEqual([{ ...seen, hold: 'why' }, null]);
    expect([readdirSync(join(dir, 'state')), readdirSync(join(dir, 'run'))]).toEqual([
      ['registry.json'],
      ['lease.json'],
    ]);
  });

  it('is never taken for nothing when it is damaged', async () => {
    await open().writeSeen({ clusterId: 'c', revision: 7 });
    writeFileSync(join(dir, 'state', 'registry.json'), '{"clusterId":');
    await expect(open().readSeen()).rejects.toMatchObject({
      kind: 'permanent',
      message: expect.stringContaining('registry.json'),
    });
  });
});
