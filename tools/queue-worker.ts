/**
 * Works off a queue with commands: leases records, runs a command for each, keeps the leases alive
 * meanwhile, and settles each record as its command ended.
 */
import { isStoreError } from '../src/core/errors.ts';
import { OwnerError } from '../src/store/owner-error.ts';
import {
  acquireRecords,
  leaveShareGroup,
  renewLeases,
  settleRecords,
  type RemoteDelivery,
} from '../src/store/queue-verbs.ts';
import type { RemoteSettlement } from '../src/store/remote-consumers.ts';
import { CommandError } from './command-error.ts';
import { ExitCode } from './exit-codes.ts';
import type { ShareGroupRef } from './queue-choice.ts';
import { RecordCommand, type CommandEnd, type CommandLine } from './record-command.ts';
import { NoOwnerError, OwnerGoneError, type StoreDesk } from './store-desk.ts';

export interface WorkSettings {
  readonly ref: ShareGroupRef;
  readonly line: CommandLine;
  /** Names this worker: nobody else's. */
  readonly consumer: string;
  readonly concurrency: number;
  readonly leaseMs: number;
  /** Doubled with each attempt. */
  readonly retryDelayMs: number;
  /** Whether it ends when nothing is ready. */
  readonly isOnce: boolean;
  /** It ends when there was nothing to do for so long; null = never. */
  readonly idleExitMs: number | null;
}

/** What became of a record. */
export type WorkResult = 'acked' | 'failed' | 'deferred' | 'givenBack' | 'lost';

export interface WorkWatcher {
  ended(delivery: RemoteDelivery, result: WorkResult, detail: WorkDetail): void;
  /** The process that has the store open is not there; told once. */
  waiting(): void;
}

export interface WorkDetail {
  readonly error: string;
  readonly durationMs: number;
}

export type WorkTotals = Record<WorkResult, number>;

/** Longest wait for records in one question: so long does it take, at most, to stop. */
const WAIT_MS = 1_000;
/** Between two questions that are answered by nothing, at once. */
const PAUSE_MS = 250;
/** A process that has the store open may be started again: it is waited for so long. */
const OWNER_BACK_MS = 60_000;
const RETRY_DELAY_MS_MAX = 60 * 60 * 1000;
/** Leases are renewed when a third of them is over, or so often. */
const RENEW_MS_MAX = 10_000;

interface Running {
  readonly command: RecordCommand;
  isLost: boolean;
}

interface Ended {
  readonly settlement: RemoteSettlement;
  /** @param isLost  whether its lease was over before */
  readonly tell: (isLost: boolean) => void;
}

export class QueueWorker {
  readonly totals: WorkTotals = { acked: 0, failed: 0, deferred: 0, givenBack: 0, lost: 0 };
  readonly #desk: StoreDesk;
  readonly #settings: WorkSettings;
  readonly #watcher: WorkWatcher;
  readonly #running = new Map<string, Running>();
  readonly #handling = new Set<Promise<void>>();
  #outbox: Ended[] = [];
  #isSettling = false;
  #isStopping = false;
  #isRenewing = false;
  #failure: Error | null = null;
  /** When there was something to do last. */
  #busyMs = performance.now();
  /** Since when the owner is away; null = it is there. */
  #awaySinceMs: number | null = null;
  #wake: () => void = () => undefined;

  constructor(desk: StoreDesk, settings: WorkSettings, watcher: WorkWatcher) {
    this.#desk = desk;
    this.#settings = settings;
    this.#watcher = watcher;
  }

