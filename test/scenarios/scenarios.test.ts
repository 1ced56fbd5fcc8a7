import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { perform } from './commands.js';
import { Scenario } from './scenario.js';
import { parseScript, renderScript } from './script.js';

/**
 * Runs every script of this folder: what the commands print has to be what stands below them. With UPDATE=1 it is
 * written there instead, for a person to read as a diff.
 */
const FOLDER = import.meta.dirname;
const UPDATE = process.env.UPDATE === '1';

let scenario: Scenario;
beforeEach(() => {
  // Only the wait before another attempt to join is left to chance.
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
  scenario = new Scenario();
});
afterEach(async () => {
  await scenario.close();
  vi.restoreAllMocks();
});

describe('scenarios', () => {
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.txt')))
    it(file.replace('.txt', ''), async () => {
      const path = join(FOLDER, file);
      const text = readFileSync(path, 'utf8');
      expect(text, 'a script begins with a comment that says which promise it shows').toMatch(/^# \S/);
      const paragraphs = parseScript(text);
      const outputs: string[][] = [];
      for (const { commands } of paragraphs) {
        const output: string[] = [];
        for (const command of commands) output.push(...(await perform(scenario, command)));
        outputs.push(output);
      }
      const played = renderScript(paragraphs, outputs);
      if (UPDATE) writeFileSync(path, played);
      else expect(played).toBe(text);
    });
});
