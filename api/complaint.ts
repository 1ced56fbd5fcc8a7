import type * as v from 'valibot';

interface Walkable {
  readonly expects: string;
  readonly entries?: Readonly<Record<string, Walkable>>;
  readonly item?: Walkable;
  readonly wrapped?: Walkable;
}

/**
 * What is wrong with a request, in one sentence for whoever sent it: the field, what was expected there and what was
 * got. Of several mistakes the first is told, with how many more there are.
 */
export function complaint(schema: v.GenericSchema, issues: readonly v.BaseIssue<unknown>[]): string {
  const [issue] = issues;
  if (issue === undefined) return '';
  const path = issue.path ?? [];
  const keys = path.map(({ key }) => key as string | number);
  // To the library a list is an object that lacks every key.
  if (issue.type === 'strict_object' && Array.isArray(path.at(-1)?.input))
    return sentence(keys.slice(0, -1), 'expected an object, got a list', 1);
  const isUnknown = issue.kind === 'schema' && issue.expected === 'never';
  const says = isUnknown
    ? `unknown, expected ${knownKeys(schemaAt(schema, keys.slice(0, -1)))}`
    : issue.message.startsWith('expected ')
      ? issue.message
      : `expected ${expectation(schema, issue, keys)}, got ${received(issue)}`;
  return sentence(keys, says, issues.length);
}

function sentence(keys: readonly (string | number)[], says: string, count: number): string {
  const field = keys
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`))
    .join('')
    .replace(/^\./, '');
  return `${field === '' ? '' : `${field}: `}${says}${count === 1 ? '' : ` (and ${count - 1} more)`}`;
}

/** A message that is not the library's own says what was expected, or (`expected ...`) all there is to say. */
function expectation(
  schema: v.GenericSchema,
  issue: v.BaseIssue<unknown>,
  keys: readonly (string | number)[],
): string {
  if (!issue.message.startsWith('Invalid ')) return issue.message;
  const limit = /\d+$/.exec(issue.expected ?? '')?.[0];
  switch (issue.type) {
    case 'integer':
      return 'a whole number';
    case 'min_value':
      return `${limit} or more`;
    case 'max_value':
      return `${limit} or less`;
    case 'min_length':
      return issue.received === '0' ? 'something' : `a length of ${limit} or more`;
    case 'max_length':
      return `${limit} or fewer`;
    default:
      return inWords(schemaAt(schema, keys)?.expects ?? issue.expected ?? 'something else');
  }
}

function schemaAt(schema: v.GenericSchema, keys: readonly (string | number)[]): Walkable | undefined {
  let at: Walkable | undefined = schema as unknown as Walkable;
  for (const key of keys) {
    while (at?.wrapped !== undefined) at = at.wrapped;
    at = typeof key === 'number' ? at?.item : at?.entries?.[key];
  }
  return at;
}

function knownKeys(schema: Walkable | undefined): string {
  const keys = Object.keys(schema?.entries ?? {});
  return keys.length === 0 ? 'nothing' : `one of ${keys.join(', ')}`;
}

const WORDS: Readonly<Record<string, string>> = {
  ...{ string: 'text', number: 'a number', boolean: 'true or false', Object: 'an object', Array: 'a list' },
};

/** `(string | null)` as `text or null`, `("a" | "b")` as `one of a, b`. */
function inWords(expects: string): string {
  const choices = expects
    .replaceAll(/[()]/g, '')
    .split(' | ')
    .filter((choice) => choice !== 'undefined');
  const named = choices.filter((choice) => choice.startsWith('"')).map((choice) => choice.slice(1, -1));
  const others = choices.filter((choice) => !choice.startsWith('"')).map((choice) => WORDS[choice] ?? choice);
  const listed = named.length > 1 ? `one of ${named.join(', ')}` : named.map((one) => `"${one}"`).join('');
  return [listed, ...others].filter((part) => part !== '').join(' or ');
}

function received({ received, type }: v.BaseIssue<unknown>): string {
  if (received === 'undefined') return 'nothing';
  if (type === 'min_length' && received === '0') return 'nothing';
  const text = WORDS[received] ?? received;
  return text.length > 100 ? `${text.slice(0, 100)}...` : text;
}
