/** A history put in order: by send, by record and by life of the process. */
import {
  BrokenHistoryError,
  placeKey,
  tokenKey,
  type Dead,
  type Delivered,
  type Outcome,
  type Place,
  type QueueEvent,
  type SendInvoked,
  type SettleInvoked,
} from './history.ts';
import { StopTimes } from './stop-times.ts';
import { WallTimes } from './wall-times.ts';

/** One call; `at` are places in the history. */
export interface Settlement {
  readonly invoked: SettleInvoked;
  readonly invokedAt: number;
  /** Null: the process was killed first. */
  endedAt: number | null;
  endedMs: number;
  outcome: Outcome;
  code: string | null;
}

/** A delivery and what its consumer did with it. */
export interface Handed {
  readonly event: Delivered;
  readonly at: number;
  readonly settlements: Settlement[];
  /** When its consumer heard that the lease had expired. */
  lost: { readonly at: number; readonly atMs: number } | null;
}

export interface RecordStory {
  readonly place: Place;
  readonly deliveries: Handed[];
  readonly deaths: { readonly event: Dead; readonly at: number }[];
}

export interface SendStory {
  readonly invoked: SendInvoked;
  readonly invokedAt: number;
  endedAt: number | null;
  outcome: Outcome;
  place: Place | null;
}

export interface Life {
  readonly number: number;
  end: 'killed' | 'closed' | null;
  endMs: number;
}

export class Story {
  readonly sends = new Map<string, SendStory>();
  readonly records = new Map<string, RecordStory>();
  readonly lives = new Map<number, Life>();
  readonly stops = new StopTimes();
  readonly wall = new WallTimes();
  /** All deliveries, in their order. */
  readonly handed: Handed[] = [];
  /** Place of the event in the history. */
  drainedAt: number | null = null;
  stalls = 0;
  #stoppedMs: number | null = null;
  readonly #byToken = new Map<string, Handed>();
  readonly #calls = new Map<string, Settlement>();

  /** @throws BrokenHistoryError when no process can have written it */
  constructor(history: readonly QueueEvent[]) {
    history.forEach((event, at) => this.#add(event, at));
  }

  /** Lives from `first` up to `end`, exclusive, that a kill ended. */
  killsBetween(first: number, end: number): number {
    let kills = 0;
    for (let life = first; life < Math.min(end, this.lives.size + 1); life++) {
      if (this.lives.get(life)?.end === 'killed') kills++;
    }
    return kills;
  }

  get settlements(): Settlement[] {
    return this.handed.flatMap(({ settlements }) => settlements);
  }

  #add(event: QueueEvent, at: number): void {
    switch (event.type) {
      case 'process':
        this.#addProcess(event);
        break;
      case 'send-invoked':
        if (this.sends.has(event.id)) throw new BrokenHistoryError(`${event.id} is sent twice`);
        this.sends.set(event.id, {
          invoked: event,
          invokedAt: at,
          endedAt: null,
          outcome: 'indeterminate',
          place: null,
        });
        break;
      case 'send-ended': {
        const send = this.sends.get(event.id);
        if (send === undefined) throw new BrokenHistoryError(`${event.id} ended, was never sent`);
        send.endedAt = at;
        send.outcome = event.outcome;
        send.place = event.place ?? null;
        break;
      }
      case 'delivered':
        this.#addDelivery({ event, at, settlements: [], lost: null });
        break;
      case 'settle-invoked':
        this.#addSettlement(event, at);
        break;
      case 'settle-ended': {
        const settlement = this.#calls.get(`${event.life} ${event.call}`);
        if (settlement === undefined) throw new BrokenHistoryError(`no call ${event.call}`);
        settlement.endedAt = at;
        settlement.endedMs = event.atMs;
        settlement.outcome = event.outcome;
        settlement.code = event.code ?? null;
        break;
      }
      case 'lease-lost':
        this.#withToken(tokenKey(event.token)).lost ??= { at, atMs: event.atMs };
        break;
      case 'clock-set':
        this.wall.set(event.atMs, event.offsetMs);
        break;
      case 'dead':
        this.#record(event.origin).deaths.push({ event, at });
        break;
      case 'blocked':
        this.stops.add(event.fromMs, event.atMs);
        break;
      case 'stalled':
        this.stalls++;
        break;
      case 'drained':
        this.drainedAt = at;
        break;
    }
  }

  #addProcess({ stage, life, atMs }: Extract<QueueEvent, { type: 'process' }>): void {
    if (stage === 'started') {
      this.wall.begin(atMs);
      this.lives.set(life, { number: life, end: null, endMs: Infinity });
    } else if (stage === 'stopped') {
      this.#stoppedMs ??= atMs;
    } else if (stage === 'continued') {
      this.#endStop(atMs);
    } else {
      this.#endStop(atMs);
      const ended = this.lives.get(life);
      if (ended === undefined) throw new BrokenHistoryError(`life ${life} was ${stage}, unborn`);
      ended.end = stage;
      ended.endMs = atMs;
    }
  }

  #endStop(atMs: number): void {
    if (this.#stoppedMs !== null) this.stops.add(this.#stoppedMs, atMs);
    this.#stoppedMs = null;
  }

  #addDelivery(handed: Handed): void {
    this.handed.push(handed);
    this.#byToken.set(tokenKey(handed.event.token), handed);
    this.#record(handed.event.token).deliveries.push(handed);
  }

  #addSettlement(invoked: SettleInvoked, at: number): void {
    const settlement: Settlement = {
      invoked,
      invokedAt: at,
      endedAt: null,
      endedMs: Infinity,
      outcome: 'indeterminate',
      code: null,
    };
    this.#withToken(tokenKey(invoked.token)).settlements.push(settlement);
    this.#calls.set(`${invoked.life} ${invoked.call}`, settlement);
  }

  #withToken(key: string): Handed {
    const handed = this.#byToken.get(key);
    if (handed === undefined) throw new BrokenHistoryError(`nobody was given ${key}`);
    return handed;
  }

  #record(place: Place): RecordStory {
    const key = placeKey(place);
    let record = this.records.get(key);
    if (record === undefined) {
      record = { place, deliveries: [], deaths: [] };
      this.records.set(key, record);
    }
    return record;
  }
}
