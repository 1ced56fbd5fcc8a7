import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { aborted, kindOf, messageOf } from '../runtime/errors.js';
import { secureWebServer } from '../runtime/web-server.js';
import { type Access, identify, lacksRole } from './access.js';
import { logChange } from './audit.js';
import type { ApiContext } from './context.js';
import { statusOf } from './error-codes.js';
import { listenOn, type SocketListen, type TcpListen } from './listen.js';
import { type Answered, apiMetrics } from './metrics.js';
import { PASSED_ON, WRONG_MACHINE } from './pass-on.js';
import { listenForPeers, type PeerListen, peerSecurity } from './peer-server.js';
import { openPeers, type Peers } from './peers.js';
import { redirect, sendError, sendJson, sendLines } from './replies.js';
import { type Call, type Caller, type Method, type Reply, type Route, refuse } from './route.js';
import { allRoutes, cleanPath, matchRoute } from './routes.js';
import { createWebServer, shownBy } from './web-server.js';

export interface ApiOptions extends ApiContext {
  readonly sockets: readonly SocketListen[];
  readonly tcp: readonly TcpListen[];
  /** Of callers over TCP. */
  readonly access: Access;
  /** Where other machines ask; null: nowhere. */
  readonly peerListen: PeerListen | null;
  /** The secret of the cluster that this machine has joined; null: it is not known yet. */
  readonly secret: () => Buffer | null;
}

export interface Api {
  /** `unix:///path`, `http://host:port` or `https://host:port`, sockets first, in the order given. */
  readonly addresses: readonly string[];
  /** Where other machines ask: `psk://host:port`; '': nowhere. */
  readonly peerAddress: string;
  /** Ends streams and connections; a request in hand gets its answer. */
  stop(): Promise<void>;
}

const BODY_LIMIT = 4 * 1024 * 1024;
/** How long `stop` lets requests in hand finish before it cuts them. */
const STOP_MS = 2_000;
/** What a machine answers that is none of the cluster. */
const ABOUT_ITSELF = /^\/(v1\/rejoin|healthz|readyz|metrics)$/;

