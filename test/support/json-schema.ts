/** A schema of JSON Schema 2020-12, as far as our own documents go. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly minLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly description?: string;
  readonly default?: unknown;
}

const KEYWORDS = new Set([
  ...['$ref', 'type', 'enum', 'const', 'anyOf', 'oneOf', 'properties', 'required', 'additionalProperties'],
  ...['items', 'minLength', 'minimum', 'maximum', 'description', 'default'],
]);

/**
 * What of a value is not as a schema has it, each with where; empty if all is. `resolve` answers what a $ref stands
 * for. Throws for a keyword it does not know, so that none is passed over.
 */
export function violations(
  schema: Schema,
  value: unknown,
  resolve: (ref: string) => Schema,
  at = '$',
): string[] {
  for (const keyword of Object.keys(schema))
    if (!KEYWORDS.has(keyword)) throw new Error(`${at}: ${keyword} is not known here`);
  const inner = (one: Schema, of: unknown, where = at): string[] => violations(one, of, resolve, where);
  const wrong: string[] = [];
  const must = (holds: boolean, what: string): void => {
    if (!holds) wrong.push(`${at}: ${what}, got ${JSON.stringify(value)}`);
  };

  if (schema.$ref !== undefined) wrong.push(...inner(resolve(schema.$ref), value));
  if (schema.type !== undefined) must(isOf(schema.type, value), `expected ${schema.type}`);
  if (schema.enum !== undefined) must(schema.enum.includes(value), `expected one of ${schema.enum}`);
  if (schema.const !== undefined) must(value === schema.const, `expected ${schema.const}`);
  if (schema.anyOf !== undefined)
    must(
      schema.anyOf.some((one) => inner(one, value).length === 0),
      'fits none',
    );
  if (schema.oneOf !== undefined)
    must(schema.oneOf.filter((one) => inner(one, value).length === 0).length === 1, 'fits not exactly one');
  if (typeof value === 'string') must(value.length >= (schema.minLength ?? 0), 'too short');
  if (typeof value === 'number') {
    must(value >= (schema.minimum ?? -Infinity), 'too small');
    must(value <= (schema.maximum ?? Infinity), 'too big');
  }
  if (Array.isArray(value))
    wrong.push(...value.flatMap((one, i) => inner(schema.items ?? {}, one, `${at}[${i}]`)));
  else if (typeof value === 'object' && value !== null) {
    for (const key of schema.required ?? []) must(Object.hasOwn(value, key), `${key} is missing`);
    for (const [key, one] of Object.entries(value)) {
      const known = schema.properties?.[key];
      const rest = schema.additionalProperties ?? true;
      if (known !== undefined) wrong.push(...inner(known, one, `${at}.${key}`));
      else if (typeof rest === 'object') wrong.push(...inner(rest, one, `${at}.${key}`));
      else must(rest, `${key} is not described`);
    }
  }
  return wrong;
}

function isOf(type: string, value: unknown): boolean {
  switch (type) {
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    default:
      return ['string', 'number', 'boolean'].includes(type) && typeof value === type;
  }
}