  /** Works until it is stopped, or there is nothing to do. @throws what ended it */
  async run(): Promise<void> {
    const renewMs = Math.max(1, Math.min(RENEW_MS_MAX, Math.floor(this.#settings.leaseMs / 3)));
    const renewing = setInterval(() => void this.#renew(), renewMs);
    try {
      await this.#take();
    } finally {
      await Promise.all(this.#handling);
      clearInterval(renewing);
      await this.#leave();
    }
    if (this.#failure !== null) throw this.#failure;
  }

  /** Takes no more; what runs may end. */
  stop(): void {
    this.#isStopping = true;
    this.#wake();
  }

  /** What runs shall end now: its records go back. */
  hurry(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.stop();
    for (const { command } of this.#running.values()) command.stop(signal);
  }

  async #take(): Promise<void> {
    const { concurrency, isOnce } = this.#settings;
    while (!this.#isStopping) {
      const room = concurrency - this.#handling.size;
      if (room === 0) {
        await this.#somethingEnded();
        continue;
      }
      const taken = await this.#acquire(room);
      for (const delivery of taken) this.#begin(delivery);
      if (taken.length > 0) continue;
      if (this.#handling.size === 0 && (isOnce || this.#idleLeftMs() <= 0)) return;
      if (isOnce) await this.#somethingEnded();
    }
  }

  /** Infinity = it is not limited. */
  #idleLeftMs(): number {
    const { idleExitMs } = this.#settings;
    if (idleExitMs === null) return Number.POSITIVE_INFINITY;
    return this.#busyMs + idleExitMs - performance.now();
  }

  async #acquire(max: number): Promise<readonly RemoteDelivery[]> {
    const { ref, consumer, leaseMs, isOnce } = this.#settings;
    const idleLeftMs = this.#handling.size > 0 ? WAIT_MS : Math.max(0, this.#idleLeftMs());
    const waitMs = isOnce ? 0 : Math.ceil(Math.min(WAIT_MS, idleLeftMs));
    const startMs = performance.now();
    try {
      const taken = await this.#desk.ask(acquireRecords, {
        ...ref,
        consumer,
        max,
        leaseMs,
        waitMs,
      });
      this.#awaySinceMs = null;
      const isTooSoon = performance.now() - startMs < Math.min(waitMs, PAUSE_MS);
      if (taken.length === 0 && isTooSoon) await this.#pause();
      return taken;
    } catch (error) {
      this.#ownerIsAway(error);
      await this.#pause();
      return [];
    }
  }

  /** @throws the error, unless it says that the owner is away, and may come back */
  #ownerIsAway(error: unknown): void {
    if (!isAway(error)) throw error;
    const nowMs = performance.now();
    if (this.#awaySinceMs === null) {
      this.#awaySinceMs = nowMs;
      this.#watcher.waiting();
    }
    this.#busyMs = nowMs; // Nobody knows whether there is something to do.
    if (nowMs - this.#awaySinceMs < OWNER_BACK_MS) return;
    throw new CommandError(
      ExitCode.failure,
      'the process that had the store open did not come back',
      'start it, or the worker alone: it takes the lock of the store when nobody has it',
    );
  }

  #begin(delivery: RemoteDelivery): void {
    const handling = this.#handle(delivery).finally(() => {
      this.#handling.delete(handling);
      this.#busyMs = performance.now();
      this.#wake();
    });
    this.#handling.add(handling);
  }

