import { messageOf, UsageError } from '../runtime/errors.js';
import type { Setting } from '../runtime/options.js';

/** Where fleet kept its settings. */
export const FLEET_CONF = '/etc/fleet/fleet.conf';

/** What fleet's settings mean to convoyd. */
export interface FleetSettings {
  /** By key of convoyd's option table, as the text that option takes. */
  readonly settings: Readonly<Record<string, Setting>>;
  readonly etcdPassword: string | null;
  /** What is set there and does not count, with the reason; a sentence each. */
  readonly warnings: readonly string[];
}

export const NO_FLEET: FleetSettings = { settings: {}, etcdPassword: null, warnings: [] };

/** A value as fleet wrote it, and where it stands: `etcd_servers in /etc/fleet/fleet.conf`, `FLEET_METADATA`. */
type Given = Setting;

/** What becomes of one option of fleet. */
interface Meaning {
  /** Key of convoyd's option table. */
  readonly option?: string;
  readonly text?: string;
  readonly warning?: string;
}

/**
 * fleet's settings, from the text of its configuration file (null: there is none) and its variables, which win over
 * the file. Throws a `UsageError` for what cannot be read, and for what must not be ignored silently.
 */
export function readFleetSettings(
  conf: { readonly file: string; readonly text: string } | null,
  env: Readonly<Record<string, string | undefined>>,
): FleetSettings {
  const { given, warnings } = conf === null ? { given: new Map<string, Given>(), warnings: [] } : parse(conf);
  for (const option of Object.keys(MEANINGS)) {
    const name = `FLEET_${option.toUpperCase()}`;
    const text = env[name];
    if (text !== undefined && text !== '') given.set(option, { text: unquoted(text), source: name });
  }
  const settings: Record<string, Setting> = {};
  for (const [option, { text, source }] of given) {
    const meaning = MEANINGS[option];
    if (meaning === undefined) {
      warnings.push(`${source} is ignored: fleet has no such option`);
      continue;
    }
    try {
      for (const said of meaning(text)) {
        if (said.warning !== undefined) warnings.push(`${source}${said.warning}`);
        if (said.option !== undefined) settings[said.option] = { text: said.text ?? text, source };
      }
    } catch (error) {
      throw new UsageError(`${source}: ${messageOf(error)}, got "${text}"`);
    }
  }
  return { settings, etcdPassword: given.get('etcd_password')?.text ?? null, warnings };
}

/** `option=value` lines above the first section; an option without a value is not set. The last of several counts. */
function parse({ file, text }: { readonly file: string; readonly text: string }) {
  const given = new Map<string, Given>();
  const warnings: string[] = [];
  let isGlobal = true;
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue;
    if (/^\[.*\]$/.test(line)) {
      if (isGlobal) warnings.push(`${file}: all from ${line} on is ignored: fleet's options have no section`);
      isGlobal = false;
    }
    if (!isGlobal) continue;
    const at = line.indexOf('=');
    if (at < 1) throw new UsageError(`${file}:${index + 1}: expected option=value, got "${line}"`);
    const option = line.slice(0, at).trim();
    const value = unquoted(line.slice(at + 1).trim());
    if (value === '') given.delete(option);
    else given.set(option, { text: value, source: `${option} in ${file}` });
  }
  return { given, warnings };
}

