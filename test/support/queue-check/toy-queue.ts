/**
 * A toy queue to test the harness with: a journal of JSON lines, written before anything takes
 * effect and synced before it is answered. On demand it breaks one promise.
 */
import {
  closeSync,
  existsSync,
  fdatasync,
  openSync,
  readFileSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import type {
  AcquireOptions,
  DeadLetter,
  HeldRecord,
  QueueSettings,
  TestedQueue,
} from './tested-queue.ts';
import { placeKey, type Content, type Place, type Token } from './history.ts';
import { DISK_FULL, LEASE_LOST } from './lease-facts.ts';
import { ToyState, type ToyEntry, type ToyRecord } from './toy-state.ts';

export const TOY_BUGS = {
  'loses-sends': 'lost',
  'reuses-tokens': 'token-reused',
  'forgets-acks': 'resurrected',
  'accepts-stale-acks': 'stale-accepted',
  'buries-twice': 'dead-twice',
  'counts-attempts-late': 'counters',
  'lease-by-wall-clock': 'overlap',
} as const;
export type ToyBug = keyof typeof TOY_BUGS;

const TICK_MS = 10;
const STALL_MS_MIN = 100;
const PAYLOAD_LENGTH_MAX = 1000;
const fdatasyncAsync = promisify(fdatasync);

interface Lease {
  readonly record: ToyRecord;
  readonly number: number;
  readonly gone: AbortController;
  deadlineMs: number;
}

class ToyError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

export async function openToyQueue(
  settings: QueueSettings,
  bug: ToyBug | null,
): Promise<TestedQueue> {
  const path = join(settings.directory, 'toy.journal');
  const state = new ToyState(settings);
  const journal = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const whole = journal.slice(0, journal.lastIndexOf('\n') + 1);
  if (whole.length < journal.length) truncateSync(path, Buffer.byteLength(whole));
  for (const line of whole.split('\n')) if (line !== '') state.apply(JSON.parse(line) as ToyEntry);
  const queue = new ToyQueue(settings, bug, state, openSync(path, 'a'));
  await queue.begin();
  return queue;
}

class ToyQueue implements TestedQueue {
  readonly #settings: QueueSettings;
  readonly #bug: ToyBug | null;
  readonly #state: ToyState;
  readonly #descriptor: number;
  readonly #leases = new Map<string, Lease>();
  #leaseNumber = 0;
  /** Monotonic time, without that in which the event loop stood still. */
  #loopMs = 0;
  #tickMs = performance.now();
  #calls = 0;
  #deathsRead = 0;
  #copies = 0;
  #isClosed = false;
  readonly #ticking: NodeJS.Timeout;

  constructor(settings: QueueSettings, bug: ToyBug | null, state: ToyState, descriptor: number) {
    this.#settings = settings;
    this.#bug = bug;
    this.#state = state;
    this.#descriptor = descriptor;
    this.#ticking = setInterval(() => this.#tick(), TICK_MS);
  }

  async begin(): Promise<void> {
    const ownerEpoch = this.#has('reuses-tokens') ? 1 : this.#state.ownerEpoch + 1;
    await this.#write({ type: 'opened', ownerEpoch });
  }

  async send(content: Content): Promise<Place> {
    if (content.payload.length > PAYLOAD_LENGTH_MAX) throw new ToyError('ERR_VARVE_TOO_LARGE');
    this.#checkRoom();
    const place = this.#state.nextPlace(content.key);
    if (this.#has('loses-sends') && ++this.#calls % 10 === 0) {
      this.#state.skip(place);
      return place;
    }
    await this.#write({ type: 'sent', content, place });
    return place;
  }

  async acquire({ max, waitMs }: AcquireOptions): Promise<HeldRecord[]> {
    const untilMs = performance.now() + waitMs;
    for (;;) {
      const records = this.#state.available(max, this.#settings.wallMs());
      if (records.length > 0) {
        this.#checkRoom();
        return this.#lease(records);
      }
      if (performance.now() >= untilMs) return [];
      await pause(TICK_MS);
    }
  }

  async isSettled(): Promise<boolean> {
    return this.#state.records.size === 0;
  }

  async readDeadLetters(): Promise<DeadLetter[]> {
    const fresh = this.#state.deaths.slice(this.#deathsRead);
    this.#deathsRead += fresh.length;
    return fresh.flatMap(({ record: { content, place, attempt }, reason }) => {
      const letter = { ...content, origin: place, reason, attempts: attempt };
      const copies = this.#has('buries-twice') ? 2 : 1;
      return Array.from({ length: copies }, () => {
        return { ...letter, copy: { partition: 0, offset: this.#copies++ } };
      });
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#ticking);
    await fdatasyncAsync(this.#descriptor);
    closeSync(this.#descriptor);
  }

  #has(bug: ToyBug): boolean {
    return this.#bug === bug;
  }

  /** Written and applied at once; resolves when it is synced. */
  async #write(entry: ToyEntry): Promise<void> {
    writeSync(this.#descriptor, `${JSON.stringify(entry)}\n`);
    this.#state.apply(entry);
    await fdatasyncAsync(this.#descriptor);
  }

  #lease(records: readonly ToyRecord[]): HeldRecord[] {
    const entry: ToyEntry = { type: 'acquired', places: records.map(({ place }) => place) };
    const line = `${JSON.stringify(entry)}\n`;
    if (this.#has('counts-attempts-late')) {
      setTimeout(() => this.#isClosed || writeSync(this.#descriptor, line), 100);
    } else {
      writeSync(this.#descriptor, line);
    }
    this.#state.apply(entry);
    return records.map((record) => this.#hold(record));
  }

  #hold(record: ToyRecord): HeldRecord {
    const gone = new AbortController();
    const deadlineMs = this.#loopMs + this.#settings.leaseMs;
    const lease: Lease = { record, number: ++this.#leaseNumber, gone, deadlineMs };
    this.#leases.set(placeKey(record.place), lease);
    const { ownerEpoch } = this.#state;
    const token: Token = { ...record.place, ownerEpoch, leaseNumber: lease.number };
    const { attempt, failures, expiries, crashes } = record;
    return {
      ...record.content,
      attempt,
      failures,
      expiries,
      crashes,
      token,
      signal: gone.signal,
      ack: () => this.#settle(lease, 'ack', 0),
      reject: () => this.#settle(lease, 'reject', 0),
      release: ({ isFailed, delayMs }) =>
        this.#settle(lease, isFailed ? 'failed' : 'release', this.#settings.wallMs() + delayMs),
      renew: async () => {
        this.#check(lease);
        lease.deadlineMs = this.#loopMs + this.#settings.leaseMs;
      },
    };
  }

  #checkRoom(): void {
    if (this.#settings.isDiskFull()) throw new ToyError(DISK_FULL);
  }

  #check(lease: Lease): void {
    const live = this.#leases.get(placeKey(lease.record.place));
    if (live !== lease) throw new ToyError(LEASE_LOST);
  }

  async #settle(
    lease: Lease,
    how: Extract<ToyEntry, { type: 'ended' }>['how'],
    dueMs: number,
  ): Promise<void> {
    const { place } = lease.record;
    if (how !== 'ack' || !this.#has('accepts-stale-acks')) this.#check(lease);
    this.#checkRoom();
    this.#leases.delete(placeKey(place));
    const entry: ToyEntry = { type: 'ended', place, how, dueMs };
    if (how === 'ack' && this.#has('forgets-acks') && ++this.#calls % 5 === 0) {
      return this.#state.apply(entry);
    }
    await this.#write(entry);
  }

  #tick(): void {
    const nowMs = performance.now();
    const passedMs = nowMs - this.#tickMs;
    this.#tickMs = nowMs;
    const isStall = passedMs > STALL_MS_MIN && !this.#has('lease-by-wall-clock');
    this.#loopMs += isStall ? STALL_MS_MIN : passedMs;
    if (isStall) this.#settings.onStall(passedMs - STALL_MS_MIN);
    for (const [key, { record, deadlineMs, gone }] of this.#leases) {
      if (deadlineMs > this.#loopMs) continue;
      this.#leases.delete(key);
      const entry: ToyEntry = { type: 'ended', place: record.place, how: 'expired', dueMs: 0 };
      writeSync(this.#descriptor, `${JSON.stringify(entry)}\n`);
      this.#state.apply(entry);
      gone.abort(new ToyError(LEASE_LOST));
    }
  }
}
