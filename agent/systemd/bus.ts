import { createClient, type Message } from 'dbus-native';
import { type ConvoyError, messageOf, permanent, transient } from '../../runtime/errors.js';

export const SYSTEMD = 'org.freedesktop.systemd1';
export const MANAGER = { path: '/org/freedesktop/systemd1', interface: 'org.freedesktop.systemd1.Manager' };
export const PROPERTIES = 'org.freedesktop.DBus.Properties';

/** One method call to systemd. */
export interface Call {
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature?: string;
  readonly body?: readonly unknown[];
}

export interface Signal {
  readonly path: string;
  readonly member: string;
  readonly body: readonly unknown[];
}

/** One connection to the machine's bus. It never comes back: whoever wants another one connects again. */
export interface Bus {
  /**
   * Rejects with `transient`, code `unreachable`, if the bus or systemd does not answer, otherwise with `permanent`
   * and the last part of the D-Bus error's name as its code (`NoSuchUnit`). `read` gets the answer before any message
   * that came after it is looked at: what it notes down is never older than what a signal said.
   */
  call<T>(call: Call, read: (...values: unknown[]) => T): Promise<T>;
  /** Have the signals that match the rule sent here. */
  addMatch(rule: string): Promise<void>;
  /** Resolves when the connection has ended, whoever ended it. */
  readonly closed: Promise<void>;
  close(): void;
}

/** systemd answers nothing while it reloads, which takes seconds on a machine with thousands of units. */
const DEADLINE_MS = 30_000;
/** Errors of the bus itself that say nothing about the call. */
const AWAY =
  /\.(ServiceUnknown|NameHasNoOwner|NoReply|Disconnected|Timeout|TimedOut|LimitsExceeded|NoServer)$/;
const SIGNAL = 4;
/** Calls under way at a time: the bus of a stock dbus-daemon refuses more than 128 (max_replies_per_connection). */
const UNANSWERED = 100;

/** Where the system bus is: `DBUS_SYSTEM_BUS_ADDRESS`, or the place every distribution has it at. */
export function systemBusAddress(): string {
  return process.env.DBUS_SYSTEM_BUS_ADDRESS || 'unix:path=/run/dbus/system_bus_socket';
}

/** Resolves when the bus has let us in; rejects with `transient`, code `unreachable`. */
export function connectBus(address: string, onSignal: (signal: Signal) => void): Promise<Bus> {
  return new Promise((resolve, reject) => {
    let client: ReturnType<typeof createClient>;
    try {
      client = createClient({
        busAddress: address,
        returnBigInt: true,
        plainValues: true,
        timeout: DEADLINE_MS,
      });
    } catch (cause) {
      return reject(permanent(`${address} is no address of a D-Bus: ${messageOf(cause)}`, { cause }));
    }
    const { connection } = client;
    let why = 'it closed the connection';
    const end = (error: unknown): void => {
      if (error !== undefined) why = messageOf(error);
      connection.stream.destroy();
    };
    // What a handler throws is an error of ours or a refused Hello: the connection is of no use after either.
    for (const event of ['error', 'handlerError']) (connection as NodeJS.EventEmitter).on(event, end);
    const late = setTimeout(end, DEADLINE_MS, new Error('it does not answer'));
    const closed = new Promise<void>((done) => {
      connection.stream.once('close', () => {
        clearTimeout(late);
        done();
        reject(transient(`the bus at ${address} cannot be reached: ${why}`, { code: 'unreachable' }));
      });
    });
    connection.on('message', (message) => {
      if (message.type === SIGNAL)
        onSignal({ path: message.path ?? '', member: message.member ?? '', body: message.body ?? [] });
    });

    let unanswered = 0;
    const waiting: (() => void)[] = [];
    function send(message: Message, answered: (error: Error | null, values: unknown[]) => void): void {
      if (unanswered >= UNANSWERED) return void waiting.push(() => send(message, answered));
      unanswered++;
      client.invoke(message, (error, ...values) => {
        unanswered--;
        answered(error, values);
        waiting.shift()?.();
      });
    }

    function invoke<T>(message: Message, read: (...values: unknown[]) => T): Promise<T> {
      return new Promise((settle, fail) => {
        send(message, (error, values) => {
          if (error !== null) fail(translate(error, message.member ?? ''));
          else settle(read(...values));
        });
      });
    }

    connection.on('connect', () => {
      clearTimeout(late);
      resolve({
        closed,
        close: () => end(undefined),
        call: ({ body = [], ...call }, read) =>
          invoke({ ...call, destination: SYSTEMD, body: [...body] }, read),
        addMatch: (rule) =>
          invoke(
            {
              destination: 'org.freedesktop.DBus',
              path: '/org/freedesktop/DBus',
              interface: 'org.freedesktop.DBus',
              member: 'AddMatch',
              signature: 's',
              body: [rule],
            },
            () => undefined,
          ),
      });
    });
  });
}

function translate(error: Error & { dbusName?: string }, member: string): ConvoyError {
  const name = error.dbusName ?? '';
  if (name === '' || AWAY.test(name))
    return transient(`systemd cannot be asked (${member}): ${error.message}`, {
      code: 'unreachable',
      cause: error,
    });
  return permanent(error.message, { code: name.slice(name.lastIndexOf('.') + 1), cause: error });
}

/** The object path of a unit: what is no letter or digit is `_` and two hex digits, a leading digit too. */
export function unitPath(name: string): string {
  const label = [...Buffer.from(name)]
    .map((byte, index) => {
      const char = String.fromCharCode(byte);
      const plain = index === 0 ? /[A-Za-z]/ : /[A-Za-z0-9]/;
      return plain.test(char) ? char : `_${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');
  return `${MANAGER.path}/unit/${label}`;
}
