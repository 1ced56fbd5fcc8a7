/** Of the standard headers these are signed, in this order; every `x-ms-` header besides. */
const SIGNED = [
  'content-encoding',
  'content-language',
  'content-length',
  'content-md5',
  'content-type',
  'date',
  'if-modified-since',
  'if-match',
  'if-none-match',
  'if-unmodified-since',
  'range',
] as const;

/**
 * What a Shared Key signature signs, for the blob service from version 2015-02-21 on:
 * https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
 *
 * `path`: as it is sent, with its query. `headers`: by lower-case name, with the content length where there is a body.
 */
export function stringToSign(
  account: string,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
): string {
  let text = method;
  for (const name of SIGNED) {
    const value = headers[name];
    text += value === undefined || (name === 'content-length' && value === '0') ? '\n' : `\n${value}`;
  }
  const own = Object.keys(headers).filter((name) => name.startsWith('x-ms-'));
  // Of a tile's few names none has a `_`, and then ASCII's order is the service's.
  own.sort(own.some((name) => name.includes('_')) ? compareNames : undefined);
  for (const name of own) text += `\n${name}:${headers[name]}`;
  return `${text}\n${canonicalResource(account, path)}`;
}

function canonicalResource(account: string, path: string): string {
  const at = path.indexOf('?');
  if (at === -1) return `/${account}${path}`;
  const values = new Map<string, string[]>();
  for (const pair of path.slice(at + 1).split('&')) {
    const [name = '', ...value] = pair.split('=');
    const key = decodeURIComponent(name).toLowerCase();
    values.set(key, [...(values.get(key) ?? []), decodeURIComponent(value.join('='))]);
  }
  const lines = [...values.keys()].sort().map((name) => `\n${name}:${values.get(name)?.sort().join(',')}`);
  return `/${account}${path.slice(0, at)}${lines.join('')}`;
}

/** The service sorts by a culture's rules, in which `_` comes before digits and letters; ASCII has it between them. */
function compareNames(a: string, b: string): number {
  const [x, y] = [a.replaceAll('_', '!'), b.replaceAll('_', '!')];
  return x < y ? -1 : x > y ? 1 : 0;
}
