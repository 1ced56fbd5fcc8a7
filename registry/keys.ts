/** What a key of the registry stands for, as `parse` reads it. */
export type ParsedKey =
  | { readonly kind: 'cluster' }
  | { readonly kind: 'leader' }
  | { readonly kind: 'unit'; readonly unit: string }
  | { readonly kind: 'content'; readonly hash: string }
  | { readonly kind: 'known'; readonly machine: string }
  | { readonly kind: 'unjoined'; readonly machine: string }
  | { readonly kind: 'machine'; readonly machine: string }
  | { readonly kind: 'assigned'; readonly unit: string }
  | { readonly kind: 'placement'; readonly machine: string; readonly unit: string }
  | { readonly kind: 'state'; readonly machine: string; readonly unit: string }
  | { readonly kind: 'service'; readonly service: string; readonly unit: string; readonly machine: string };

/** Every etcd key of a registry. What ends with a slash is the prefix of a table. */
export interface Keys {
  readonly root: string;
  readonly cluster: string;
  readonly leader: string;
  readonly secret: string;
  readonly units: string;
  readonly contents: string;
  readonly known: string;
  readonly machines: string;
  readonly services: string;
  unit(name: string): string;
  content(hash: string): string;
  knownMachine(id: string): string;
  unjoined(id: string): string;
  machine(id: string): string;
  assigned(unit: string): string;
  /** Without a unit: the prefix of all placements; with a machine only: of that machine's. */
  placements(machine?: string): string;
  placement(machine: string, unit: string): string;
  states(machine: string): string;
  state(machine: string, unit: string): string;
  servicesOf(service: string): string;
  service(service: string, unit: string, machine: string): string;
  /** `null` for a key that is none of ours: a later version's, say. */
  parse(key: string): ParsedKey | null;
}

/**
 * `prefix` is where in etcd the registry lives; slashes around it do not matter (`convoy`, `/convoy/`). Parts of
 * a key are percent-encoded where they hold a slash, so that a name can never reach into another table.
 */
export function keysUnder(prefix: string): Keys {
  const root = `/${prefix.replace(/^\/+|\/+$/g, '')}/`.replace('//', '/');
  const at = (...parts: readonly string[]): string => root + parts.map(encodePart).join('/');
  return {
    root,
    cluster: at('cluster'),
    leader: at('leader'),
    secret: at('secret'),
    units: `${at('units')}/`,
    contents: `${at('contents')}/`,
    known: `${at('known')}/`,
    machines: `${at('machines')}/`,
    services: `${at('services')}/`,
    unit: (name) => at('units', name),
    content: (hash) => at('contents', hash),
    knownMachine: (id) => at('known', id),
    unjoined: (id) => at('unjoined', id),
    machine: (id) => at('machines', id),
    assigned: (unit) => at('assigned', unit),
    placements: (machine) => `${machine === undefined ? at('placements') : at('placements', machine)}/`,
    placement: (machine, unit) => at('placements', machine, unit),
    states: (machine) => `${at('states', machine)}/`,
    state: (machine, unit) => at('states', machine, unit),
    servicesOf: (service) => `${at('services', service)}/`,
    service: (service, unit, machine) => at('services', service, unit, machine),
    parse: (key) =>
      key.startsWith(root) ? parseParts(key.slice(root.length).split('/').map(decodePart)) : null,
  };
}

function parseParts(parts: readonly string[]): ParsedKey | null {
  const [table = '', first = '', second = '', third = ''] = parts;
  switch (`${table} ${parts.length}`) {
    case 'cluster 1':
      return { kind: 'cluster' };
    case 'leader 1':
      return { kind: 'leader' };
    case 'units 2':
      return { kind: 'unit', unit: first };
    case 'contents 2':
      return { kind: 'content', hash: first };
    case 'known 2':
      return { kind: 'known', machine: first };
    case 'unjoined 2':
      return { kind: 'unjoined', machine: first };
    case 'machines 2':
      return { kind: 'machine', machine: first };
    case 'assigned 2':
      return { kind: 'assigned', unit: first };
    case 'placements 3':
      return { kind: 'placement', machine: first, unit: second };
    case 'states 3':
      return { kind: 'state', machine: first, unit: second };
    case 'services 4':
      return { kind: 'service', service: first, unit: second, machine: third };
    default:
      return null;
  }
}

const encodePart = (part: string): string => part.replaceAll('%', '%25').replaceAll('/', '%2F');
const decodePart = (part: string): string => part.replaceAll('%2F', '/').replaceAll('%25', '%');
