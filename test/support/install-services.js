// Before the tests: etcd and Redis, as the demo gets them, what the systemd hosts are made with, and the shells that
// convoyctl completes words in.
import { ensurePrograms } from '../../dist/agent/programs.js';

const TEST_PROGRAMS = {
  'systemd-nspawn': 'systemd-container',
  systemctl: 'systemd',
  'dbus-daemon': 'dbus',
  ip: 'iproute2',
  nft: 'nftables',
  nsenter: 'util-linux',
  openssl: 'openssl',
  ssh: 'openssh-client',
  dropbear: 'dropbear-bin',
  script: 'bsdutils',
  zsh: 'zsh',
  fish: 'fish',
  'swift-ring-builder': 'swift',
  'swift-proxy-server': 'swift-proxy',
  'swift-account-server': 'swift-account',
  'swift-container-server': 'swift-container',
  'swift-object-server': 'swift-object',
  memcached: 'memcached',
  'keystone-manage': 'python3-keystone',
  nginx: 'nginx-extras',
};

try {
  ensurePrograms((line) => console.log(line), TEST_PROGRAMS);
} catch (error) {
  console.error(`npm test: ${error.message}`);
  process.exit(1);
}
