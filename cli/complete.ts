import { readdirSync } from 'node:fs';
import { UNIT_SUFFIXES } from '../units/name.js';
import { candidatesFor, partsOf } from './candidates.js';
import type { ApiClient } from './client.js';
import { formOf, type Grammar } from './command-line.js';
import { groupsFor, loadCommands } from './commands.js';
import { readGlobalOptions } from './global-options.js';
import { machineState } from './machine-label.js';
import { grammarOf, type ProgramOptions } from './program.js';
import { openMeans } from './settings.js';

/** Nobody waits longer for a Tab. */
const ANSWER_MS = 800;

type Line = readonly [word: string, summary: string];

/** Answers a shell that completes: `words` as `candidatesFor` takes them. Never fails; says nothing if nobody answers. */
export async function complete(words: readonly string[], { env, fleet }: ProgramOptions): Promise<void> {
  const entries = groupsFor(fleet).flatMap(({ commands }) => commands);
  const { command } = partsOf(words.slice(0, -1), grammarOf(entries, fleet));
  const named = entries.filter(({ name }) => name.split(' ')[0] === command);
  const rows = named.length === 0 ? entries : await loadCommands(named);
  const grammar = grammarOf(rows, fleet);
  const { words: known, live, files } = candidatesFor(words, rows, grammar);
  const word = words.at(-1) ?? '';
  const equals = word.startsWith('--') ? word.indexOf('=') + 1 : 0;
  const lines: Line[] = [...known];
  if (files === 'units') lines.push(...unitFiles(word));
  if (live !== null) {
    const values = readGlobalOptions(globalsIn(words.slice(0, -1), grammar), env, fleet);
    // Through a tunnel ssh might ask something.
    if (values.tunnel === undefined) {
      const quick = { ...values, requestTimeout: ANSWER_MS, debug: false };
      const { api } = openMeans(quick, { env, fleet, err: () => undefined });
      const names = await namesFrom(api, live).finally(() => api.close());
      lines.push(...names.map(([name, summary]) => [word.slice(0, equals) + name, summary] as const));
    }
  }
  const seen = new Map(lines.filter(([candidate]) => candidate.startsWith(word)));
  for (const [candidate, summary] of seen) process.stdout.write(`${candidate}\t${summary}\n`);
  if (files === 'any') process.stdout.write(':files\n');
}

async function namesFrom(api: ApiClient, live: 'units' | 'machines' | 'both'): Promise<Line[]> {
  const [units, machines] = await Promise.all([
    live === 'machines' ? [] : api.unitReports(),
    live === 'units' ? [] : api.machineReports(),
  ]);
  return [
    ...units.map(({ record, states }): Line => {
      const actives = [...new Set(states.map(({ active }) => active))];
      return [record.name, actives.length === 0 ? record.target : actives.join(', ')];
    }),
    ...machines.map((machine): Line => [machine.id, [machine.ip, machineState(machine)].join(' ').trim()]),
  ];
}

/** Unit files, and folders to go on in, where the word points. */
function unitFiles(word: string): Line[] {
  const folder = word.slice(0, word.lastIndexOf('/') + 1);
  const isUnit = (name: string): boolean => UNIT_SUFFIXES.some((suffix) => name.endsWith(`.${suffix}`));
  const entries = readdirSync(folder || '.', { withFileTypes: true });
  return entries.flatMap((entry): Line[] => {
    if (entry.isDirectory()) return [[`${folder}${entry.name}/`, 'folder']];
    return isUnit(entry.name) ? [[`${folder}${entry.name}`, 'file']] : [];
  });
}

/** The global options among the words, by the names that the parser would give them. */
function globalsIn(words: readonly string[], grammar: Grammar): Record<string, string> {
  const given: Record<string, string> = {};
  for (const [at, word] of words.entries()) {
    const [flag = '', value] = word.split(/=(.*)/s);
    const form = formOf(flag, { ...grammar, commands: new Map() }, undefined);
    const text = value ?? (form === 'value' ? words[at + 1] : 'true');
    if (form === undefined || text === undefined) continue;
    given[flag.replace(/^--/, '').replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())] = text;
  }
  return given;
}
