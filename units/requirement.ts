/** One `Require=` of [X-Convoy]: what a machine's metadata has to be. */
export interface Requirement {
  /** In one way of writing, for people: `az!=eu`, `az in (a,b)`, `!gpu`. */
  readonly text: string;
  readonly key: string;
  /** The values it is about; null: any. */
  readonly values: readonly string[] | null;
  /** Whether the machine has to have one of the values, or must not. A machine without the key has none. */
  readonly wanted: boolean;
}

const KEY = '[^\\s=!(),]+';
const VALUE = '[^\\s=!(),](?:[^=!(),]*[^\\s=!(),])?';
const EQUALS = new RegExp(`^(${KEY})\\s*(!?=)\\s*(${VALUE})$`);
const IN = new RegExp(`^(${KEY})\\s+(not\\s+)?in\\s*\\(\\s*(${VALUE}(?:\\s*,\\s*${VALUE})*)\\s*\\)$`);
const HAS = new RegExp(`^(!?)\\s*(${KEY})$`);

/**
 * Reads `key=value`, `key!=value`, `key in (a,b)`, `key not in (a,b)`, `key` (is set) or `!key` (is not set). Null if
 * it is none of them.
 */
export function parseRequirement(written: string): Requirement | null {
  const text = written.trim();
  const [, key, operator, value] = EQUALS.exec(text) ?? [];
  if (key !== undefined && value !== undefined)
    return { text: `${key}${operator}${value}`, key, values: [value], wanted: operator === '=' };
  const [, listKey, not, list] = IN.exec(text) ?? [];
  if (listKey !== undefined && list !== undefined) {
    const values = list.split(',').map((part) => part.trim());
    const words = not === undefined ? 'in' : 'not in';
    return {
      text: `${listKey} ${words} (${values.join(',')})`,
      key: listKey,
      values,
      wanted: not === undefined,
    };
  }
  const [, without, name] = HAS.exec(text) ?? [];
  if (name === undefined) return null;
  return { text: `${without}${name}`, key: name, values: null, wanted: without === '' };
}

export function meets(metadata: Readonly<Record<string, string>>, requirement: Requirement): boolean {
  const { key, values, wanted } = requirement;
  const value = metadataValue(metadata, key);
  return (value !== null && (values === null || values.includes(value))) === wanted;
}

/** The value of a key, null if the machine has none. */
export function metadataValue(metadata: Readonly<Record<string, string>>, key: string): string | null {
  return Object.hasOwn(metadata, key) ? (metadata[key] ?? null) : null;
}
