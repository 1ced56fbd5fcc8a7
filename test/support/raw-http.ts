import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  /** By name in lower case, the last of several. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** What came so far of an answer that goes on; the connection was ended then. */
  readonly cut: boolean;
}

export interface RawAsking {
  readonly bytes: Buffer;
  /** The answer has no body, whatever its headers say. */
  readonly isHead: boolean;
  /** ms within which the answer has to be whole; an error after that. */
  readonly deadlineMs: number;
  /** An event stream goes on: it is heard for this long, in ms. */
  readonly listenMs: number;
}

/** A connection that sends whatever it is given, byte by byte, and keeps alive if the server does. */
export interface Wire {
  /** null: the server ended the connection without an answer. */
  ask(asking: RawAsking): Promise<RawAnswer | null>;
  /** Sends and goes away without hearing anything. */
  leave(bytes: Buffer): Promise<void>;
  close(): void;
}

export function openWire(path: string): Wire {
  let socket: Socket | null = null;

  function open(): Promise<Socket> {
    if (socket !== null && !socket.destroyed && socket.readable && socket.writable)
      return Promise.resolve(socket);
    return new Promise((resolve, reject) => {
      const fresh = connect(path);
      fresh.once('connect', () => resolve(fresh)).once('error', reject);
      fresh.on('error', () => undefined);
      socket = fresh;
    });
  }

  return {
    async ask({ bytes, isHead, deadlineMs, listenMs }) {
      const wire = await open();
      return new Promise((resolve, reject) => {
        let heard = Buffer.alloc(0);
        let listening: NodeJS.Timeout | undefined;
        const deadline = setTimeout(
          () => end(new Error(`no whole answer within ${deadlineMs} ms`)),
          deadlineMs,
        );
        const end = (outcome: RawAnswer | null | Error): void => {
          clearTimeout(deadline);
          clearTimeout(listening);
          wire.off('data', hear).off('close', gone);
          const keeps = outcome !== null && 'status' in outcome && !outcome.cut && goesOn(outcome);
          if (!keeps) wire.destroy();
          if (outcome instanceof Error) reject(outcome);
          else resolve(outcome);
        };
        const hear = (data: Buffer): void => {
          heard = Buffer.concat([heard, data]);
          const answer = readAnswer(heard, isHead, false);
          if (answer === null) return;
          if (!answer.cut) end(answer);
          else if (answer.headers.get('content-type') === 'text/event-stream')
            listening ??= setTimeout(() => end(answer), listenMs);
        };
        const gone = (): void => {
          const answer = readAnswer(heard, isHead, true);
          if (answer?.cut) end(new Error(`the answer broke off: ${heard.toString('latin1').slice(0, 200)}`));
          else end(answer);
        };
        wire.on('data', hear).once('close', gone);
        wire.write(bytes);
      });
    },
    async leave(bytes) {
      const wire = await open();
      wire.write(bytes);
      await new Promise((resolve) => setImmediate(resolve));
      wire.destroy();
    },
    close: () => void socket?.destroy(),
  };
}

function goesOn({ headers, status }: RawAnswer): boolean {
  return status !== 101 && headers.get('connection') !== 'close';
}

/** null: its head is not there yet. `ended`: nothing more comes. */
function readAnswer(heard: Buffer, isHead: boolean, ended: boolean): RawAnswer | null {
  const split = heard.indexOf('\r\n\r\n');
  if (split < 0) return null;
  const [first = '', ...lines] = heard.subarray(0, split).toString('latin1').split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1]);
  if (Number.isNaN(status)) throw new Error(`no answer in HTTP: ${first}`);
  const rest = heard.subarray(split + 4);
  if (status < 200) return readAnswer(rest, isHead, ended);
  const headers = new Map(
    lines.map((line) => {
      const at = line.indexOf(':');
      return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()] as const;
    }),
  );
  const answer = (body: Buffer | null): RawAnswer => ({
    ...{ status, headers, body: body ?? rest, cut: body === null },
  });
  if (isHead || status === 204 || status === 304) return answer(Buffer.alloc(0));
  if (headers.get('transfer-encoding') === 'chunked') return answer(unchunked(rest));
  const length = headers.get('content-length');
  if (length === undefined) return answer(ended ? rest : null);
  return answer(rest.length >= Number(length) ? rest.subarray(0, Number(length)) : null);
}

/** null: there is more to come. */
function unchunked(rest: Buffer): Buffer | null {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = rest.indexOf('\r\n', at);
    if (line < 0) return null;
    const size = Number.parseInt(rest.toString('latin1', at, line), 16);
    const start = line + 2;
    if (rest.length < start + size + 2) return null;
    if (size === 0) return Buffer.concat(parts);
    parts.push(rest.subarray(start, start + size));
    at = start + size + 2;
  }
}
