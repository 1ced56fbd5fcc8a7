/** `npm run bench [NAME...]`: runs the measurements one after another, each in a process of its own. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const asked = process.argv.slice(2);
const all = readdirSync(import.meta.dirname)
  .filter((file) => !['run.ts', 'bare-loop.ts', 'support'].includes(file))
  .map((file) => file.replace(/\.ts$/, ''));
const unknown = asked.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  console.error(`bench: no such measurement: ${unknown.join(', ')}; there are ${all.join(', ')}`);
  process.exit(2);
}
let failed = 0;
for (const name of asked.length > 0 ? asked : all) {
  console.log(`\n== ${name}`);
  const file = join(import.meta.dirname, `${name}.ts`);
  const main = existsSync(file) ? file : join(import.meta.dirname, name, 'main.ts');
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', main], { stdio: 'inherit' });
  if (status !== 0) failed += 1;
}
process.exit(failed === 0 ? 0 : 1);
