/** Writes histories by hand: one call is one thing that happened, a millisecond after the one before. */
import type {
  Counters,
  DeathReason,
  Outcome,
  Place,
  QueueEvent,
  SettleInvoked,
  Token,
} from './history.ts';
import { LEASE_LOST } from './lease-facts.ts';

export interface ForgedDelivery extends Partial<Counters> {
  readonly leaseNumber?: number;
  readonly ownerEpoch?: number;
  /** Default: where the send was told it is. */
  readonly place?: Place;
  readonly key?: string;
  readonly payload?: string;
}

type SettleDetails = Pick<SettleInvoked, 'isFailed' | 'delayMs' | 'leaseMs'>;

export class HistoryForge {
  readonly events: QueueEvent[] = [];
  life = 0;
  atMs = 0;
  /** Of the life; grows with it unless a test says otherwise. */
  ownerEpoch = 0;
  readonly #places = new Map<string, Place>();
  #leases = 0;
  #calls = 0;
  #copies = 0;

  start(): this {
    this.life++;
    this.ownerEpoch++;
    this.#leases = 0;
    return this.#process('started');
  }

  kill(): this {
    return this.#process('killed');
  }

  close(): this {
    return this.#process('closed');
  }

  /** The process stands still for so long. */
  stop(ms: number): this {
    this.#process('stopped');
    this.atMs += ms;
    return this.#process('continued');
  }

  /** A handler blocks the event loop for so long. */
  block(ms: number): this {
    const fromMs = this.atMs;
    this.atMs += ms;
    return this.#add({ type: 'blocked', ...this.#stamp(), fromMs });
  }

  /** The wall clock is that much ahead from now on. */
  setClock(offsetMs: number): this {
    return this.#add({ type: 'clock-set', ...this.#stamp(), offsetMs });
  }

  wait(ms: number): this {
    this.atMs += ms;
    return this;
  }

  /** A send that is invoked and, with an outcome, answered. */
  send(id: string, outcome: Outcome | null = 'ok', place?: Place): this {
    const own = place ?? { partition: 0, offset: this.#places.size };
    this.#places.set(id, own);
    this.#add({ type: 'send-invoked', ...this.#stamp(), ...contentOf(id) });
    if (outcome !== null) this.sendEnded(id, outcome);
    return this;
  }

  sendEnded(id: string, outcome: Outcome): this {
    const place = this.#placeOf(id);
    const told = outcome === 'ok' ? { place } : {};
    return this.#add({ type: 'send-ended', ...this.#stamp(), id, outcome, ...told });
  }

  deliver(id: string, changes: ForgedDelivery = {}): Token {
    const { place, ownerEpoch, leaseNumber, ...content } = changes;
    const token: Token = {
      ...(place ?? this.#placeOf(id)),
      ownerEpoch: ownerEpoch ?? this.ownerEpoch,
      leaseNumber: leaseNumber ?? ++this.#leases,
    };
    this.#add({
      type: 'delivered',
      ...this.#stamp(),
      ...contentOf(id),
      attempt: 1,
      failures: 0,
      expiries: 0,
      crashes: 0,
      consumer: 0,
      ...content,
      token,
    });
    return token;
  }

  ack(token: Token, outcome: Outcome | null = 'ok'): this {
    return this.settle('ack', token, outcome);
  }

  release(token: Token, details: SettleDetails = {}, outcome: Outcome | null = 'ok'): this {
    return this.settle('release', token, outcome, details);
  }

  reject(token: Token, outcome: Outcome | null = 'ok'): this {
    return this.settle('reject', token, outcome);
  }

  renew(token: Token, outcome: Outcome | null = 'ok'): this {
    return this.settle('renew', token, outcome);
  }

  /** A settlement that is invoked and, with an outcome, answered. */
  settle(
    verb: SettleInvoked['verb'],
    token: Token,
    outcome: Outcome | null,
    details: SettleDetails = {},
  ): this {
    const call = ++this.#calls;
    this.#add({ type: 'settle-invoked', ...this.#stamp(), call, verb, token, ...details });
    return outcome === null ? this : this.settleEnded(call, outcome);
  }

  settleEnded(call: number, outcome: Outcome, code = LEASE_LOST): this {
    const why = outcome === 'failed' ? { code } : {};
    return this.#add({ type: 'settle-ended', ...this.#stamp(), call, outcome, ...why });
  }

  /** The last call that was invoked. */
  get call(): number {
    return this.#calls;
  }

  lost(token: Token): this {
    return this.#add({ type: 'lease-lost', ...this.#stamp(), token });
  }

  dead(id: string, reason: DeathReason, attempts = 1, copy?: Place): this {
    return this.#add({
      type: 'dead',
      ...this.#stamp(),
      ...contentOf(id),
      origin: this.#placeOf(id),
      copy: copy ?? { partition: 0, offset: this.#copies++ },
      reason,
      attempts,
    });
  }

  drained(): this {
    return this.#add({ type: 'drained', ...this.#stamp() });
  }

  #placeOf(id: string): Place {
    return this.#places.get(id) ?? { partition: 0, offset: 1000 };
  }

  #process(stage: Extract<QueueEvent, { type: 'process' }>['stage']): this {
    return this.#add({ type: 'process', ...this.#stamp(), stage });
  }

  #stamp(): { life: number; atMs: number } {
    return { life: this.life, atMs: this.atMs++ };
  }

  #add(event: QueueEvent): this {
    this.events.push(event);
    return this;
  }
}

/** Ids such as `a.1` and `a.2` share the key `a`. */
function contentOf(id: string): { id: string; key: string; payload: string } {
  return { id, key: id.split('.')[0] ?? '', payload: `payload of ${id}` };
}
