import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../support/programs.js';

/** Conversations with fleet 1.0, as they were recorded (test/fixtures/fleetctl-1.0/README.md). */

export interface Recording {
  readonly machines: readonly { id: string; ip: string; metadata: Record<string, string> }[];
  readonly steps: readonly Step[];
}

export interface Step {
  readonly argv: readonly string[];
  readonly setup?: Setup;
  readonly exchanges: readonly (Exchange | Elided)[];
}

/** What the recorder did itself before the step; `units`: `tiny-001.service to tiny-130.service`. */
export interface Setup {
  readonly note: string;
  readonly units?: string;
  readonly like?: RecordedUnit;
}

export interface Option {
  readonly section: string;
  readonly name: string;
  readonly value: string;
}

export interface Exchange {
  readonly request: Request;
  readonly response: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: RecordedBody;
    readonly text?: string;
  };
}

/** So many polls of the same request were left out here. */
export interface Elided {
  readonly elided: number;
  readonly request: Pick<Request, 'method' | 'path'>;
}

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body?: unknown;
  readonly text?: string;
}

/** The fields of answers that tell of what leader and agents have done. */
export type RecordedBody = Partial<RecordedUnit & RecordedState> & {
  readonly units?: readonly RecordedUnit[];
  readonly states?: readonly RecordedState[];
  readonly nextPageToken?: string;
};

export interface RecordedUnit {
  readonly name: string;
  readonly options: readonly Option[];
  readonly desiredState: string;
  readonly currentState?: 'inactive' | 'loaded' | 'launched';
  readonly machineID?: string;
}

export interface RecordedState {
  readonly name: string;
  readonly machineID: string;
  readonly systemdLoadState: string;
  readonly systemdActiveState: string;
  readonly systemdSubState: string;
}

const FOLDER = join(ROOT, 'test/fixtures/fleetctl-1.0');

export const RECORDINGS = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.replace('.json', ''));

export function readRecording(name: string): Recording {
  return JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf8')) as Recording;
}

export function isElided(one: Exchange | Elided): one is Elided {
  return 'elided' in one;
}
