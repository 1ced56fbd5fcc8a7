import { readFileSync } from 'node:fs';
import { ownFile } from '../runtime/own-file.js';
import { KEYS_IN_LUA } from './redis-keys.js';

/** One Lua script per transition of the queue, `scripts/<name>.lua`, and the parts that come before it. */
const SCRIPTS = {
  'create-migration': ['common'],
  'begin-plan': ['common'],
  'known-images': ['common'],
  'add-images': ['common'],
  'close-plan': ['common'],
  claim: ['common', 'images', 'checks'],
  checkpoint: ['common', 'images', 'checks'],
  reclaim: ['common', 'images', 'checks'],
  'begin-verification': ['common'],
  'set-state': ['common'],
  'set-limit': ['common'],
  cancel: ['common'],
  requeue: ['common', 'images', 'checks'],
  accept: ['common', 'images'],
  'show-images': ['common', 'images'],
  'newest-failures': ['common'],
  status: ['common'],
  report: [],
  workers: [],
} as const;
export type Script = keyof typeof SCRIPTS;

/** The text of each script. Its first line tells Redis the flags, so the parts come after that line. */
export function loadScripts(): ReadonlyMap<Script, string> {
  const read = (name: string): string => readFileSync(ownFile(`jobs/scripts/${name}.lua`), 'utf8');
  return new Map(
    (Object.keys(SCRIPTS) as Script[]).map((name) => {
      const text = read(name);
      const body = text.indexOf('\n') + 1;
      const parts = SCRIPTS[name].map(read);
      const before = parts.length === 0 ? '' : KEYS_IN_LUA + parts.join('');
      return [name, text.slice(0, body) + before + text.slice(body)];
    }),
  );
}
