// Before the tests: etcd and Redis, as the demo gets them, and what the systemd hosts are made with.
import { ensurePrograms } from '../../dist/agent/programs.js';

const HOST_PROGRAMS = {
  'systemd-nspawn': 'systemd-container',
  systemctl: 'systemd',
  'dbus-daemon': 'dbus',
  ip: 'iproute2',
  nft: 'nftables',
  nsenter: 'util-linux',
  openssl: 'openssl',
};

try {
  ensurePrograms((line) => console.log(line), HOST_PROGRAMS);
} catch (error) {
  console.error(`npm test: ${error.message}`);
  process.exit(1);
}
