import type { EventKind } from '../api/event-schemas.js';
import { REVISION } from '../api/route.js';
import type {
  MachineCondition,
  Placement,
  SubmittedUnit,
  UnitExplanation,
  UnitState,
  UnitSubmission,
} from '../api/schemas.js';
import type {
  AcceptedRegistry,
  HoldReport,
  LeaderReport,
  MachineReport,
  PlannedMove,
  UnitReport,
  WireError,
  WireMachine,
  WireState,
  WireUnit,
} from '../api/wire.js';
import type { ServiceEntry } from '../registry/model.js';
import { ConvoyError, ERROR_KINDS, type ErrorKind } from '../runtime/errors.js';
import type { TargetState } from '../units/state.js';
import type { UnitOption } from '../units/unit-file.js';
import type { LogOutput } from '../units/unit-log.js';
import { type Answer, type ConnectionOptions, openConnection, type SendOptions } from './connection.js';
import { readEndpoint } from './endpoint.js';
import { type EventBatch, readEvents } from './read-events.js';

/** What was so at one revision of the registry: events after that tell of what changes. */
export type At<T> = T & { readonly revision: number };

export interface UnitChange {
  readonly options?: readonly UnitOption[];
  readonly desiredState?: TargetState;
}

/**
 * convoyd's API as commands use it. Errors are `ConvoyError`: those of `connectionError` (`transient`/`unreachable`
 * when nothing answers), else what convoyd said.
 */
