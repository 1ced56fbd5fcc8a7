import { expect, test } from 'vitest';
import { useGround } from '../../support/services.js';
import { startSwift } from '../../support/stores/swift.js';

const swift = await startSwift(useGround('swift-auth'), { maxFileSize: 64 * 2 ** 20 });

test('a Swift that forgot its tokens answers 401 to them and gives new ones', async () => {
  const token = async (): Promise<string> => {
    const headers = { 'x-auth-user': swift.user, 'x-auth-key': swift.key };
    return (await fetch(swift.authUrl, { headers })).headers.get('x-auth-token') ?? '';
  };
  const status = async (value: string): Promise<number> =>
    (await fetch(swift.storageUrl, { headers: { 'x-auth-token': value } })).status;
  const old = await token();
  expect(await status(old)).toBe(204);
  await swift.forgetTokens();
  expect(await status(old)).toBe(401);
  expect(await status(await token())).toBe(204);
});
