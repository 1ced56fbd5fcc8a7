import type { MetadataPatch } from '../registry/registry.js';
import type { UnitOption } from '../units/unit-file.js';

/** What fleet's clients send. Readers throw a plain Error that says what is wrong; what is missing or null is empty. */

/** What a PUT of a unit asks for. Fields nobody may set (`currentState`, `machineID`) are ignored, as in fleet. */
export interface UnitBody {
  readonly name: string;
  readonly desiredState: string;
  readonly options: readonly UnitOption[];
}

/** `null` is an empty object. */
export function readUnitBody(text: string): UnitBody {
  const body = parse(text) ?? {};
  if (!isObject(body)) throw new Error(`expected a JSON object, got ${typeName(body)}`);
  const options = body.options ?? [];
  if (!Array.isArray(options)) throw new Error(`expected a list in "options", got ${typeName(options)}`);
  return {
    name: textOf('name', body.name),
    desiredState: textOf('desiredState', body.desiredState),
    options: options.map((option: unknown) => {
      if (!isObject(option)) throw new Error(`expected objects in "options", got ${typeName(option)}`);
      const { section, name, value } = option;
      return {
        section: textOf('section', section),
        name: textOf('name', name),
        value: textOf('value', value),
      };
    }),
  };
}

const METADATA_PATH = /^\/([^/]+)\/metadata\/([A-Za-z0-9_.-]+)$/;

/**
 * Reads a PATCH of `/machines`: a list of `{op, path, value}`, `null` being an empty one. A value is `"x"`, as fleet's
 * documentation has it, or `{"value": "x"}`, as fleet took it. The first operation that is not right is told.
 */
export function readPatches(text: string): MetadataPatch[] {
  const body = parse(text) ?? [];
  if (!Array.isArray(body)) throw new Error(`expected a list of operations, got ${typeName(body)}`);
  return body.map(readOperation).map(({ op, path, value }) => {
    if (op !== 'add' && op !== 'replace' && op !== 'remove')
      throw new Error('invalid op: expect add, remove, or replace');
    const [, machine, key] = METADATA_PATH.exec(path) ?? [];
    if (machine === undefined || key === undefined) throw new Error('machine metadata path invalid');
    if (op === 'remove') return { machine, key, value: null };
    if (value === '') throw new Error('invalid value: add and replace require a value');
    return { machine, key, value };
  });
}

function readOperation(operation: unknown): Readonly<Record<'op' | 'path' | 'value', string>> {
  const fields = operation ?? {};
  if (!isObject(fields))
    throw new Error(`expected objects with "op", "path" and "value", got ${typeName(fields)}`);
  const { op, path, value } = fields;
  return {
    op: textOf('op', op),
    path: textOf('path', path),
    value: textOf('value', isObject(value) ? value.value : value),
  };
}

function parse(text: string): unknown {
  if (text.trim() === '') throw new Error('EOF');
  return JSON.parse(text);
}

function textOf(field: string, value: unknown): string {
  const text = value ?? '';
  if (typeof text !== 'string') throw new Error(`expected text in "${field}", got ${typeName(text)}`);
  return text;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
