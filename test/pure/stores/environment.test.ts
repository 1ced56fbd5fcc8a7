import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../../runtime/errors.js';
import { readCredentialFiles } from '../../../stores/credential-files.js';
import { storeEnvironment } from '../../../stores/environment.js';

describe('the settings of a store', () => {
  test('are the plain variables, for both sides; an empty one is none', () => {
    const env = { AWS_PROFILE: 'p', AWS_REGION: '' };
    for (const side of [null, 'source', 'destination'] as const) {
      const settings = storeEnvironment(env, side);
      expect(settings.get('AWS_PROFILE')).toBe('p');
      expect(settings.get('AWS_REGION')).toBeUndefined();
      expect(settings.nameOf('AWS_PROFILE')).toBe('AWS_PROFILE');
    }
  });

  test('of a side with any variable of a family are its own of that family alone', () => {
    const env = {
      ...{ SOURCE_OS_AUTH_URL: 'http://old', OS_AUTH_URL: 'http://new', OS_PASSWORD: 'new', ST_KEY: 'new' },
      AWS_PROFILE: 'p',
    };
    const source = storeEnvironment(env, 'source');
    expect(source.get('OS_AUTH_URL')).toBe('http://old');
    expect(source.nameOf('OS_AUTH_URL')).toBe('SOURCE_OS_AUTH_URL');
    // Not the other store's password, nor another way to log in to it.
    expect(source.get('OS_PASSWORD')).toBeUndefined();
    expect(source.nameOf('OS_PASSWORD')).toBe('SOURCE_OS_PASSWORD');
    expect(source.get('ST_KEY')).toBeUndefined();
    expect(source.get('AWS_PROFILE')).toBe('p');
    const destination = storeEnvironment(env, 'destination');
    expect(destination.get('OS_AUTH_URL')).toBe('http://new');
    expect(destination.nameOf('OS_PASSWORD')).toBe('OS_PASSWORD');
    expect(storeEnvironment(env).get('OS_AUTH_URL')).toBe('http://new');
  });

  test('an empty variable of a side is none, and does not hide the plain ones', () => {
    const source = storeEnvironment({ SOURCE_AWS_PROFILE: '', AWS_PROFILE: 'p' }, 'source');
    expect(source.get('AWS_PROFILE')).toBe('p');
  });

  test('come from credential files too, without the line end; a variable wins', () => {
    const directory = mkdtempSync(join(tmpdir(), 'convoy-credentials-'));
    try {
      writeFileSync(join(directory, 'AWS_SECRET_ACCESS_KEY'), ' s3cret \r\n');
      writeFileSync(join(directory, 'SOURCE_ST_KEY'), 'source\n');
      writeFileSync(join(directory, 'redis-password'), 'not a store\n');
      const env = { CREDENTIALS_DIRECTORY: directory, ST_KEY: 'plain' };
      const files = readCredentialFiles(env);
      expect([...files.keys()].sort()).toEqual(['AWS_SECRET_ACCESS_KEY', 'SOURCE_ST_KEY']);
      const source = storeEnvironment(env, 'source', files);
      expect(source.get('AWS_SECRET_ACCESS_KEY')).toBe(' s3cret ');
      expect(source.nameOf('AWS_SECRET_ACCESS_KEY')).toBe('the credential file AWS_SECRET_ACCESS_KEY');
      expect(source.get('ST_KEY')).toBe('source');
      expect(source.nameOf('ST_KEY')).toBe('the credential file SOURCE_ST_KEY');
      const both = storeEnvironment({ ...env, AWS_SECRET_ACCESS_KEY: 'variable' }, null, files);
      expect(both.get('AWS_SECRET_ACCESS_KEY')).toBe('variable');
      expect(both.nameOf('AWS_SECRET_ACCESS_KEY')).toBe('AWS_SECRET_ACCESS_KEY');
      expect(both.get('ST_KEY')).toBe('plain');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test('are refused in one sentence if the credential files cannot be read', () => {
    expect(readCredentialFiles({})).toEqual(new Map());
    const read = (): unknown => readCredentialFiles({ CREDENTIALS_DIRECTORY: '/nonexistent/of/convoy' });
    expect(read).toThrow(UsageError);
    expect(read).toThrow(/^CREDENTIALS_DIRECTORY cannot be read: .*nonexistent/);
  });
});
