import { messageOf, permanent } from '../../runtime/errors.js';
import { parse } from '../../units/parse.js';
import { readService } from '../service-section.js';
import type { ServiceSettings } from '../service-settings.js';
import type { SpecifierContext } from '../specifiers.js';
import type { ManagedUnit, StartOptions, UnitToLoad } from '../unit-manager.js';
import { type Account, findAccount } from './account.js';
import { credentialsDir, removeCredentials } from './commands.js';
import { AT_REST, type Journal, type UnitEntry } from './journal.js';
import { blockersOf, conflictsOf, installed, type Job, startedWith, stoppedWith } from './order.js';
import { Service } from './service.js';
import { leaseOver } from './unit-commands.js';
import type { ServiceHost, UnitContext } from './unit-context.js';
import { removeUnitLog } from './unit-log.js';

export interface SupervisorOptions extends Omit<ServiceHost, 'changed'> {
  readonly journal: Journal;
  readonly specifiers: Omit<SpecifierContext, 'credentials'>;
  /** The state of any unit changed. */
  readonly onChange: () => void;
}

interface PendingJob extends Job {
  /** Settled when the job is done; never rejects. */
  readonly done: Promise<unknown>;
}

/** Names that are safe as a file's name, with room for an ending. */
const SAFE_NAME = /^[A-Za-z0-9:_.\\@-]{1,240}$/;

/**
 * All units of the machine, and the jobs that start and stop them. Jobs asked for in one turn of the event loop
 * know of each other before the first of them begins; that is what makes After= and Before= hold among them.
 */
export class Supervisor {
  private readonly services = new Map<string, Service>();
  private readonly jobs = new Set<PendingJob>();
  private jobCount = 0;

  constructor(private readonly options: SupervisorOptions) {}

  /** Goes on where the supervisor before left off. */
  adopt(): void {
    const { journal, log } = this.options;
    const { entries, damaged } = journal.readAll();
    for (const file of damaged) log.error({ file }, 'journal file cannot be read: its unit is forgotten');
    for (const entry of entries) {
      try {
        this.services.set(entry.name, this.service(entry, entry));
      } catch (error) {
        log.error({ unit: entry.name }, `left alone, not adopted: ${messageOf(error)}`);
      }
    }
    for (const service of this.services.values()) service.adopt();
    if (!this.options.leaseHeld()) this.endLeaseBound();
  }

  get size(): number {
    return this.services.size;
  }

  list(): ManagedUnit[] {
    return [...this.services.values()].map(({ entry }) => ({
      name: entry.name,
      hash: entry.hash,
      load: entry.load,
      active: entry.active,
      sub: entry.sub,
      launched: entry.launched,
      restarts: entry.restarts,
      environment: entry.environment,
      since: entry.since,
      exit: entry.exit,
      autoRestarts: entry.autoRestarts,
      reason: entry.reason,
    }));
  }

  load(unit: UnitToLoad): void {
    const { name, hash, text } = unit;
    const old = this.services.get(name);
    if (old?.alive) {
      if (old.entry.hash === hash) return;
      throw permanent(`${name} is running: stop it before loading another version`, { code: 'running' });
    }
    if (old?.entry.hash === hash) return;
    const entry: UnitEntry = {
      name,
      hash,
      text,
      leaseBound: unit.leaseBound,
      ...AT_REST,
      load: 'loaded',
      restarts: 0,
      environment: {},
      since: this.options.clock.now(),
      exit: null,
      autoRestarts: 0,
      invocation: '',
    };
    const service = this.service(entry, unit);
    this.services.set(name, service);
    service.set({});
  }

  async start(name: string, { environment, restarts }: StartOptions): Promise<void> {
    const service = this.find(name);
    this.requireLease(service);
    const anew = service.alive ? {} : { autoRestarts: 0 };
    // Whoever asks for a start knows of the failures before: they do not count against it.
    service.set({ launched: true, restarts, environment, startWindow: null, ...anew });
    await this.startWithNeeds(service);
  }

