import { Channel, type ChannelCredentials, type ChannelOptions, status } from '@grpc/grpc-js';
import { noop } from 'cockatiel';
import { Etcd3 } from 'etcd3';
import type { Clock } from '../runtime/clock.js';
import { permanent } from '../runtime/errors.js';
import { type Invocation, measure, type OnEtcdCall } from './etcd-meter.js';

export interface EtcdTls {
  /** PEM of the authorities one of which must have signed the members' certificates. */
  readonly ca: string | Buffer;
  /** PEM of the certificate this machine shows, with the key to it; both or none. */
  readonly cert?: string | Buffer | undefined;
  readonly key?: string | Buffer | undefined;
}

/**
 * Needs a role that may read and write all keys under the prefix, and nothing else (`etcdctl role grant-permission
 * ROLE --prefix=true readwrite /convoy/`).
 */
export interface EtcdAuth {
  readonly username: string;
  readonly password: string;
}

export interface EtcdAccess {
  /** For endpoints with https; absent: the authorities the system trusts. */
  readonly tls?: EtcdTls | undefined;
  readonly auth?: EtcdAuth | undefined;
  /** For metrics. */
  readonly onCall?: OnEtcdCall | undefined;
}

/**
 * One member of etcd: the connection to it and, with a user, the token that every call and stream carries. A watch
 * whose token is refused is told only that it has no permission; the read before the next attempt brings a new token.
 */
export interface EtcdHost {
  readonly endpoint: string;
  /**
   * Runs a call. One refused for its token (run out, or lost in a restart of that member) had no effect: it is sent
   * once more with a new one. `deadline` (ms since the epoch) covers asking for the token too.
   */
  run<T>(deadline: number, call: (etcd: Etcd3, options: { deadline: number }) => Promise<T>): Promise<T>;
  close(): void;
}

export function openHost(endpoint: string, clock: Clock, { tls, auth, onCall }: EtcdAccess): EtcdHost {
  const isSecure = endpoint.startsWith('https:');
  if (tls !== undefined && !isSecure)
    throw permanent(`etcd has certificates, but ${endpoint} is without TLS: write https://`, {
      code: 'usage',
    });
  /** The token that calls carry; empty if etcd has no users. */
  let header = '';
  let token: Promise<void> | undefined;
  /** What etcd3 makes connections for now share; undefined once a call failed, for which it may have closed what it had. */
  let channel: Channel | undefined;

  const etcd = new Etcd3({
    hosts: endpoint,
    ...(tls === undefined ? {} : { credentials: credentialsOf(tls) }),
    faultHandling: { host: () => noop, global: noop },
    grpcOptions: {
      // Each call that fails leaves its connection: it must not find the same dead one again.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.min_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1000,
      // A watch on a dead connection hears nothing; only pings tell. etcd refuses more than one in 5 s.
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 5_000,
      channelFactoryOverride(address: string, credentials: ChannelCredentials, options: ChannelOptions) {
        // etcd3 would connect for reads and writes, for leases and for watches apart.
        channel ??= new Channel(address, credentials, options);
        return channel;
      },
      callInvocationTransformer(call: Invocation) {
        call.call.on('status', ({ code }) => {
          if (code !== status.OK) channel = undefined;
        });
        // etcd3 has its own way to ask for tokens, but never closes the connections it asks on.
        if (header !== '') call.metadata.set('token', header);
        if (onCall !== undefined) measure(call, clock, onCall);
        const { callback } = call;
        if (callback !== undefined)
          call.callback = (error, value) => callback(TokenRefused.instead(error), value);
        return call;
      },
    },
  });

  async function authenticate({ username, password }: EtcdAuth, deadline: number): Promise<void> {
    try {
      header = '';
      header = (await etcd.auth.authenticate({ name: username, password }, { deadline })).token;
    } catch (error) {
      if (error instanceof Error && /authentication is not enabled/.test(error.message)) return;
      token = undefined;
      throw error;
    }
  }

  return {
    endpoint,
    async run(deadline, call) {
      if (auth === undefined) return call(etcd, { deadline });
      for (let isSecond = false; ; isSecond = true) {
        token ??= authenticate(auth, deadline);
        const asked = token;
        await asked;
        try {
          return await call(etcd, { deadline });
        } catch (error) {
          if (isSecond || !(error instanceof TokenRefused)) throw error;
          if (token === asked) token = undefined;
        }
      }
    },
    close: () => etcd.close(),
  };
}

function credentialsOf({ ca, cert, key }: EtcdTls) {
  return {
    rootCertificate: Buffer.from(ca),
    ...(cert === undefined ? {} : { certChain: Buffer.from(cert) }),
    ...(key === undefined ? {} : { privateKey: Buffer.from(key) }),
  };
}

/** A class of its own because etcd3 would send a call again and again, with the same token, on its own error. */
class TokenRefused extends Error {
  /** The last one: etcd got to know users only after a token was found not to be needed. */
  static instead(error: Error | null): Error | null {
    const refused = /invalid auth token|revision of auth store is old|user name is empty/;
    return error !== null && refused.test(error.message) ? new TokenRefused(error.message) : error;
  }
}
