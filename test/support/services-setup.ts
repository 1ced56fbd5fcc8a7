import { spawnSync } from 'node:child_process';

/**
 * Before the tests with real services: every program they start must be on this machine. With TEST_REQUIRE (CI,
 * `npm test`) a missing one fails the run by name; nothing is ever skipped.
 */
export function setup(): void {
  // Each Node would read them as it starts, for half of what a start takes: nothing here talks to the web.
  delete process.env.NODE_EXTRA_CA_CERTS;
  const wanted = [
    'etcd',
    'redis-server',
    'nginx',
    'swift-proxy-server',
    'memcached',
    'systemd-nspawn',
    'dbus-daemon',
    'ip',
    'nft',
    'nsenter',
    'openssl',
  ];
  const missing = wanted.filter((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0);
  if (missing.length > 0)
    throw new Error(`not on PATH: ${missing.join(', ')}. \`npm test\` installs them as root.`);
  if (process.getuid?.() !== 0)
    throw new Error('the tests with services boot systemd hosts: run them as root, or `npm run test:quick`.');
}
