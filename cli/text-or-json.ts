import { type OptionRow, parseChoice } from '../runtime/options.js';

/** `-o` of commands whose text is no table of the fleet. */
export const TEXT_OR_JSON = {
  flag: '-o, --output <format>',
  help: 'text, or json: one object a line',
  parse: parseChoice(['text', 'json']),
  default: 'text',
} satisfies OptionRow<'text' | 'json'>;
