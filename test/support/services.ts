import { afterAll } from 'vitest';
import {
  type EtcdOptions,
  type Ground,
  openGround,
  type PrivateService,
  type RedisOptions,
  startEtcd,
  startRedis,
} from '../../agent/ground.js';
import { freeze } from './freeze.js';

/** A real server of a test, with the faults tests need. All signals go to its own pid. */
export interface TestServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** SIGSTOP; resolves when it stands still. */
  freeze(): Promise<void>;
  thaw(): void;
  /** SIGKILL, resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same port with the same data (after `kill`). */
  restart(): Promise<void>;
}

/** A ground for one test file: everything on it ends with the file. */
export function useGround(name: string): Ground {
  const ground = openGround(`convoy-test-${name}`);
  afterAll(() => ground.close());
  return ground;
}

export function testEtcd(ground: Ground, options: EtcdOptions = {}): Promise<TestServer> {
  return supervise(options.port, (port) =>
    startEtcd(ground, port === undefined ? options : { ...options, port }),
  );
}

export function testRedis(ground: Ground, options: RedisOptions = {}): Promise<TestServer> {
  return supervise(options.port, (port) =>
    startRedis(ground, port === undefined ? options : { ...options, port }),
  );
}

async function supervise(
  firstPort: number | undefined,
  start: (port: number | undefined) => Promise<PrivateService>,
): Promise<TestServer> {
  let service = await start(firstPort);
  const signal = (name: NodeJS.Signals): void => void service.child.kill(name);
  return {
    url: service.url,
    port: service.port,
    get pid() {
      return service.child.pid ?? 0;
    },
    freeze: () => freeze(service.child.pid ?? 0),
    thaw: () => signal('SIGCONT'),
    async kill() {
      const gone = new Promise((resolve) => service.child.once('exit', resolve));
      signal('SIGKILL');
      await gone;
    },
    async restart() {
      service = await start(service.port);
    },
  };
}
