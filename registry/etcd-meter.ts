import type { Clock } from '../runtime/clock.js';

const OPERATIONS = {
  Range: 'range',
  Txn: 'txn',
  LeaseGrant: 'lease',
  LeaseRevoke: 'lease',
  LeaseKeepAlive: 'lease',
  Watch: 'watch',
  Authenticate: 'auth',
} as const;

export type EtcdOperation = (typeof OPERATIONS)[keyof typeof OPERATIONS];

/** One call to etcd that was answered or has failed, or one message that came over a watch, or a watch that failed. */
export interface EtcdCall {
  readonly operation: EtcdOperation;
  /** From the request to the answer, connecting included; null of a watch, whose messages nobody asked for. */
  readonly ms: number | null;
  readonly ok: boolean;
  /** Length of the protobuf messages, without the frames and headers around them. */
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Must not throw: it is called from within gRPC. */
export type OnEtcdCall = (call: EtcdCall) => void;

/** What gRPC lets us see and change of a call before it is sent. */
export interface Invocation {
  readonly metadata: { set(key: string, value: string): void };
  /** Of a call with one answer. */
  callback?: (error: Error | null, value: unknown) => void;
  readonly call: { on(event: 'status', listener: (status: { readonly code: number }) => void): unknown };
  methodDefinition: {
    /** `/etcdserverpb.KV/Range` */
    readonly path: string;
    readonly responseStream: boolean;
    readonly requestSerialize: (message: unknown) => Buffer;
    readonly responseDeserialize: (message: Buffer) => unknown;
  };
}

/** gRPC's status numbers of a stream that did not fail. */
const OK = 0;
const CANCELLED = 1;

/**
 * Reports the call once it is over; of a watch, each message that comes in and the failure it ends with; of a stream of renewals,
 * each as a call, also those that got no answer.
 */
export function measure(invocation: Invocation, clock: Pick<Clock, 'steady'>, onCall: OnEtcdCall): void {
  const { path, responseStream, requestSerialize, responseDeserialize } = invocation.methodDefinition;
  const operation = OPERATIONS[path.slice(path.lastIndexOf('/') + 1) as keyof typeof OPERATIONS];
  const sentAt = clock.steady();
  /** Of a stream of renewals: when those were sent that have no answer yet. */
  const renewals: number[] = [];
  let [bytesIn, bytesOut] = [0, 0];
  const tell = (ok: boolean): void => {
    const from = renewals.shift() ?? sentAt;
    onCall({ operation, ms: operation === 'watch' ? null : clock.steady() - from, ok, bytesIn, bytesOut });
    [bytesIn, bytesOut] = [0, 0];
  };
  invocation.methodDefinition = {
    ...invocation.methodDefinition,
    requestSerialize(message) {
      const request = requestSerialize(message);
      bytesOut += request.length;
      if (path.endsWith('/LeaseKeepAlive')) renewals.push(clock.steady());
      return request;
    },
    responseDeserialize(message) {
      bytesIn += message.length;
      if (responseStream) tell(true);
      return responseDeserialize(message);
    },
  };
  invocation.call.on('status', ({ code }) => {
    if (path.endsWith('/LeaseKeepAlive')) while (renewals.length > 0) tell(false);
    else if (!responseStream || (code !== OK && code !== CANCELLED)) tell(code === OK);
  });
}
