import { expect, test } from 'vitest';
import { storeEnvironment } from '../../../stores/environment.js';
import { swiftSession } from '../../../stores/swift/auth.js';
import type { SwiftLogin } from '../../../stores/swift/session.js';
import { useGround } from '../../support/services.js';
import { startSwift } from '../../support/stores/swift.js';

const swift = await startSwift(useGround('swift-auth'));
const v1 = { ST_AUTH: swift.authUrl, ST_USER: swift.user, ST_KEY: swift.key };

const status = async ({ storageUrl, token }: SwiftLogin): Promise<number> =>
  (await fetch(storageUrl, { headers: { 'x-auth-token': token } })).status;

test('v1: a login opens the account, and is kept', async () => {
  const session = await swiftSession(storeEnvironment(v1));
  const login = await session.login();
  expect(await status(login)).toBe(204);
  expect(await session.login()).toBe(login);
  await session.close();
});

test('v1: a token that expired is renewed', async () => {
  const session = await swiftSession(storeEnvironment(v1));
  const old = await session.login();
  await swift.forgetTokens();
  expect(await status(old)).toBe(401);
  const logins = await Promise.all(Array.from({ length: 50 }, () => session.renew(old)));
  expect(new Set(logins).size).toBe(1);
  expect(await status(await session.login())).toBe(204);
  expect(await session.renew(old)).toBe(logins[0]);
  await session.close();
});

test('v1: a wrong key is refused by the name of its variable', async () => {
  const session = await swiftSession(storeEnvironment({ ...v1, ST_KEY: 'not-the-key' }));
  await expect(session.login()).rejects.toMatchObject({
    kind: 'permanent',
    code: 'wrong-credentials',
    status: 401,
    message: `login at ${swift.authUrl} (ST_AUTH): HTTP 401, the login is refused: check ST_USER and ST_KEY`,
  });
  await session.close();
});