export interface ApiClient {
  readonly endpoint: string;
  machines(): Promise<readonly WireMachine[]>;
  machineReports(): Promise<readonly MachineReport[]>;
  /** Asks the machine itself; rejects with `not-found`, `machine-gone` or `machine-unreachable` where it cannot say. */
  machineCondition(id: string): Promise<MachineCondition>;
  units(): Promise<readonly WireUnit[]>;
  /** All states, or those of one unit, with those that a destroyed unit still has. */
  states(unit?: string): Promise<readonly WireState[]>;
  /** null if there is no such unit. */
  unit(name: string): Promise<UnitReport | null>;
  /** The same, with the revision of the registry it is of. */
  unitAt(name: string): Promise<At<{ readonly unit: UnitReport }> | null>;
  unitReports(): Promise<readonly UnitReport[]>;
  /** `destroyed`: states that destroyed units still have. */
  unitReportsAt(): Promise<
    At<{ readonly units: readonly UnitReport[]; readonly destroyed: readonly UnitState[] }>
  >;
  changeUnit(name: string, change: UnitChange): Promise<void>;
  restartUnit(name: string): Promise<void>;
  /** Asks for a move; `to` null: to the best other machine. */
  moveUnit(name: string, to: string | null): Promise<void>;
  /** Waits until it is done; answers the machines. */
  reloadUnit(name: string): Promise<readonly string[]>;
  /** false if there was no such unit. */
  destroyUnit(name: string): Promise<boolean>;
  changeMachine(id: string, verb: MachineVerb): Promise<void>;
  plannedMoves(): Promise<readonly PlannedMove[]>;
  leader(): Promise<LeaderReport>;
  /** Whether the convoyd that answers holds. */
  hold(): Promise<HoldReport>;
  /** Makes the convoyd that answers accept the registry it reaches. */
  accept(): Promise<AcceptedRegistry>;
  services(name?: string): Promise<readonly ServiceEntry[]>;
  /** All in one transaction, or none. `dryRun`: nothing is written, refusals are told. */
  submitUnits(units: readonly UnitSubmission[], dryRun: boolean): Promise<readonly SubmittedUnit[]>;
  /** The whole explanation; null if there is no such unit. */
  why(name: string): Promise<UnitExplanation | null>;
  /** By unit, then machine. `unit`: a name or a glob; `machine`: an id. */
  placements(filter: { readonly unit?: string; readonly machine?: string }): Promise<readonly Placement[]>;
  /** Sets metadata of one machine key by key; null: hides the key. */
  patchMetadata(id: string, metadata: Readonly<Record<string, string | null>>): Promise<void>;
  /** Forgets a machine that is gone. */
  forgetMachine(id: string): Promise<void>;
  /**
   * What changes, for as long as it is listened to; the first batch comes at once. Rejects with what the last event said
   * (`lagging`, `compacted`, ...), `transient`/`unreachable` when the connection is lost: go on with `after` of the
   * last batch's revision; `aborted` once `signal` fires.
   */
  events(request: EventRequest, signal: AbortSignal): AsyncIterable<EventBatch>;
  /** `signal` gives it up, also while it is read. */
  log(name: string, options: LogRequest, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  close(): void;
}

export type MachineVerb = 'cordon' | 'uncordon' | 'drain' | 'evict';

export interface EventRequest {
  /** The revision that was seen; absent: from now on. */
  readonly after?: number;
  /** A name or a glob. */
  readonly unit?: string;
  readonly machine?: string;
  /** Absent: all. */
  readonly kinds?: readonly EventKind[];
}

export interface LogRequest {
  /** How many of the last lines; absent: a few, or all since `since`. */
  readonly lines?: number;
  readonly follow: boolean;
  /** Absent: what suits the machine. */
  readonly output?: LogOutput;
  /** A time as journalctl reads it. */
  readonly since?: string;
  /** Id or beginning of the id of the machine, for a unit that runs on several. */
  readonly machine?: string;
}

/** Nothing is sent yet. Throws what `readEndpoint` and `openConnection` throw. */
export function openClient(endpoint: string, options: ConnectionOptions = {}): ApiClient {
  const connection = openConnection(readEndpoint(endpoint), options);

  async function send(method: string, path: string, options: SendOptions = {}): Promise<Answer> {
    const answer = await connection.send(method, path, options);
    if (answer.statusCode >= 300) throw await errorOf(answer, endpoint);
    return answer;
  }

  async function get<T>(path: string): Promise<T> {
    return (await (await send('GET', path)).body.json()) as T;
  }
  async function getAt<T>(path: string): Promise<{ readonly value: T; readonly revision: number }> {
    const { headers, body } = await send('GET', path);
    return { value: (await body.json()) as T, revision: Number(headers[REVISION]) };
  }
  async function change(method: string, path: string, body?: object): Promise<void> {
    await (await send(method, path, body === undefined ? {} : { body })).body.dump();
  }

  /** Follows page tokens to the end. */
  async function list<Key extends string, Row>(key: Key, path: string, query = ''): Promise<readonly Row[]> {
    const rows: Row[] = [];
    let token = '';
    do {
      const page = await get<{ nextPageToken?: string } & { [K in Key]?: Row[] }>(
        `${path}?alt=json${query}${token}`,
      );
      for (const row of page[key] ?? []) rows.push(row);
      token =
        page.nextPageToken === undefined ? '' : `&nextPageToken=${encodeURIComponent(page.nextPageToken)}`;
    } while (token !== '');
    return rows;
  }

  return {
    endpoint,
    machines: () => list<'machines', WireMachine>('machines', '/fleet/v1/machines'),
    machineReports: async () => (await get<{ machines: MachineReport[] }>('/v1/machines')).machines,
    machineCondition: (id) => get<MachineCondition>(`/v1/machines/${encodeURIComponent(id)}/condition`),
    units: () => list<'units', WireUnit>('units', '/fleet/v1/units'),
    states: (unit) =>
      list<'states', WireState>(
        'states',
        '/fleet/v1/state',
        unit === undefined ? '' : `&unitName=${encodeURIComponent(unit)}`,
      ),
    unit: (name) => orAbsent(get<UnitReport>(`/v1/units/${encodeURIComponent(name)}`), null),
    changeUnit: (name, wanted) =>
      change('PUT', `/fleet/v1/units/${encodeURIComponent(name)}`, { name, ...wanted }),
    async unitAt(name) {
      const found = await orAbsent(getAt<UnitReport>(`/v1/units/${encodeURIComponent(name)}`), null);
      return found === null ? null : { unit: found.value, revision: found.revision };
    },
    async unitReportsAt() {
      const { value, revision } = await getAt<{ units: UnitReport[]; destroyed: UnitState[] }>('/v1/units');
      return { ...value, revision };
    },
    unitReports: async () => (await get<{ units: UnitReport[] }>('/v1/units')).units,
    moveUnit: (name, to) => change('POST', `/v1/units/${encodeURIComponent(name)}/move`, { to }),
    async reloadUnit(name) {
      const { body } = await send('POST', `/v1/units/${encodeURIComponent(name)}/reload`, { answerMs: 0 });
      return ((await body.json()) as { machines: string[] }).machines;
    },
    changeMachine: (id, verb) => change('POST', `/v1/machines/${encodeURIComponent(id)}/${verb}`),
    plannedMoves: async () => (await get<{ moves: PlannedMove[] }>('/v1/rebalance')).moves,
    leader: () => get<LeaderReport>('/v1/leader'),
    hold: () => get<HoldReport>('/v1/rejoin'),
    accept: async () => (await (await send('POST', '/v1/rejoin')).body.json()) as AcceptedRegistry,
    restartUnit: (name) => change('POST', `/v1/units/${encodeURIComponent(name)}/restart`),
    destroyUnit: (name) =>
      orAbsent(
        change('DELETE', `/fleet/v1/units/${encodeURIComponent(name)}`).then(() => true),
        false,
      ),
    services: async (name) =>
      (
        await get<{ services: ServiceEntry[] }>(
          name === undefined ? '/v1/services' : `/v1/services/${encodeURIComponent(name)}`,
        )
      ).services,
    async submitUnits(units, dryRun) {
      const { body } = await send('POST', `/v1/units?dryRun=${dryRun}`, { body: { units } });
      return ((await body.json()) as { units: SubmittedUnit[] }).units;
    },
    why: (name) => orAbsent(get<UnitExplanation>(`/v1/units/${encodeURIComponent(name)}/why`), null),
    async placements(filter) {
      const query = new URLSearchParams({ ...filter });
      return (await get<{ placements: Placement[] }>(`/v1/placements?${query}`)).placements;
    },
    patchMetadata: (id, metadata) =>
      change('PATCH', `/v1/machines/${encodeURIComponent(id)}/metadata`, metadata),
    forgetMachine: (id) => change('DELETE', `/v1/machines/${encodeURIComponent(id)}`),
    async *events({ after, kinds, ...filter }, signal) {
      const query = new URLSearchParams({ ...filter });
      if (after !== undefined) query.set('after', String(after));
      for (const kind of kinds ?? []) query.append('kind', kind);
      const { body } = await send('GET', `/v1/events?${query}`, { signal });
      yield* readEvents(body, endpoint, signal);
    },
    async log(name, { follow, ...asked }, signal) {
      const query = new URLSearchParams({ follow: String(follow) });
      for (const [key, value] of Object.entries(asked)) query.set(key, String(value));
      const path = `/v1/units/${encodeURIComponent(name)}/log?${query}`;
      const patience = follow ? { answerMs: 0 } : {};
      return (await send('GET', path, { ...patience, ...(signal === undefined ? {} : { signal }) })).body;
    },
    close: () => connection.close(),
  };
}

async function orAbsent<T, A>(answer: Promise<T>, absent: A): Promise<T | A> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ConvoyError && error.status === 404) return absent;
    throw error;
  }
}

/** What convoyd said, as it said it. */
async function errorOf(response: Answer, endpoint: string): Promise<ConvoyError> {
  const text = await response.body.text();
  const { error } = readError(text);
  const status = response.statusCode;
  const kind = ERROR_KINDS.includes(error.kind as ErrorKind)
    ? (error.kind as ErrorKind)
    : status === 503
      ? 'transient'
      : 'permanent';
  const message =
    error.message === '' ? `${endpoint} answered HTTP ${status} without a reason` : error.message;
  return new ConvoyError(kind, message, { status, code: String(error.code) });
}

function readError(text: string): WireError {
  try {
    const body = JSON.parse(text) as Partial<WireError>;
    if (typeof body.error?.message === 'string') return { error: body.error };
  } catch {
    // Not convoyd's: the text itself is all there is.
  }
  return { error: { code: 'unexpected', message: text.trim().slice(0, 200) } };
}
