import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { expect, test } from 'vitest';
import {
  ListedMachine,
  ListedService,
  ListedStoreObject,
  ListedUnit,
  ListedUnitFile,
  ShownEvent,
  ShownLocation,
} from '../../../cli/json-output.js';
import * as output from '../../../cli/migration-output.js';
import { ROOT } from '../../support/programs.js';

/** docs/json-output.md says what the schemas say: each field, its type and what it is. */

const SECTIONS = {
  'list-units': ListedUnit,
  'list-unit-files': ListedUnitFile,
  'list-machines': ListedMachine,
  services: ListedService,
  events: ShownEvent,
  'store ls': ListedStoreObject,
  'store stat': ShownLocation,
  'migration status': output.ShownMigration,
  definition: output.Definition,
  'image counts': output.ImageCounts,
  counts: output.Counts,
  limit: output.Limits,
  rate: output.Rate,
  verification: output.Verification,
  worker: output.Worker,
  latency: output.Latency,
  'migration images': output.ShownImage,
  'migration failures': output.ListedFailure,
};

interface Walkable {
  readonly type: string;
  readonly wrapped?: Walkable;
  readonly item?: Walkable;
  readonly value?: Walkable;
  readonly pipe?: readonly Walkable[];
  readonly options?: readonly string[];
}

function typeOf(schema: Walkable): string {
  const title = v.getTitle(schema as unknown as v.GenericSchema);
  if (title !== undefined) return title;
  if (schema.wrapped !== undefined) return `${typeOf(schema.wrapped)} or null`;
  if (schema.item !== undefined) return `array of ${typeOf(schema.item)}`;
  const whole = schema.pipe?.some((part) => 'pipe' in part && typeOf(part) === 'whole number') ?? false;
  if (whole || schema.pipe?.some(({ type }) => type === 'integer')) return 'whole number';
  if (schema.type === 'picklist') return schema.options?.join(', ') ?? '';
  if (schema.type === 'record')
    return `object with ${schema.value === undefined ? '' : typeOf(schema.value)}s`;
  return { string: 'text', boolean: 'true or false' }[schema.type] ?? schema.type;
}

test.each(Object.entries(SECTIONS))('%s', (command, schema) => {
  const text = readFileSync(join(ROOT, 'docs/json-output.md'), 'utf8');
  const section = text.split(/^## /m).find((part) => part.startsWith(`${command}\n`)) ?? '';
  const rows = Object.entries(schema.entries).map(
    ([name, field]) =>
      `| \`${name}\` | ${typeOf(field as unknown as Walkable)} | ${v.getDescription(field) ?? ''} |`,
  );
  expect(section.split('\n').filter((line) => line.startsWith('| `'))).toEqual(rows);
});