  async reload(name: string): Promise<void> {
    await this.find(name).reload();
  }

  /** The lease that bound units run under is over: none of them is wanted until it is started anew. */
  endLeaseBound(): void {
    for (const service of this.services.values()) {
      if (!service.entry.leaseBound) continue;
      if (service.entry.launched) service.set({ launched: false, stoppedWith: null });
      if (!service.alive) continue;
      this.stopDependents(service);
      // Not as a job: this one waits for nobody, whatever After= says.
      this.aside(service.stop("stopped: this machine's lease is over"));
    }
  }

  private requireLease({ entry }: Service): void {
    if (entry.leaseBound && !this.options.leaseHeld()) throw leaseOver(entry.name);
  }

  async stop(name: string): Promise<void> {
    const service = this.find(name);
    service.set({ launched: false, stoppedWith: null });
    await this.stopWithDependents(service, '');
  }

  async unload(name: string): Promise<void> {
    const service = this.services.get(name);
    if (service === undefined) return;
    service.set({ launched: false, stoppedWith: null });
    await this.stopWithDependents(service, '');
    if (this.services.get(name) !== service) return;
    this.services.delete(name);
    this.options.journal.remove(name);
    removeCredentials(this.options.runDir, name);
    removeUnitLog(this.options.runDir, name);
    this.options.onChange();
  }

  private async startWithNeeds(service: Service): Promise<void> {
    const { name } = service.entry;
    const relations = this.relations();
    const { names, missing } = startedWith(name, relations);
    if (missing.length > 0)
      return this.cannotStart(service, `it requires ${missing.join(', ')}, not on this machine`, missing[0]);
    for (const other of [name, ...names].flatMap((unit) => conflictsOf(unit, relations))) {
      const victim = this.find(other);
      if (victim.alive) this.aside(this.stopWithDependents(victim, `stopped: it conflicts with ${name}`));
    }
    for (const other of names) {
      const needed = this.find(other);
      if (!this.staysUp(needed)) this.aside(this.job(needed, 'start', () => this.startNow(needed)));
    }
    await this.job(service, 'start', () => this.startIfNeedsAreMet(service));
  }

  private async startIfNeedsAreMet(service: Service): Promise<void> {
    const { requires, bindsTo, after } = this.relations().get(service.entry.name) ?? service.settings;
    const down = [...requires, ...bindsTo].find(
      (other) =>
        after.includes(other) && this.services.get(other)?.entry.active !== 'active' && !this.hasRun(other),
    );
    if (down !== undefined) this.cannotStart(service, `${down}, which it requires, is not up`, down);
    await this.startNow(service);
  }

  private async startNow(service: Service): Promise<void> {
    this.requireLease(service);
    await service.start();
  }

  /** A oneshot that went well satisfies those that come after it, though it is not active any more. */
  private hasRun(name: string): boolean {
    const service = this.services.get(name);
    return (
      service?.settings.type === 'oneshot' &&
      service.entry.active === 'inactive' &&
      service.entry.exit === '0'
    );
  }

  private cannotStart(service: Service, reason: string, because: string | undefined): never {
    if (!service.alive)
      service.set({ active: 'inactive', sub: 'dead', reason, stoppedWith: because ?? null });
    throw permanent(`${service.entry.name}: ${reason}`, { code: 'failed' });
  }

  private async stopWithDependents(service: Service, why: string): Promise<void> {
    this.stopDependents(service);
    await this.job(service, 'stop', () => service.stop(why));
  }

  private stopDependents({ entry: { name } }: Service): void {
    for (const other of stoppedWith(name, this.relations())) {
      const dependent = this.find(other);
      if (dependent.alive) this.aside(this.stopAlong(dependent, name));
    }
  }

