import { readFileSync } from 'node:fs';
import { KEYS_IN_LUA } from './redis-keys.js';

/** One Lua script per transition of the queue: `scripts/<name>.lua`, with `scripts/common.lua` before each. */
const SCRIPTS = [
  'create-migration',
  'begin-plan',
  'known-images',
  'add-images',
  'close-plan',
  'claim',
  'checkpoint',
  'reclaim',
  'set-state',
  'cancel',
  'requeue',
  'status',
  'report',
  'workers',
] as const;
export type Script = (typeof SCRIPTS)[number];

/** The text of each script. Its first line tells Redis the flags, so the shared part comes after that line. */
export function loadScripts(): ReadonlyMap<Script, string> {
  const read = (name: string): string =>
    readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8');
  const common = KEYS_IN_LUA + read('common');
  return new Map(
    SCRIPTS.map((name) => {
      const text = read(name);
      const body = text.indexOf('\n') + 1;
      return [name, text.slice(0, body) + common + text.slice(body)];
    }),
  );
}
