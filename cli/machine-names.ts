import type { WireMachine } from '../api/wire.js';
import type { ApiClient } from './client.js';
import { shortId } from './machine-label.js';

export type MachineName = (id: string, full: boolean) => string;

/** How people see machines: the id, short or whole, and the address: `472d6cb2.../10.42.0.13`. */
export class MachineNames {
  readonly #api: ApiClient;
  #machines: Promise<ReadonlyMap<string, WireMachine>> | undefined;

  constructor(api: ApiClient) {
    this.#api = api;
  }

  async short(id: string): Promise<string> {
    return this.name(id, false);
  }

  /** Reads machines now, for whoever will ask soon. */
  prepare(): void {
    this.#read().catch(() => {
      this.#machines = undefined;
    });
  }

  /** The id alone for a machine that is gone or has no address. Machines are read once, when first needed. */
  async name(id: string, full: boolean): Promise<string> {
    return (await this.all())(id, full);
  }

  /** The same for whoever names many. */
  async all(): Promise<MachineName> {
    const machines = await this.#read();
    return (id, full) => {
      const ip = machines.get(id)?.primaryIP;
      const shown = full ? id : shortId(id);
      return ip === undefined ? shown : `${shown}/${ip}`;
    };
  }

  #read(): Promise<ReadonlyMap<string, WireMachine>> {
    this.#machines ??= this.#api
      .machines()
      .then((all) => new Map(all.map((machine) => [machine.id, machine])));
    return this.#machines;
  }
}