  private async stopAlong(service: Service, name: string): Promise<void> {
    await this.job(service, 'stop', () => service.stop(`stopped along with ${name}`));
    if (!service.entry.launched) return;
    service.set({ stoppedWith: name });
    const other = this.services.get(name);
    // It came back sooner than this one went down.
    if (other !== undefined && this.staysUp(other)) this.aside(this.startWithNeeds(service));
  }

  private staysUp({ entry: { name, active } }: Service): boolean {
    return active === 'active' && ![...this.jobs].some(({ unit, kind }) => unit === name && kind === 'stop');
  }

  /** For what is done along with something else, whose caller learns of it from the unit's state. */
  private aside(work: Promise<void>): void {
    work.catch((error) => this.options.log.warn({}, messageOf(error)));
  }

  /** Runs `work` once every job it has to wait for is done. */
  private job(service: Service, kind: Job['kind'], work: () => Promise<void>): Promise<void> {
    const result = this.untilTurn(() => job).then(work);
    const done = result.catch(() => undefined).then(() => void this.jobs.delete(job));
    const job: PendingJob = {
      unit: service.entry.name,
      kind,
      relations: service.settings,
      number: this.jobCount++,
      done,
    };
    this.jobs.add(job);
    return result;
  }

  private async untilTurn(job: () => PendingJob): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    for (;;) {
      const blockers = blockersOf(job(), [...this.jobs]);
      if (blockers.length === 0) return;
      await Promise.race(blockers.map(({ done }) => done));
    }
  }

  private host(): ServiceHost {
    return {
      ...this.options,
      changed: (service, before) => {
        try {
          this.options.journal.write(service.entry);
        } catch (error) {
          this.options.log.error({ unit: before.name }, `journal cannot be written: ${messageOf(error)}`);
        }
        this.options.onChange();
        this.letOthersFollow(service, before);
      },
    };
  }

  /** BindsTo= takes units down with the one they are bound to; what went down with a unit comes back with it. */
  private letOthersFollow(service: UnitContext, before: UnitEntry): void {
    const { name, active } = service.entry;
    if (active === before.active) return;
    for (const other of this.services.values()) {
      if (active === 'active' && other.entry.stoppedWith === name && other.entry.launched && !other.alive)
        this.aside(this.startWithNeeds(other));
      if (before.active === 'active' && other.alive && other.settings.bindsTo.includes(name))
        this.aside(this.stopAlong(other, name));
    }
  }

  private relations(): Map<string, ServiceSettings> {
    return installed<ServiceSettings>(
      new Map([...this.services].map(([name, { settings }]) => [name, settings])),
    );
  }

  private find(name: string): Service {
    const service = this.services.get(name);
    if (service === undefined) throw permanent(`${name} is not loaded`, { code: 'not-found' });
    return service;
  }

  private service(entry: UnitEntry, unit: UnitToLoad): Service {
    const { settings, account } = this.read(unit);
    return new Service(entry, settings, account, this.host());
  }

  private read({ name, text }: UnitToLoad): { settings: ServiceSettings; account: Account | null } {
    if (!SAFE_NAME.test(name) || name.startsWith('.'))
      throw permanent(`"${name}" is no name of a unit`, { code: 'refused' });
    const { unit, problems } = parse(text);
    const context = { ...this.options.specifiers, credentials: credentialsDir(this.options.runDir, name) };
    const reading = readService(name, unit, context);
    const reasons = [
      ...problems.map(({ line, what }) => `line ${line}: ${what}`),
      ...(reading.kind === 'refused' ? reading.reasons : []),
    ];
    let account: Account | null = null;
    if (reading.kind === 'settings') {
      const { notifyAccess } = reading.settings;
      const deaf = notifyAccess === 'none' ? null : this.options.notifier.problem();
      if (deaf !== null) reasons.push(deaf);
      try {
        account = findAccount(reading.settings);
      } catch (error) {
        reasons.push(messageOf(error));
      }
      if (reasons.length === 0) return { settings: reading.settings, account };
    }
    throw permanent(`${name}: ${reasons.join('; ')}`, { code: 'refused' });
  }
}
