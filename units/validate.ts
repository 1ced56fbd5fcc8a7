import { readConstraints } from './constraints.js';
import { whyNotWritable } from './parse.js';
import type { UnitFile } from './unit-file.js';

/**
 * Why the options of a unit are refused at submit, in one sentence (fleet's where fleet had one), or null. The
 * name has rules of its own: `whyBadName`. Whether there are options at all is for the caller to ask.
 */
export function whyBadOptions(name: string, unit: UnitFile): string | null {
  return whyNotWritable(unit) ?? readConstraints(name, unit).problems[0]?.what ?? null;
}
