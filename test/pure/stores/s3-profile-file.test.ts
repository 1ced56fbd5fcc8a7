import { expect, test } from 'vitest';
import { parseProfileFile } from '../../../stores/s3/profile-file.js';

const parsed = (text: string): unknown =>
  Object.fromEntries(
    [...parseProfileFile(text)].map(([name, section]) => [name, Object.fromEntries(section)]),
  );

test('sections, settings, comments and nested settings, as AWS writes them', () => {
  const text = [
    '\uFEFF# a comment',
    '; another',
    'orphan = passed over',
    '[default]',
    'region=eu-west-1',
    'aws_secret_access_key = a/b+c=#d;e',
    'output = json # the rest is a comment',
    '',
    '[ profile   "my profile" ]\r',
    's3 =\r',
    '  addressing_style = path\r',
    '  max_queue_size=5',
    'region = us-west-2',
    'no setting at all',
    '[services x]',
    's3 =',
    '\tendpoint_url = http://h:1/?a=b',
  ].join('\n');
  expect(parsed(text)).toEqual({
    default: { region: 'eu-west-1', aws_secret_access_key: 'a/b+c=#d;e', output: 'json' },
    'profile my profile': {
      ...{ s3: '', 's3.addressing_style': 'path', 's3.max_queue_size': '5', region: 'us-west-2' },
    },
    'services x': { s3: '', 's3.endpoint_url': 'http://h:1/?a=b' },
  });
});

test('a section that is there twice is one, the later setting wins', () => {
  expect(parsed('[a]\nx=1\ny=1\n[b]\n[a]\nx=2')).toEqual({ a: { x: '2', y: '1' }, b: {} });
});

test('settings that are all indented belong to their section', () => {
  expect(parsed('[a]\ns3 =\n[b]\n x = 1\n y = 2\n s3 =\n   z = 3\n w = 4')).toEqual({
    a: { s3: '' },
    b: { x: '1', y: '2', s3: '', 's3.z': '3', w: '4' },
  });
});