/** Serves the API on all addresses or, if one cannot be had, on none (rejects with the reason). */
export async function startApi(options: ApiOptions): Promise<Api> {
  const stopping = new AbortController();
  const routes = allRoutes(options);
  const gate = registryGate(options);
  const peers = openPeers(options.machineId, () => options.registry.readSecret());
  const count = apiMetrics(options.meter);
  const servers: Server[] = [];
  const addresses: string[] = [];
  let peerAddress = '';
  const stop = async (): Promise<void> => {
    stopping.abort();
    await Promise.all(servers.map((server) => closeServer(server, options)));
    await peers.close();
  };
  const handler = (callerOf: Serving['callerOf']): RequestListener => {
    const serving: Serving = { ...options, routes, gate, peers, callerOf, count };
    return (request, response) => void answer(serving, request, response, stopping.signal);
  };
  try {
    for (const listen of [...options.sockets, ...options.tcp]) {
      const { role } = listen;
      const address = 'path' in listen ? listen.path : `${listen.host}:${listen.port}`;
      const callerOf = (request: IncomingMessage): Caller =>
        role === null ? identify(shownBy(request), options.access.tokens) : { name: address, role };
      const tls = 'path' in listen ? null : options.access.tls;
      const server = createWebServer(tls, handler(callerOf));
      addresses.push(await listenOn(server, listen, options.access));
      servers.push(server);
    }
    if (options.peerListen !== null) {
      const { tls, callerOf } = peerSecurity(options.secret);
      const server = secureWebServer(tls, handler(callerOf));
      peerAddress = await listenForPeers(server, options.peerListen, options.log);
      if (peerAddress !== '') servers.push(server);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { addresses, peerAddress, stop };
}

async function closeServer(server: Server, { clock }: ApiOptions): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeIdleConnections();
  const settled = new AbortController();
  const cut = clock.sleep(STOP_MS, settled.signal).then(
    () => server.closeAllConnections(),
    () => undefined,
  );
  await closed;
  settled.abort();
  await cut;
}

/** Whether the registry answered last: until it has, fleet's paths all say 503, whatever they are. */
interface RegistryGate {
  pass(): Promise<void>;
  fail(): void;
}

function registryGate({ registry }: ApiContext): RegistryGate {
  let answered = false;
  return {
    async pass() {
      if (!answered) await registry.readLeader();
      answered = true;
    },
    fail() {
      answered = false;
    },
  };
}

interface Serving extends ApiContext {
  readonly routes: readonly Route[];
  readonly gate: RegistryGate;
  readonly count: (answered: Answered) => void;
  readonly peers: Peers;
  /** Who asks over this address; throws the refusal. */
  readonly callerOf: (request: IncomingMessage) => Caller;
}

async function answer(
  serving: Serving,
  request: IncomingMessage,
  response: ServerResponse,
  stopping: AbortSignal,
): Promise<void> {
  const started = serving.clock.steady();
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  response.setHeader('server', `convoyd/v${serving.version}`);
  const target = request.url ?? '/';
  const dialect = /^\/(v1|healthz|readyz|metrics)(\/|\?|$)/.test(target) ? 'native' : 'fleet';
  const asked: Known = { caller: null, params: {}, route: null };
  let beganAt: number | null = null;
  let isGone = false;
  try {
    const signals = { signal: gone.signal, ending: AbortSignal.any([gone.signal, stopping]) };
    const reply = await dispatch(serving, dialect, request, asked, signals);
    beganAt = serving.clock.steady();
    if ('location' in reply) redirect(response, reply.location);
    else if ('lines' in reply) await sendLines(response, reply, gone.signal);
    else sendJson(response, reply);
  } catch (error) {
    if (kindOf(error) === 'transient') serving.gate.fail();
    if (statusOf(error) === 401) await received(request);
    isGone = gone.signal.aborted && !response.headersSent;
    if (response.headersSent) response.destroy();
    else sendError(response, dialect, error);
    if (response.statusCode === 500) serving.log.error({ request: target }, messageOf(error));
  }
  const method = request.method ?? '';
  const ms = (beganAt ?? serving.clock.steady()) - started;
  serving.count({ route: asked.route, method, status: isGone ? null : response.statusCode, ms });
  const { remoteAddress, remotePort } = request.socket;
  logChange(serving.log, {
    ...{ ...asked, method: request.method ?? '', target, status: response.statusCode },
    from: remoteAddress === undefined ? undefined : `${remoteAddress} port ${remotePort}`,
  });
  serving.log.debug(
    {
      method: request.method,
      request: target,
      status: response.statusCode,
      ms: Math.round(serving.clock.steady() - started),
    },
    'answered',
  );
}

/** What comes to be known of a request on its way. */
interface Known {
  caller: Caller | null;
  params: Readonly<Record<string, string>>;
  route: string | null;
}

async function dispatch(
  serving: Serving,
  dialect: Route['dialect'],
  request: IncomingMessage,
  known: Known,
  signals: Pick<Call, 'signal' | 'ending'>,
): Promise<Reply | { readonly location: string }> {
  const target = request.url ?? '/';
  const query = target.indexOf('?');
  const caller = serving.callerOf(request);
  known.caller = caller;
  const path = decodePath(query < 0 ? target : target.slice(0, query));
  const outsider = serving.outsider();
  if (outsider !== null && !ABOUT_ITSELF.test(path)) throw refuse(503, 'outsider', outsider);
  if (dialect === 'fleet') await serving.gate.pass();
  const clean = cleanPath(path);
  if (clean !== path) return { location: encodeURI(clean) + (query < 0 ? '' : target.slice(query)) };

  const meant = request.headers[PASSED_ON];
  if (meant !== undefined && meant !== serving.machineId)
    throw refuse(WRONG_MACHINE, 'wrong-machine', `this is machine ${serving.machineId}, not ${meant}`);
  const match = matchRoute(serving.routes, path);
  if (match === null)
    throw refuse(404, 'not-found', dialect === 'fleet' ? '' : `there is no ${path} in this API`);
  known.params = match.params;
  known.route = match.route.path;
  const method = request.method ?? '';
  const handler = match.route.methods[method as Method];
  if (handler === undefined) throw refuse(match.route.otherStatus ?? 405, 'method', match.route.otherMethods);
  const needed = match.route.roles?.[method as Method] ?? (method === 'GET' ? 'read' : 'operate');
  const refusal = lacksRole(caller, needed);
  if (refusal !== null) throw refusal;
  // A page in a browser on this machine can reach loopback; nothing but a browser sends Origin.
  if (method !== 'GET' && request.headers.origin !== undefined)
    throw refuse(403, 'from-a-page', 'changes are not taken from web pages');
  // Before anything is done: what is too large is refused also where nobody would read it.
  const body = method === 'GET' ? '' : await readBody(request);
  const call: Call = {
    method,
    target,
    params: match.params,
    query: new URLSearchParams(query < 0 ? '' : target.slice(query + 1)),
    contentTypes: request.headersDistinct['content-type'] ?? [],
    ifMatch: () => generationOf(request.headers['if-match']),
    header: (name) => request.headersDistinct[name]?.[0],
    caller,
    peers: serving.peers,
    body: async () => body,
    passedOn: caller.through !== undefined || meant !== undefined,
    ...signals,
  };
  return handler(call);
}

/** As Go does: the bytes that are meant, read as UTF-8, and as U+FFFD where they are not. */
function decodePath(path: string): string {
  const broken = /%(?![0-9A-Fa-f]{2}).{0,2}/.exec(path)?.[0];
  if (broken !== undefined) throw refuse(400, 'bad-path', `invalid URL escape "${broken}"`);
  const bytes = path.replace(/%../g, (triple) => String.fromCharCode(Number.parseInt(triple.slice(1), 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** `"17"`, as an ETag of ours looks; `*` asks for nothing but that there is one, which every change does. */
function generationOf(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  const match = /^\s*"(\d{1,15})"\s*$/.exec(header);
  if (match === null)
    throw refuse(400, 'bad-header', `If-Match: expected the ETag of a unit, such as "17", got ${header}`);
  return Number(match[1]);
}

/** What is over the limit is still taken off the wire, and forgotten: a caller who sends cannot hear a refusal. */
function readBody(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= BODY_LIMIT) return void chunks.push(chunk);
      chunks.length = 0;
      reject(refuse(413, 'too-large', `body over ${BODY_LIMIT} bytes`));
    });
    request.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    request.once('close', () => reject(aborted('the caller has gone')));
    request.once('error', () => reject(aborted('the caller has gone')));
  });
}

/** Resolves when all of a request has come, or its caller has gone. */
function received(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    if (request.complete || request.destroyed) return resolve();
    request.once('close', resolve).once('end', resolve).resume();
  });
}
