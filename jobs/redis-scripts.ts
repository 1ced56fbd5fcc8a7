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
  claim: ['common', 'failures', 'images', 'checks'],
  checkpoint: ['common', 'failures', 'images', 'checks'],
  reclaim: ['common', 'failures', 'images', 'checks'],
  'begin-verification': ['common'],
  'set-state': ['common'],
  'set-limit': ['common'],
  cancel: ['common'],
  requeue: ['common', 'failures', 'images', 'checks'],
  accept: ['common', 'images'],
  'show-images': ['common', 'images'],
  'newest-failures': ['common'],
  status: ['common'],
  report: [],
  workers: [],
} as const;
export type Script = keyof typeof SCRIPTS;

/**
 * The text of each script. Its first line tells Redis the flags, so the parts come after that line. A script of one
 * migration is a function, so that what it changed of the migration's record is written wherever it returns.
 */
export function loadScripts(): ReadonlyMap<Script, string> {
  const texts = new Map<string, string>();
  const read = (name: string): string => {
    const text = texts.get(name) ?? readFileSync(ownFile(`jobs/scripts/${name}.lua`), 'utf8');
    texts.set(name, text);
    return text;
  };
  return new Map(
    (Object.keys(SCRIPTS) as Script[]).map((name) => {
      const text = read(name);
      const body = text.indexOf('\n') + 1;
      const parts = SCRIPTS[name].map(read);
      if (parts.length === 0) return [name, text];
      const before = `${KEYS_IN_LUA}${parts.join('')}local function script()\n`;
      const after = 'end\nlocal answer = script()\nsave()\nreturn answer\n';
      return [name, text.slice(0, body) + before + text.slice(body) + after];
    }),
  );
}