function unquoted(text: string): string {
  return /^(["'])(.*)\1$/.exec(text)?.[2] ?? text;
}

/** All options of fleet 1.0. What one throws is completed by where it stands and what is there. */
const MEANINGS: Readonly<Record<string, (text: string) => readonly Meaning[]>> = {
  etcd_servers: endpoints,
  etcd_cafile: as('etcdCafile'),
  etcd_certfile: as('etcdCertfile'),
  etcd_keyfile: as('etcdKeyfile'),
  etcd_username: as('etcdUsername'),
  // Taken by itself: it never goes where options go.
  etcd_password: () => [],
  etcd_key_prefix: keyPrefix,
  public_ip: as('publicIp'),
  metadata: as('metadata'),
  agent_ttl: (text) => [{ option: 'ttl', text: `${Math.ceil(goSeconds(text))}s` }],
  verbosity: (text) => (wholeNumber(text) > 0 ? [{ option: 'logLevel', text: 'debug' }] : []),
  disable_engine: ifTrue([{ option: 'neverLead', text: 'yes' }]),

  etcd_request_timeout: ignored('convoyd bounds each kind of call to etcd by itself'),
  engine_reconcile_interval: ignored('the leader acts on changes when they happen'),
  token_limit: ignored('the API has pages of one size, and clients follow nextPageToken'),
  disable_watches: ifTrue([
    { warning: ' is ignored: convoyd hears of changes through watches, and loses none' },
  ]),
  enable_grpc: ifTrue([
    { warning: ' is ignored: convoyd keeps everything in etcd, as fleet did without gRPC' },
  ]),
  units_directory: ignored('units lie in the run directory of convoyd (--run-dir)'),
  verify_units: ifTrue([{ warning: ' is ignored, as fleet 1.0 did: units are not signed' }]),
  authorized_keys_file: ignored('fleet 1.0 did the same: units are not signed'),
  systemd_user: ifTrue(() => {
    throw new Error(
      "convoyd does not run units by a user's systemd, and the system's would run them with other rights: take it out",
    );
  }),
};

function as(option: string): (text: string) => readonly Meaning[] {
  return () => [{ option }];
}

function ignored(why: string): () => readonly Meaning[] {
  return () => [{ warning: ` is ignored: ${why}` }];
}

function ifTrue(meaning: readonly Meaning[] | (() => never)): (text: string) => readonly Meaning[] {
  return (text) => {
    if (!isTrue(text)) return [];
    return typeof meaning === 'function' ? meaning() : meaning;
  };
}

/** `["http://a:2379", "http://b:2379"]` or `http://a:2379,http://b:2379`. */
function endpoints(text: string): readonly Meaning[] {
  const urls = text
    .replace(/^\[(.*)\]$/, '$1')
    .split(',')
    .map((url) => unquoted(url.trim()).replace(/\/+$/, ''))
    .filter((url) => url !== '');
  const present = urls.filter((url) => !url.endsWith(':4001'));
  const option = 'etcd';
  if (present.length === urls.length) return [{ option, text: urls.join(',') }];
  const old = urls.filter((url) => url.endsWith(':4001')).join(', ');
  return present.length > 0
    ? [
        {
          option,
          text: present.join(','),
          warning: `: ${old} is left out: 4001 was the port of etcd before 2.0`,
        },
      ]
    : [
        {
          ...{ option, text: urls.join(',') },
          warning: `: 4001 was the port of etcd before 2.0, and convoyd needs etcd 3, which listens on 2379 unless told otherwise`,
        },
      ];
}

/** fleet's own prefix is where its data was, in etcd's former store: convoyd's own stands for it. */
function keyPrefix(text: string): readonly Meaning[] {
  const prefix = `/${text.replace(/^\/+|\/+$/g, '')}/`;
  return prefix === '/_coreos.com/fleet/' ? [] : [{ option: 'etcdPrefix', text: prefix }];
}

/** As Go's strconv.ParseBool. */
function isTrue(text: string): boolean {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw new Error('expected true or false');
}

function wholeNumber(text: string): number {
  if (!/^-?\d+$/.test(text)) throw new Error('expected a whole number');
  return Number(text);
}

const GO_UNITS: Readonly<Record<string, number>> = {
  ...{ ns: 1e-9, us: 1e-6, µs: 1e-6, μs: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 },
};

/** `30s`, `1m30s`, `1.5h`: Go's time.ParseDuration, of durations above 0. */
function goSeconds(text: string): number {
  const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gy;
  let seconds = 0;
  let end = 0;
  for (let match = part.exec(text); match !== null; match = part.exec(text)) {
    seconds += Number(match[1]) * (GO_UNITS[match[2] ?? ''] ?? 0);
    end = part.lastIndex;
  }
  if (end !== text.length || seconds <= 0) throw new Error('expected a duration such as 30s or 1m30s');
  return seconds;
}
