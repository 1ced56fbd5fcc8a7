// Before the tests: etcd and Redis, as the demo gets them.
import { ensurePrograms } from '../../dist/agent/programs.js';

try {
  ensurePrograms((line) => console.log(line));
} catch (error) {
  console.error(`npm test: ${error.message}`);
  process.exit(1);
}
