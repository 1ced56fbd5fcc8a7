import {
  Agent,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
} from 'node:http';
import { connect, isIP, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import { aborted, messageOf, permanent } from '../runtime/errors.js';
import { connectionError } from './connection-errors.js';
import { type Endpoint, isOpenToOthers } from './endpoint.js';

/** How convoyd is reached and who asks. */
export interface ConnectionOptions {
  /** PEM texts. With `ca` only what that authority signed is trusted; there is no way not to verify. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
  /** Opens a stream to the endpoint from another machine. */
  readonly tunnel?: (endpoint: Endpoint) => Duplex;
  /** How long convoyd may take to begin an answer, in ms; its own calls of the registry have shorter deadlines. */
  readonly answerMs?: number;
  /** Told one line for each answer. */
  readonly debug?: (line: string) => void;
}

export interface Answer {
  readonly statusCode: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: AsyncIterable<Uint8Array> & {
    text(): Promise<string>;
    json(): Promise<unknown>;
    /** Reads it and forgets it. */
    dump(): Promise<void>;
  };
}

export interface SendOptions {
  readonly body?: object;
  /** Instead of the connection's; 0: the answer may begin whenever it will. */
  readonly answerMs?: number;
  /** Gives the request or its answer up. Such an answer is a stream that says something now and then, or is dead. */
  readonly signal?: AbortSignal;
}

export interface Connection {
  /**
   * Sends one request and answers when the head of the answer is there. Errors are those of `connectionError`,
   * `aborted` once the signal has fired. A GET whose connection is let go is sent once more; nothing else is.
   */
  send(method: string, path: string, options?: SendOptions): Promise<Answer>;
  close(): void;
}

const ANSWER_MS = 15_000;
const CONNECTIONS = 16;
/** Each is a program of its own. */
const TUNNELS = 4;
/** Before convoyd closes an idle connection, which would fail the next request. */
const IDLE_MS = 2_000;
/** The agent need not find out whom TLS is to name: `opener` knows. */
const UNNAMED = { servername: '' };
/** How long a stream that has heartbeats may be silent. */
const SILENCE_MS = 60_000;

/** Nothing is sent yet. Throws a permanent error for certificates that are none. */
export function openConnection(endpoint: Endpoint, options: ConnectionOptions): Connection {
  const { token, tunnel, debug, answerMs: usual = ANSWER_MS } = options;
  if (token !== undefined && tunnel === undefined && isOpenToOthers(endpoint))
    throw permanent(`${endpoint.text} would carry the token in clear: use https://`);
  const agent = new ConnectionAgent(opener(endpoint, options), tunnel === undefined ? CONNECTIONS : TUNNELS);
  const headers = {
    host: endpoint.kind === 'unix' ? 'convoyd' : `${bracketed(endpoint.host)}:${endpoint.port}`,
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };

  return {
    async send(method, path, { body, answerMs = usual, signal } = {}) {
      const started = performance.now();
      const text = body === undefined ? undefined : JSON.stringify(body);
      const typed = text === undefined ? headers : { ...headers, 'content-type': 'application/json' };
      const told = (outcome: string): void =>
        debug?.(`${method} ${path} -> ${outcome} (${Math.round(performance.now() - started)} ms)`);
      try {
        const asked = () => ask(agent, { method, path, headers: typed, signal }, text, answerMs);
        const message = await asked().catch((cause: unknown) => {
          if (method !== 'GET' || !isHungUp(cause)) throw cause;
          return asked();
        });
        if (signal !== undefined) endWhenSilent(message);
        told(String(message.statusCode));
        return answerOf(message);
      } catch (cause) {
        told(messageOf(cause));
        if (signal?.aborted) throw aborted('the request was given up', { cause });
        throw connectionError(endpoint, cause);
      }
    },
    close: () => agent.destroy(),
  };
}

/**
 * A convoyd that is restarted lets connections go that it does nothing for, and a question may just be on its way there. Its
 * socket goes on listening: who asks once more is heard by the next.
 */
function isHungUp(cause: unknown): boolean {
  const { code } = cause as { code?: unknown };
  return code === 'EPIPE' || code === 'ECONNRESET';
}

interface Head {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
}

function ask(agent: Agent, head: Head, body: string | undefined, answerMs: number): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request({ agent, ...UNNAMED, ...head }, (message) => {
      clearTimeout(late);
      resolve(message);
    });
    const late =
      answerMs > 0
        ? setTimeout(() => sent.destroy(new Error(`no answer within ${answerMs / 1000} s`)), answerMs)
        : undefined;
    sent.on('error', (error) => {
      clearTimeout(late);
      reject(error);
    });
    sent.end(body);
  });
}

function endWhenSilent(message: IncomingMessage): void {
  const { socket } = message;
  if (!(socket instanceof Socket)) return;
  const end = (): void => void message.destroy(new Error(`silent for ${SILENCE_MS / 1000} s`));
  socket.setTimeout(SILENCE_MS, end);
  // The connection may serve many more.
  message.once('close', () => socket.off('timeout', end));
}

function answerOf(message: IncomingMessage): Answer {
  return {
    statusCode: message.statusCode ?? 0,
    headers: message.headers,
    body: Object.assign(message, {
      text: () => text(message),
      json: async () => JSON.parse(await text(message)) as unknown,
      dump: async () => void (await text(message)),
    }),
  };
}

/** Makes connections as it is told, over whatever stream there is, and lets idle ones go in time. */
class ConnectionAgent extends Agent {
  readonly #open: () => Duplex;

  constructor(open: () => Duplex, maxSockets: number) {
    super({ keepAlive: true, maxSockets });
    this.#open = open;
  }

  override createConnection(): Duplex {
    return this.#open();
  }

  /** A stream through a tunnel has no time-outs and ends by itself. */
  override keepSocketAlive(stream: Duplex): boolean {
    if (stream instanceof Socket) stream.setTimeout(IDLE_MS);
    return true;
  }

  override reuseSocket(stream: Duplex, request: ClientRequest): void {
    // What the agent does itself wants a socket.
    if (!(stream instanceof Socket)) request.reusedSocket = true;
    else {
      super.reuseSocket(stream, request);
      stream.setTimeout(0);
    }
  }
}

function opener(endpoint: Endpoint, options: ConnectionOptions): () => Duplex {
  const { tunnel } = options;
  if (endpoint.kind === 'unix' || !endpoint.tls) {
    if (tunnel !== undefined) return () => tunnel(endpoint);
    if (endpoint.kind === 'unix') return () => connect({ path: endpoint.path });
    return () => connect({ host: endpoint.host, port: endpoint.port, noDelay: true });
  }
  const { host, port } = endpoint;
  const secureContext = contextOf(options);
  const servername = isIP(host) === 0 ? host : '';
  return () =>
    connectTls({
      ...(tunnel === undefined ? { port } : { socket: tunnel(endpoint) }),
      ...{ host, servername, secureContext, rejectUnauthorized: true },
    });
}

function contextOf({ ca, cert, key }: ConnectionOptions): SecureContext {
  try {
    return createSecureContext({
      minVersion: 'TLSv1.2',
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert, key }),
    });
  } catch (cause) {
    throw permanent(`--ca-file, --cert-file and --key-file: ${messageOf(cause)}`, { cause });
  }
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
