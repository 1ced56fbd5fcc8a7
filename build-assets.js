// After tsc: the files of the product that are not TypeScript go beside the compiled ones, and bins are executable.
import { chmodSync, cpSync, readFileSync } from 'node:fs';

for (const folder of ['jobs/scripts', 'units/shipped']) cpSync(folder, `dist/${folder}`, { recursive: true });
for (const bin of Object.values(JSON.parse(readFileSync('package.json', 'utf8')).bin))
  chmodSync(`${bin}`, 0o755);
