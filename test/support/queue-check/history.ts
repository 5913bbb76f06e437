/**
 * The history of a queue under test: what producers and consumers asked for, what they were told,
 * what was handed to them, and what happened to the process that holds the queue.
 *
 * One event is one line of JSON. The process writes each with one call before it goes on, and the
 * parent keeps what arrives: a kill cuts the last line at most. Times are of one clock that all
 * processes share, in milliseconds.
 */

/** A record in its topic. */
export interface Place {
  readonly partition: number;
  readonly offset: number;
}

/** What a consumer settles a record with. */
export interface Token extends Place {
  readonly ownerEpoch: number;
  readonly leaseNumber: number;
}

/** What a delivery says of the attempts before and including it. */
export interface Counters {
  readonly attempt: number;
  readonly failures: number;
  readonly expiries: number;
  readonly crashes: number;
}

export type Verb = 'ack' | 'release' | 'reject' | 'renew';
/** `failed` had no effect for certain; `indeterminate` may have had one. */
export type Outcome = 'ok' | 'failed' | 'indeterminate';
export type DeathReason = 'failures' | 'crash' | 'lease-expired' | 'rejected';

interface Stamp {
  /** Number of the process, from 1. */
  readonly life: number;
  readonly atMs: number;
}

/** One record has one `id`, which nothing else has; its content follows from it. */
export interface Content {
  readonly id: string;
  readonly key: string;
  readonly payload: string;
}

/** `closed` ended by itself, `stopped` does not run until it is `continued`. */
export interface ProcessEvent extends Stamp {
  readonly type: 'process';
  readonly stage: 'started' | 'killed' | 'closed' | 'stopped' | 'continued';
}

export interface SendInvoked extends Stamp, Content {
  readonly type: 'send-invoked';
}

export interface SendEnded extends Stamp {
  readonly type: 'send-ended';
  readonly id: string;
  readonly outcome: Outcome;
  /** Set when `ok`. */
  readonly place?: Place;
  readonly code?: string;
}

export interface Delivered extends Stamp, Content, Counters {
  readonly type: 'delivered';
  readonly token: Token;
  readonly consumer: number;
}

export interface SettleInvoked extends Stamp {
  readonly type: 'settle-invoked';
  /** Pairs it with its end; unique in a life. */
  readonly call: number;
  readonly verb: Verb;
  readonly token: Token;
  /** Of a release. */
  readonly isFailed?: boolean;
  /** Of a release. */
  readonly delayMs?: number;
  /** Of a renewal; default the lease of the queue. */
  readonly leaseMs?: number;
}

export interface SettleEnded extends Stamp {
  readonly type: 'settle-ended';
  readonly call: number;
  readonly outcome: Outcome;
  readonly code?: string;
}

/** The consumer was told that its lease expired. */
export interface LeaseLost extends Stamp {
  readonly type: 'lease-lost';
  readonly token: Token;
}

/** A handler has blocked the event loop since. */
export interface Blocked extends Stamp {
  readonly type: 'blocked';
  readonly fromMs: number;
}

/** The engine said that the event loop stood still for so long. */
export interface Stalled extends Stamp {
  readonly type: 'stalled';
  readonly ms: number;
}

/** The wall clock of the process was set. */
export interface ClockSet extends Stamp {
  readonly type: 'clock-set';
  /** What it is ahead of the right time since. */
  readonly offsetMs: number;
}

/** A copy was seen in the dead-letter queue. */
export interface Dead extends Stamp, Content {
  readonly type: 'dead';
  readonly origin: Place;
  /** Of the copy: who looks twice sees the same copy. */
  readonly copy: Place;
  readonly reason: DeathReason;
  readonly attempts: number;
}

/** Nothing is ready, delayed or leased any more, and the dead-letter queue was read to its end. */
export interface Drained extends Stamp {
  readonly type: 'drained';
}

export type QueueEvent =
  | ProcessEvent
  | SendInvoked
  | SendEnded
  | Delivered
  | SettleInvoked
  | SettleEnded
  | LeaseLost
  | Blocked
  | Stalled
  | ClockSet
  | Dead
  | Drained;

/** A history is broken when no process can have written it: a mistake of the harness. */
export class BrokenHistoryError extends Error {}

export function formatEvent(event: QueueEvent): string {
  return `${JSON.stringify(event)}\n`;
}

/** Turns the chunks of a pipe into events; what follows the last line end waits for more. */
export class EventLines {
  readonly #decoder = new TextDecoder();
  #rest = '';

  /** The events that `chunk` completes. */
  push(chunk: Uint8Array): QueueEvent[] {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.map(parseEvent);
  }

  /** What a kill cut off. */
  get rest(): string {
    return this.#rest;
  }
}

function parseEvent(line: string): QueueEvent {
  try {
    return JSON.parse(line) as QueueEvent;
  } catch (error) {
    throw new BrokenHistoryError(`a whole line is no event: ${line}`, { cause: error });
  }
}

export function placeKey({ partition, offset }: Place): string {
  return `${partition}/${offset}`;
}

export function tokenKey({ partition, offset, ownerEpoch, leaseNumber }: Token): string {
  return `${partition}/${offset} lease ${ownerEpoch}.${leaseNumber}`;
}
