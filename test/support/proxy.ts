import { connect, createServer, type Socket } from 'node:net';

/** A TCP proxy in front of a real server, for the faults a network has. */
export interface Proxy {
  /** Where it listens, unless on a unix socket. */
  readonly port: number;
  /** Drops every connection at once and refuses new ones until `restore`. */
  cut(): void;
  /** Hands every byte on only after this time, in both directions. */
  delay(ms: number): void;
  /** Keeps connections open and swallows all bytes in both directions until `restore` (which then cuts them). */
  blackHole(): void;
  restore(): void;
  /** Cuts each connection after this many further bytes from the server; once, unless called again. */
  cutAfterBytes(count: number): void;
  /** Goes into `blackHole` after this many further bytes from the server: in the middle of an answer. */
  blackHoleAfterBytes(count: number): void;
  /** Bytes passed from server to client so far. */
  readonly received: number;
  /** Open now. */
  readonly connections: number;
  close(): Promise<void>;
}

/** In front of a port of 127.0.0.1 or a unix socket; listens on a free port of 127.0.0.1 or on the given unix socket. */
export async function startProxy(target: number | string, listen: string | null = null): Promise<Proxy> {
  const pairs = new Set<{ client: Socket; server: Socket }>();
  let mode: 'pass' | 'cut' | 'hole' = 'pass';
  let budget = Number.POSITIVE_INFINITY;
  let then: 'cut' | 'hole' = 'cut';
  let received = 0;
  let delayMs = 0;

  const drop = (): void => {
    for (const { client, server } of pairs) {
      client.destroy();
      server.destroy();
    }
    pairs.clear();
  };

  const listener = createServer((client) => {
    if (mode === 'cut') return void client.destroy();
    const server = typeof target === 'number' ? connect(target, '127.0.0.1') : connect(target);
    const pair = { client, server };
    pairs.add(pair);
    const end = (): void => {
      if (mode === 'hole') return;
      client.destroy();
      server.destroy();
      pairs.delete(pair);
    };
    const later = (pass: () => void): void => void (delayMs > 0 ? setTimeout(pass, delayMs) : pass());
    client.on('data', (data) => later(() => mode === 'pass' && server.write(data)));
    server.on('data', (data) => {
      if (mode !== 'pass') return;
      const passed = data.subarray(0, Math.max(0, budget));
      received += passed.length;
      budget -= data.length;
      later(() => mode === 'pass' && client.write(passed));
      if (budget <= 0) {
        budget = Number.POSITIVE_INFINITY;
        if (then === 'hole') mode = 'hole';
        else client.end(() => drop());
      }
    });
    for (const socket of [client, server]) socket.on('error', end).on('close', end);
  });
  await new Promise<void>((resolve) => {
    if (listen === null) listener.listen(0, '127.0.0.1', resolve);
    else listener.listen(listen, resolve);
  });
  // It ends with its opener, and does not keep that one from ending.
  listener.unref();

  return {
    port: listen === null ? (listener.address() as { port: number }).port : 0,
    cut() {
      mode = 'cut';
      drop();
    },
    delay(ms) {
      delayMs = ms;
    },
    blackHole() {
      mode = 'hole';
    },
    restore() {
      if (mode === 'hole') drop();
      mode = 'pass';
    },
    cutAfterBytes(count) {
      budget = count;
      then = 'cut';
    },
    blackHoleAfterBytes(count) {
      budget = count;
      then = 'hole';
    },
    get received() {
      return received;
    },
    get connections() {
      return pairs.size;
    },
    async close() {
      mode = 'cut';
      drop();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
