/** What `%` specifiers of a unit on this machine stand for, apart from the unit's own name. */
export interface SpecifierContext {
  /** `null`: the machine has no /etc/machine-id. */
  readonly machineId: string | null;
  readonly bootId: string;
  readonly hostName: string;
  readonly kernel: string;
  readonly user: string;
  readonly uid: number;
  readonly group: string;
  readonly gid: number;
  readonly home: string;
  /** %t is `<root>/run`, %S `<root>/var/lib`, %C `<root>/var/cache`, %L `<root>/var/log`, %E `<root>/etc`. */
  readonly root: string;
  /** $CREDENTIALS_DIRECTORY of the unit. */
  readonly credentials: string;
}

/** A unit's name taken apart as systemd does; `instance` is '' for a unit that is none. */
export function nameParts(name: string): { stem: string; prefix: string; instance: string } {
  const stem = name.replace(/\.[^.]*$/, '');
  const at = stem.indexOf('@');
  return at < 0
    ? { stem, prefix: stem, instance: '' }
    : { stem, prefix: stem.slice(0, at), instance: stem.slice(at + 1) };
}

/** Undoes systemd's escaping of names: `-` is `/`, `\xNN` a byte. */
function unescapeName(text: string): string {
  const bytes = text
    .replaceAll('-', '/')
    .replace(/\\x([0-9a-fA-F]{2})/g, (_, hex: string) => `%${hex}`)
    .replace(/%(?![0-9a-fA-F]{2})/g, '%25');
  try {
    return decodeURIComponent(bytes);
  } catch {
    return text;
  }
}

/** Replaces the specifiers in a text. Throws an Error that names one the supervisor does not know. */
export function expandSpecifiers(text: string, name: string, context: SpecifierContext): string {
  const { stem, prefix, instance } = nameParts(name);
  const last = prefix.slice(prefix.lastIndexOf('-') + 1);
  const below = (path: string): string => `${context.root === '/' ? '' : context.root}${path}`;
  const values: Readonly<Record<string, string | null>> = {
    '%': '%',
    n: name,
    N: stem,
    p: prefix,
    P: unescapeName(prefix),
    i: instance,
    I: unescapeName(instance),
    j: last,
    J: unescapeName(last),
    f: `/${unescapeName(instance === '' ? prefix : instance).replace(/^\/+/, '')}`,
    m: context.machineId,
    b: context.bootId,
    H: context.hostName,
    l: context.hostName.replace(/\..*/, ''),
    v: context.kernel,
    u: context.user,
    U: String(context.uid),
    g: context.group,
    G: String(context.gid),
    h: context.home,
    t: below('/run'),
    S: below('/var/lib'),
    C: below('/var/cache'),
    L: below('/var/log'),
    E: below('/etc'),
    T: '/tmp',
    V: '/var/tmp',
    d: context.credentials,
  };
  return text.replace(/%(.?)/gs, (whole, letter: string) => {
    const value = values[letter];
    if (value === undefined) throw new Error(`the specifier ${whole} is not supported by the supervisor`);
    if (value === null) throw new Error(`the specifier ${whole} has no value on this machine`);
    return value;
  });
}
