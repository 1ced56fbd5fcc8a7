// After tsc: the files of the product that are not TypeScript go beside the compiled ones, and bins are executable.
import { chmodSync, cpSync, readFileSync } from 'node:fs';

for (const asset of ['jobs/scripts', 'units/shipped', 'units/docker', 'agent/supervisor/notify.pl'])
  cpSync(asset, `dist/${asset}`, { recursive: true });
for (const bin of Object.values(JSON.parse(readFileSync('package.json', 'utf8')).bin))
  chmodSync(`${bin}`, 0o755);