  async #handle(delivery: RemoteDelivery): Promise<void> {
    const startMs = performance.now();
    const end = await this.#runCommand(delivery);
    const result = end === null ? 'lost' : await this.#settle(delivery, end);
    const error = end?.kind === 'failed' ? end.error : '';
    this.totals[result]++;
    this.#watcher.ended(delivery, result, { error, durationMs: performance.now() - startMs });
  }

  /** How it ended; null = its lease was over first. */
  async #runCommand(delivery: RemoteDelivery): Promise<CommandEnd | null> {
    const { token } = delivery;
    // It came after all that runs was told to end.
    if (this.#isStopping) return { kind: 'broken', error: new Error('the worker stops') };
    const { line, ref } = this.#settings;
    const running: Running = { command: new RecordCommand(line, delivery, ref), isLost: false };
    this.#running.set(token, running);
    const end = await running.command.ended;
    this.#running.delete(token);
    if (end.kind === 'broken')
      this.#fail(new CommandError(ExitCode.usage, cannotRun(line, end.error)));
    return running.isLost ? null : end;
  }

  async #settle(delivery: RemoteDelivery, end: CommandEnd): Promise<WorkResult> {
    const [result, settlement] = this.#settlementOf(delivery, end);
    const isLost = await new Promise<boolean>((tell) => {
      this.#outbox.push({ settlement, tell });
      void this.#sendSettlements();
    });
    return isLost ? 'lost' : result;
  }

  #settlementOf(
    { token, attempt }: RemoteDelivery,
    end: CommandEnd,
  ): [result: WorkResult, settlement: RemoteSettlement] {
    const plain = { token, delayMs: 0, error: '' };
    const delayMs = retryDelayOf(this.#settings.retryDelayMs, attempt);
    if (end.kind === 'done') return ['acked', { ...plain, how: 'ack' }];
    if (end.kind === 'broken') return ['givenBack', { ...plain, how: 'undelivered' }];
    if (end.kind === 'stopped') return ['givenBack', { ...plain, how: 'release' }];
    if (end.kind === 'deferred') return ['deferred', { ...plain, how: 'release', delayMs }];
    return ['failed', { token, how: 'fail', delayMs, error: end.error }];
  }

  /** One question at a time: what ends meanwhile shares the next one. Never rejects. */
  async #sendSettlements(): Promise<void> {
    if (this.#isSettling) return;
    this.#isSettling = true;
    while (this.#outbox.length > 0) {
      const ended = this.#outbox;
      this.#outbox = [];
      const lost = await this.#askToSettle(ended.map(({ settlement }) => settlement));
      for (const { settlement, tell } of ended) tell(lost.has(settlement.token));
    }
    this.#isSettling = false;
  }

  async #askToSettle(settlements: readonly RemoteSettlement[]): Promise<ReadonlySet<string>> {
    const { consumer } = this.#settings;
    try {
      const { lost } = await this.#desk.ask(settleRecords, { consumer, settlements });
      return new Set(lost);
    } catch (error) {
      // Who went away has no lease any more. Else they run out, and the worker ends.
      if (!isAway(error)) this.#fail(error);
      return new Set(settlements.map(({ token }) => token));
    }
  }

  async #renew(): Promise<void> {
    if (this.#isRenewing || this.#running.size === 0) return;
    this.#isRenewing = true;
    const { consumer, leaseMs } = this.#settings;
    const tokens = [...this.#running.keys()];
    try {
      const { lost } = await this.#desk.ask(renewLeases, { consumer, tokens, leaseMs });
      for (const token of lost) this.#lose(token);
    } catch (error) {
      if (!isAway(error)) this.#fail(error); // Else the next one tells.
    } finally {
      this.#isRenewing = false;
    }
  }

  /** Somebody else may have the record: what runs for it must end. */
  #lose(token: string): void {
    const running = this.#running.get(token);
    if (running === undefined) return;
    running.isLost = true;
    running.command.stop();
  }

  /** It goes on no more. */
  #fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
    this.stop();
  }

  async #leave(): Promise<void> {
    const { consumer } = this.#settings;
    await this.#desk.ask(leaveShareGroup, { consumer }).catch((error: unknown) => {
      if (!isAway(error)) throw error;
    });
  }

  async #pause(): Promise<void> {
    if (this.#isStopping) return;
    const timer = setTimeout(() => this.#wake(), PAUSE_MS);
    await this.#somethingEnded();
    clearTimeout(timer);
  }

  /** A command, a pause, or the work. */
  async #somethingEnded(): Promise<void> {
    if (this.#isStopping) return;
    await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

/** Doubled with each attempt after the first, up to an hour. */
export function retryDelayOf(retryDelayMs: number, attempt: number): number {
  // The power may be beyond all numbers: no delay stays none.
  return retryDelayMs === 0 ? 0 : Math.min(RETRY_DELAY_MS_MAX, retryDelayMs * 2 ** (attempt - 1));
}

function cannotRun({ program }: CommandLine, { message }: Error): string {
  return `cannot run ${program}: ${message}`;
}

/** Whether nobody answers for the store now: it may be in the middle of being opened again. */
function isAway(error: unknown): boolean {
  if (error instanceof NoOwnerError || error instanceof OwnerGoneError) return true;
  const isClosed = isStoreError(error, 'ERR_VARVE_CLOSED');
  return isClosed || (error instanceof OwnerError && error.code === 'ERR_VARVE_CLOSED');
}
