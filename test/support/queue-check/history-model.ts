/**
 * A small model of a queue that keeps its promises and writes the history of what it does: whatever
 * is asked of it, its history is legal. For property tests of the checker.
 */
import type { DeathReason, Token } from './history.ts';
import { HistoryForge } from './history-forge.ts';
import { SUSPECT_CRASHES } from './lease-facts.ts';
import type { CheckOptions } from './verdict.ts';

export const STEPS = [
  'send',
  'send',
  'acquire',
  'acquire',
  'ack',
  'release',
  'fail',
  'reject',
  'renew',
  'stale',
  'wait',
  'stop',
  'kill',
] as const;
export type Step = readonly [step: (typeof STEPS)[number], choice: number];

interface ModelRecord {
  readonly id: string;
  state: 'available' | 'leased' | 'acked' | 'dead';
  attempt: number;
  failures: number;
  expiries: number;
  crashes: number;
  token: Token | null;
  /** When the lease ends, or when it may be acquired again. */
  untilMs: number;
  reason: DeathReason | null;
}

export class HistoryModel {
  readonly forge = new HistoryForge().start();
  readonly #options: CheckOptions;
  readonly #records: ModelRecord[] = [];
  /** Tokens whose leases have ended. */
  readonly #stale: Token[] = [];
  #sends = 0;

  constructor(options: CheckOptions) {
    this.#options = options;
  }

  run(steps: readonly Step[]): HistoryForge {
    for (const [step, choice] of steps) this.#step(step, choice);
    return this.#drain();
  }

