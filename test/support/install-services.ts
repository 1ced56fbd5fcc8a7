// Before the tests: etcd and Redis, as the demo gets them, what the systemd hosts are made with, the shells that
// convoyctl completes words in, and the servers of object stores.
import { ensurePrograms } from '../../agent/programs.js';
import { messageOf } from '../../runtime/errors.js';

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
  tmux: 'tmux',
  zsh: 'zsh',
  fish: 'fish',
  'swift-ring-builder': 'swift',
  'swift-proxy-server': 'swift-proxy',
  'swift-account-server': 'swift-account',
  'swift-container-server': 'swift-container',
  'swift-object-server': 'swift-object',
  memcached: 'memcached',
  'keystone-manage': 'python3-keystone',
  '/usr/lib/python3/dist-packages/keystonemiddleware/__init__.py': 'python3-keystonemiddleware',
  nginx: 'nginx',
  '/usr/lib/nginx/modules/ngx_http_dav_ext_module.so': 'libnginx-mod-http-dav-ext',
};

try {
  ensurePrograms((line) => console.log(line), TEST_PROGRAMS);
} catch (error) {
  console.error(`npm test: ${messageOf(error)}`);
  process.exit(1);
}