  #step(step: Step[0], choice: number): void {
    this.#expire();
    const leased = pick(
      this.#records.filter(({ state }) => state === 'leased'),
      choice,
    );
    if (step === 'send') this.#send(choice);
    else if (step === 'acquire') this.#acquire(choice);
    else if (step === 'wait') this.forge.wait((choice % 3) * 400);
    else if (step === 'stop') this.#stop((choice % 3) * 1000);
    else if (step === 'kill') this.#kill(choice);
    else if (step === 'stale') this.#tryStale(choice);
    else if (leased !== undefined) this.#settle(step, leased, choice);
  }

  #send(choice: number): void {
    const id = `${choice % 3}.${this.#sends++}`;
    if (choice % 7 === 0) return void this.forge.send(id, 'failed');
    if (choice % 7 === 1) {
      this.forge.send(id, 'indeterminate');
      if (choice % 2 === 0) return;
    } else {
      this.forge.send(id);
    }
    this.#records.push({
      id,
      state: 'available',
      attempt: 0,
      failures: 0,
      expiries: 0,
      crashes: 0,
      token: null,
      untilMs: 0,
      reason: null,
    });
  }

  /** What may be acquired: delayed records wait, suspects come one at a time. */
  #available(): ModelRecord[] {
    const isSuspect = ({ crashes }: ModelRecord): boolean => crashes >= SUSPECT_CRASHES;
    const hasSuspect = this.#records.some((one) => one.state === 'leased' && isSuspect(one));
    return this.#records.filter(
      (one) =>
        one.state === 'available' &&
        one.untilMs <= this.forge.atMs &&
        !(hasSuspect && isSuspect(one)),
    );
  }

  #acquire(choice: number): void {
    const record = pick(this.#available(), choice);
    if (record === undefined) return;
    record.attempt++;
    record.state = 'leased';
    record.untilMs = this.forge.atMs + this.#options.leaseMs;
    const { id, attempt, failures, expiries, crashes } = record;
    record.token = this.forge.deliver(id, { attempt, failures, expiries, crashes });
  }

  #settle(step: Step[0], record: ModelRecord, choice: number): void {
    const { forge } = this;
    const { token } = record;
    if (token === null) return;
    if (step === 'renew') {
      record.untilMs = forge.atMs + this.#options.leaseMs;
      return void forge.renew(token);
    }
    this.#ask(step, token, choice);
    forge.settleEnded(forge.call, 'ok');
    this.#apply(step, record, choice);
  }

  /** Invokes a settlement; the answer, if any, follows. */
  #ask(step: Step[0], token: Token, choice: number): void {
    const details = { isFailed: step === 'fail', delayMs: delayOf(choice) };
    if (step === 'ack') this.forge.ack(token, null);
    else if (step === 'reject') this.forge.reject(token, null);
    else this.forge.release(token, details, null);
  }

  #apply(step: Step[0], record: ModelRecord, choice: number): void {
    if (step === 'ack') this.#end(record, 'acked');
    else if (step === 'reject') this.#die(record, 'rejected');
    else if (step === 'fail' && ++record.failures >= this.#options.failuresMax) {
      this.#die(record, 'failures');
    } else {
      this.#end(record, 'available');
      record.untilMs = this.forge.atMs + delayOf(choice);
    }
  }

  #end(record: ModelRecord, state: ModelRecord['state']): void {
    if (record.token !== null) this.#stale.push(record.token);
    record.token = null;
    record.state = state;
    record.untilMs = 0;
  }

  #die(record: ModelRecord, reason: DeathReason): void {
    this.#end(record, 'dead');
    record.reason = reason;
  }

  #expire(): void {
    for (const record of this.#records) {
      const { state, untilMs, token } = record;
      if (state !== 'leased' || untilMs > this.forge.atMs || token === null) continue;
      if (record.attempt % 2 === 0) this.forge.lost(token);
      if (++record.expiries >= this.#options.expiriesMax) this.#die(record, 'lease-expired');
      else this.#end(record, 'available');
    }
  }

  /** An answer that comes too late for its lease. */
  #tryStale(choice: number): void {
    const token = pick(this.#stale, choice);
    if (token === undefined || token.ownerEpoch !== this.forge.ownerEpoch) return;
    const verb = (['renew', 'release', 'reject'] as const)[choice % 3] ?? 'renew';
    this.forge.settle(verb, token, 'failed');
  }

  #stop(ms: number): void {
    this.forge.stop(ms);
    for (const record of this.#records) if (record.state === 'leased') record.untilMs += ms + 2;
  }

  /** Cuts off a settlement, with or without effect, and an acquisition that nobody saw. */
  #kill(choice: number): void {
    const { forge } = this;
    const record = pick(
      this.#records.filter(({ state }) => state === 'leased'),
      choice,
    );
    if (record !== undefined && record.token !== null && choice % 2 === 0) {
      const step =
        (['ack', 'release', 'fail', 'reject'] as const)[Math.floor(choice / 2) % 4] ?? 'ack';
      this.#ask(step, record.token, choice);
      if (choice % 3 === 0) this.#apply(step, record, choice);
    }
    const unseen = pick(this.#available(), choice);
    if (unseen !== undefined && choice % 5 === 0) {
      unseen.attempt++;
      unseen.state = 'leased';
    }
    forge.kill().start();
    for (const one of this.#records) if (one.state === 'leased') this.#crash(one);
  }

  #crash(record: ModelRecord): void {
    const counts = record.crashes++ >= SUSPECT_CRASHES;
    if (counts && ++record.failures >= this.#options.failuresMax) this.#die(record, 'crash');
    else this.#end(record, 'available');
  }

  #drain(): HistoryForge {
    const { forge } = this;
    const isOpen = ({ state }: ModelRecord): boolean => state === 'available' || state === 'leased';
    while (this.#records.some(isOpen)) {
      this.#expire();
      const before = forge.events.length;
      this.#acquire(0);
      const leased = this.#records.find(({ state }) => state === 'leased');
      if (leased !== undefined) this.#settle('ack', leased, 0);
      if (forge.events.length === before) forge.wait(100);
    }
    for (const { id, reason, attempt } of this.#records) {
      if (reason !== null) forge.dead(id, reason, attempt);
    }
    return forge.drained().close();
  }
}

function delayOf(choice: number): number {
  return choice % 5 === 0 ? 300 : 0;
}

function pick<T>(from: readonly T[], choice: number): T | undefined {
  return from[choice % Math.max(1, from.length)];
}
